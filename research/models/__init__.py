"""One architecture per file: the file's name is the name in a config."""
