"""Menagerie: every architecture of the standard zoo in JAX, trained with one command."""
