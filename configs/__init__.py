"""One experiment per file: `get_config(arg)` is that of base plus differences."""
