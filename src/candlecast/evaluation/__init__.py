"""Evaluation of a forecast and of its trading: accuracy, evidence, objections, and the verdict among all trials."""
