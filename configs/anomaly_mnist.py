"""One-class anomaly detection on MNIST: an autoencoder that has seen one digit only.

Protocol: Ruff et al.: Deep One-Class Classification, 2018,
http://proceedings.mlr.press/v80/ruff18a.html, section 4.2 and Table 1: mean AUROC of
the ten digits: Deep SVDD 94.8 %, Isolation Forest 92.3 %.
python scripts/train.py --config=configs/anomaly_mnist.py --config.data.path=FOLDER \
  --config.data.normal=3
python scripts/one_class.py --config=configs/anomaly_mnist.py \
  --config.data.path=FOLDER --workdir=runs/one_class
(FOLDER holds the four idx .gz files; the second command makes all ten.) Hardware: 2 CPU
cores, half a minute per digit. Expected: a mean test/auroc of 97.0 %, above
test/isolation_forest_auroc, which the same evaluation measures.
Differences: the score is the squared error of a reconstruction; pixels lie in [0, 1].
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "64"
    config.model.hidden, config.model.code = (256, 64), 16
    config.task.name, config.task.output = "reconstruction", "logistic"
    config.task.quantile = 0.95  # of the normal validation errors: the threshold
    config.data.name, config.data.of, config.data.normal = "one_class", "idx", 0
    config.data.batch_size = 64
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 40.0, 100
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        config.data.of, config.data.options = "synthetic", (("count", 2048),)
        config.model.hidden = (64,)
        config.data.batch_size, config.data.eval_batch_size = 32, 128
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 15.0, 10
    return config
