"""DCGAN of two doublings on MNIST: 898,304 parameters, within 20 minutes on CPU.

Paper: Radford, Metz & Chintala: Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks, 2016, https://arxiv.org/abs/1511.06434,
which has no number for MNIST's digits.
python scripts/train.py --config=configs/dcgan_mnist.py --config.data.path=FOLDER \
  --workdir=runs/dcgan
python scripts/predict.py --workdir=runs/dcgan --samples=64 --picture=samples.png
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores. Expected: digits that a
LeNet names with a mean confidence above 0.9, and all ten of them:
python scripts/sample_quality.py --workdir=runs/dcgan --classifier=runs/lenet \
  --config.data.path=FOLDER
Differences: two doublings instead of four, for 28x28 pixels; batches of 64 instead of
128; the generator's average is what draws.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "dcgan", "28"
    config.task.name, config.task.loss = "adversarial", "non_saturating"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.mean, config.data.std = (0.5,), (0.5,)  # [-1, 1], section 4
    config.data.batch_size = 64
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-4  # section 4
    config.optimizer.b1 = 0.5
    config.train.epochs, config.train.log_every = 6.0, 100
    config.train.eval_every = 859  # an epoch: 55,000 / 64
    config.train.ema_decay = 0.999
    config.checkpoint.keep = 6  # one of each epoch, so that all can be compared
    # The last one that `warnings` has nothing to say of.
    config.checkpoint.metric, config.checkpoint.mode = "validation/healthy_step", "max"
    if arg == "quick":
        quick(config)
    return config


def quick(config) -> None:
    """Shrinks the experiment to seconds, on synthetic images, in place."""
    base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=256)
    config.model.latent, config.model.channels = 16, (16, 8)
    config.data.batch_size, config.data.eval_batch_size = 16, 64
    config.optimizer.learning_rate = 1e-3
    config.train.ema_decay = 0.9
    config.train.epochs, config.train.log_every, config.train.eval_every = 4.0, 8, 0
