"""Published numbers beside reached ones: claims, evidence, tables and their audit."""
