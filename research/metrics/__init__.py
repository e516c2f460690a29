"""One metric per file, each with its protocol stated."""
