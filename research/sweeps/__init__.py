"""Hyperparameter search: the space, the ledger of trials, the executors."""
