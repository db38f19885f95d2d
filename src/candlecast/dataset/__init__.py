"""What passes between the parts of a walk: folds, samples, jobs, predictions and the forecast table."""
