"""784-64-784 autoencoder on MNIST: 101,200 parameters, beside a PCA of 64 components.

Source: TensorFlow's tutorial "Intro to Autoencoders", first example,
https://www.tensorflow.org/tutorials/generative/autoencoder
python scripts/train.py --config=configs/autoencoder_mnist.py --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores, about 2 minutes.
Expected: test/squared_error, summed over an image, below test/pca_error, that of the
PCA, which is about 7.1.
Differences: digits instead of clothes, a linear code instead of one of ReLU units;
5,000 training images are kept apart for validation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "64"
    config.task.name, config.task.output = "reconstruction", "logistic"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.batch_size = 128
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 30.0, 200
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=1024)
        config.data.batch_size = 64
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 6.0, 10
    return config
