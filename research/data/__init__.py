"""One data source per file, and the pipeline that turns it into batches."""
