"""Layers of nets, each written for one model; the fleet stacks their parameters."""
