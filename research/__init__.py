"""Menagerie: the standard zoo of architectures in JAX, trained with one command."""
