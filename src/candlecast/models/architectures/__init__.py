"""Nets, each in one file with its equations, its source and its recipe; they import torch, and are imported when first used."""
