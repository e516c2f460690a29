"""One experiment per file: `get_config(arg)` is `base.get_config()` plus differences."""
