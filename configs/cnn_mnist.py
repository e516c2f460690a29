"""Two convolutions and a hidden layer, with dropout, on MNIST: 1,199,882 parameters.

Source: Keras' mnist_cnn example, test accuracy 99.25 % after 12 epochs.
python scripts/train.py --config=configs/cnn_mnist.py --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores, about 20 minutes.
Expected: test accuracy 99.25 % +- 0.1.
Differences: Adam, its rate falling to zero along a cosine, instead of Adadelta; 5,000
training images are kept apart for validation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "cnn", "32-64-128"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.batch_size = 128
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 1e-3
    config.schedule.name = "cosine"
    config.train.epochs = 12.0
    config.train.log_every = 100
    config.claim.update(
        paper="Chollet et al.: Keras, examples/mnist_cnn.py",
        year=2015,
        link="https://github.com/keras-team/keras",
        table="docstring of the example: after 12 epochs",
        metric="test/accuracy",
        protocol="MNIST test split, 10,000 images, read once, at the checkpoint that "
        "is best on 5,000 held-out training images",
        published=0.9925,
        tolerance=0.001,
        reason="1.2 standard errors of such a rate over 10,000 images",
        hardware="2 CPU cores",
        wall_time="20 minutes",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=512)
        config.model.variant = "debug"
        config.data.batch_size = 32
        config.optimizer.learning_rate = 1e-2
        config.train.epochs, config.train.log_every = 6.0, 10
    return config
