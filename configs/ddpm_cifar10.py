"""DDPM on CIFAR-10: a U-Net of 35,746,307 parameters, FID 3.17.

Paper: Ho, Jain & Abbeel: Denoising Diffusion Probabilistic Models, 2020, Table 1,
https://arxiv.org/abs/2006.11239; a public repetition,
https://github.com/w86763777/pytorch-ddpm, reaches 3.249.
python scripts/train.py --config=configs/ddpm_cifar10.py --config.data.path=FOLDER \
  --workdir=runs/ddpm_cifar10
python scripts/predict.py --workdir=runs/ddpm_cifar10 --samples=64 --sampler=ancestral \
  --steps=1000 --picture=samples.png
(FOLDER holds the original python batches.) Hardware: a GPU, several hours; weeks on a
CPU. Expected: FID 3.17, which needs the features of an Inception network; a bound of at
most 3.75 bits per dimension.
Differences: 1,000 training images are kept apart for validation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    recipe(config)
    config.claim.update(
        paper="Ho, Jain & Abbeel: Denoising Diffusion Probabilistic Models",
        year=2020,
        link="https://arxiv.org/abs/2006.11239",
        table="Table 1, CIFAR-10, unconditional, L_simple",
        metric="test/fid",
        mode="min",
        protocol="Frechet distance of the features of 50,000 samples (ancestral, 1,000 "
        "steps, averaged parameters after 800,000 updates) and of the training images, "
        "by TensorFlow's Inception network, whose weights are not part of this "
        "framework",
        published=3.17,
        tolerance=0.1,
        reason="the public repetition reaches 3.249",
        hardware="one GPU",
        wall_time="not measured",
    )
    if arg == "quick":
        quick(config)
    return config


def recipe(config) -> None:
    """Sets what appendix B says, in place."""
    config.model.name, config.model.variant = "unet", "cifar10"
    config.task.name, config.task.schedule = "diffusion", "linear"
    config.task.sampler, config.task.steps = "ddim", 50  # of an evaluation's pictures
    config.data.name, config.data.holdout = "cifar", 0.02
    config.data.mean, config.data.std = (0.5,) * 3, (0.5,) * 3  # [-1, 1]
    config.data.batch_size, config.data.eval_batch_size = 128, 100
    config.augment.flip = "random"
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-4
    config.optimizer.clip_norm = 1.0
    config.schedule.warmup_steps = 5_000
    config.train.steps, config.train.log_every = 800_000, 500
    config.train.eval_every = 20_000
    config.train.ema_decay = 0.9999
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.checkpoint.keep_best = 0  # the last parameters are evaluated


def quick(config) -> None:
    """Shrinks the experiment to seconds, on synthetic images, in place."""
    base.use_synthetic(config, image_shape=(16, 16, 3), num_classes=10, count=512)
    config.model.variant = "debug"
    config.model.classes = 0
    config.task.steps = 10
    config.data.batch_size, config.data.eval_batch_size = 32, 64
    config.optimizer.learning_rate, config.schedule.warmup_steps = 2e-3, 10
    config.train.steps, config.train.log_every, config.train.eval_every = 48, 8, 0
    config.train.ema_decay = 0.9
