"""Models that are made of other models: ensembles over assets, conformal intervals, searches, scikit-learn and torch."""
