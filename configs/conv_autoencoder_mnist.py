"""Convolutional autoencoder on MNIST: 211,905 parameters, code of 64 numbers.

Two convolutions of stride 2 and a linear code, and their mirror image; beside it stands
a PCA of 64 components.
python scripts/train.py --config=configs/conv_autoencoder_mnist.py \
  --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores, about 8 minutes.
Expected: test/squared_error below test/pca_error, which is about 7.1.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "conv-64"
    config.task.name, config.task.output = "reconstruction", "logistic"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.batch_size = 128
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 15.0, 100
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=512)
        config.model.channels = (8, 8)
        config.data.batch_size, config.data.eval_batch_size = 64, 128
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 4.0, 10
    return config
