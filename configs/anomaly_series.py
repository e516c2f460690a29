"""Anomalies in a series: a small autoencoder on windows of your own CSV file.

Network: the 32-16-8 autoencoder of TensorFlow's tutorial on electrocardiograms,
https://www.tensorflow.org/tutorials/generative/autoencoder, with linear outputs.
python scripts/train.py --config=configs/anomaly_series.py \
  --config.data.path=FILE.csv --workdir=runs/series
python scripts/predict.py --workdir=runs/series FILE.csv --quantile=0.99 \
  --picture=spans.png
(FILE.csv holds columns of numbers over time; --config.data.label names a column of 0
and 1, if there is one: verdicts then need no --quantile.) Hardware: 2 CPU cores,
seconds per thousand rows.
Expected: depends on the data; with labels, test/auroc stands beside those of a PCA of
the same size and of an Isolation Forest.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns a synthetic series."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "32-16-8"
    config.model.code_activation = "linear"
    config.task.name, config.task.input = "reconstruction", "window"
    config.task.quantile = 0.99  # of the normal validation errors: the threshold
    config.data.name, config.data.length, config.data.stride = "csv_windows", 32, 1
    config.data.batch_size = 64
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 30.0, 50
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        config.data.name = "synthetic_series"
        config.data.eval_batch_size = 128
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 10.0, 20
    return config
