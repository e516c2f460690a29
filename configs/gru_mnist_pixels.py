"""A GRU of 150 units reads MNIST pixel by pixel, 784 steps: 69,910 parameters.

Paper: Bai, Kolter & Koltun 2018, Table 1, sequential MNIST: test accuracy 96.2 %, and
87.3 % with --config.model.permutation=1, which reads the pixels in a drawn order,
https://arxiv.org/abs/1803.01271
python scripts/train.py --config=configs/gru_mnist_pixels.py --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: a GPU. Not run.
Differences: the paper chose rate and clipping by a search that it does not print; 5,000
training images are kept apart for validation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of 64 pixels."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "rnn", "mnist_gru"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.mean, config.data.std = (0.1307,), (0.3081,)
    config.data.batch_size = 64
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 2e-3
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "cosine"
    config.train.epochs = 20.0
    config.train.log_every = 100
    config.claim.update(
        paper="Bai, Kolter & Koltun: An Empirical Evaluation of Generic Convolutional "
        "and Recurrent Networks for Sequence Modeling",
        year=2018,
        link="https://arxiv.org/abs/1803.01271",
        table="Table 1, Seq. MNIST: GRU",
        metric="test/accuracy",
        protocol="MNIST test split, 10,000 images, read once, at the checkpoint that "
        "is best on 5,000 held-out training images",
        published=0.962,
        tolerance=0.015,
        reason="one run was published, of a recipe that is not printed",
        hardware="one GPU",
        wall_time="not measured",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(8, 8, 1), num_classes=4, count=512)
        config.model.widths = (16,)
        config.data.batch_size, config.data.eval_batch_size = 32, 128
        config.optimizer.learning_rate = 2e-2
        config.train.epochs, config.train.log_every = 8.0, 8
    return config
