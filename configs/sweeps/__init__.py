"""Sweeps: which config, over what, towards which metric, at what cost."""
