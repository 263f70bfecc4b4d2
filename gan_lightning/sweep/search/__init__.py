"""A hyperparameter search on Optuna: the space, the study, its trials."""
