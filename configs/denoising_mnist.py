"""Denoising autoencoder on MNIST: a quarter of the pixels masked, 1000 hidden units.

Paper: Vincent et al.: Stacked Denoising Autoencoders, 2010,
https://www.jmlr.org/papers/v11/vincent10a.html: masking noise of 25 %, an overcomplete
hidden layer, logistic outputs and cross-entropy.
python scripts/train.py --config=configs/denoising_mnist.py --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores, about 6 minutes.
Other noise: --config.task.noise=gaussian --config.task.noise_level=0.5, or
salt_and_pepper. Expected: test/squared_error, of reconstructions from corrupted images,
far below test/identity_error, that of the corrupted images themselves, and below
test/pca_error, that of a PCA's reconstructions from them.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "64"
    config.model.code, config.model.code_activation = 1000, "sigmoid"
    config.task.name, config.task.output = "reconstruction", "logistic"
    config.task.loss = "cross_entropy"
    config.task.noise, config.task.noise_level = "masking", 0.25
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.batch_size = 128
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 30.0, 200
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=1024)
        config.model.code = 64
        config.data.batch_size = 64
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 6.0, 10
    return config
