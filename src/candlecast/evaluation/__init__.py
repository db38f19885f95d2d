"""What a forecast and its trading are worth: accuracy, evidence, objections, and the verdict among all trials."""
