"""The commands: `python scripts/<name>.py --help`."""
