"""DCGAN on CIFAR-10: 1,732,224 parameters.

Paper: Radford, Metz & Chintala: Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks, 2016, https://arxiv.org/abs/1511.06434.
python scripts/train.py --config=configs/dcgan_cifar10.py --config.data.path=FOLDER \
  --workdir=runs/dcgan_cifar10
(FOLDER holds CIFAR-10's python batches.) Hardware: a GPU; wall time not measured.
https://github.com/w86763777/pytorch-gan-collections reports a Frechet Inception
distance of 42.72 after 100,000 updates, with another network of this kind.
Differences: three doublings instead of four, for 32x32 pixels.
"""

from configs import base, dcgan_mnist


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    config = dcgan_mnist.get_config()
    base.no_argument(arg)
    config.model.variant = "32"
    config.data.name, config.data.holdout = "cifar", 0.1
    config.data.mean, config.data.std = (0.5,) * 3, (0.5,) * 3
    config.data.batch_size = 128
    config.train.steps, config.train.epochs = 100_000, 0.0
    config.train.log_every, config.train.eval_every = 200, 5_000
    config.train.ema_decay = 0.0  # as in the repetition
    config.checkpoint.keep = 2
    if arg == "quick":
        dcgan_mnist.quick(config)
        config.data.image_shape = (16, 16, 3)
        config.data.mean, config.data.std = (0.5,) * 3, (0.5,) * 3
        config.train.steps, config.train.ema_decay = 0, 0.0
    return config
