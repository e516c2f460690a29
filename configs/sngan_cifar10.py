"""SNGAN on CIFAR-10, the residual networks: 5,330,563 parameters.

Paper: Miyato, Kataoka, Koyama & Yoshida: Spectral Normalization for Generative
Adversarial Networks, 2018, https://arxiv.org/abs/1802.05957.
python scripts/train.py --config=configs/sngan_cifar10.py --config.data.path=FOLDER \
  --workdir=runs/sngan
… --config.model.classes=10                    conditioned on the label
(FOLDER holds CIFAR-10's python batches.) Hardware: a GPU; wall time not measured.
Expected: Frechet Inception distance 21.7 (paper), 14.32 as
https://github.com/w86763777/pytorch-gan-collections measured it; this project measures
no Inception features: write images with scripts/predict.py --samples=50000
--to=images.npz and measure them with the tool of your choice.
Differences: every update of the critic has 64 images of its own; the paper's protocol
compares 5,000 images, the repetition's 50,000.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "sngan", "sngan"
    config.task.name, config.task.loss = "adversarial", "hinge"
    config.task.discriminator_steps = 5
    config.data.name, config.data.holdout = "cifar", 0.1
    config.data.mean, config.data.std = (0.5,) * 3, (0.5,) * 3
    config.data.batch_size = 5 * 64  # 64 per update of the critic
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-4
    config.optimizer.b1, config.optimizer.b2 = 0.0, 0.9
    config.schedule.name = "linear"
    config.train.steps, config.train.epochs = 100_000, 0.0
    config.train.log_every, config.train.eval_every = 200, 5_000
    config.checkpoint.metric, config.checkpoint.mode = "validation/healthy_step", "max"
    config.claim.update(
        paper="Miyato et al.: Spectral Normalization for Generative Adversarial "
        "Networks",
        year=2018,
        link="https://arxiv.org/abs/1802.05957",
        table="Table 2, CIFAR-10, SN-GANs, residual networks, hinge loss",
        metric="test/frechet_inception_distance",
        mode="min",
        protocol="Frechet distance of Inception features, measured outside of this "
        "project on images of scripts/predict.py; https://github.com/w86763777/"
        "pytorch-gan-collections has 14.32 with 50,000 images against the training set",
        published=21.7,
        tolerance=1.0,
        reason="the distance falls with the number of images compared",
        seeds=1,
        hardware="one GPU",
        wall_time="not measured",
    )
    if arg == "quick":
        quick(config)
    return config


def quick(config) -> None:
    """Shrinks the experiment to seconds, on synthetic images, in place."""
    base.use_synthetic(config, image_shape=(8, 8, 3), num_classes=10, count=256)
    config.model.latent, config.model.channels = 16, (16,)
    config.model.critic = (16, 16)
    config.task.discriminator_steps = 2
    config.data.batch_size, config.data.eval_batch_size = 32, 64
    config.optimizer.learning_rate = 1e-3
    config.train.steps, config.train.epochs = 0, 4.0
    config.train.log_every, config.train.eval_every = 8, 0
