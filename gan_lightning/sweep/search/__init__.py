"""Hyperparameter search with Optuna: the search space, the study that workers share, its trials and the best of them."""
