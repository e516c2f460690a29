"""One learning problem per file: loss, train step, eval step, predictions."""
