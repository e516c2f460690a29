"""Diffusion of MNIST's digits on a CPU: a U-Net that draws the digit asked for.

After Ho, Jain & Abbeel: Denoising Diffusion Probabilistic Models, 2020,
https://arxiv.org/abs/2006.11239, and Ho & Salimans: Classifier-Free Diffusion Guidance,
2022, https://arxiv.org/abs/2207.12598; neither has MNIST, so no
number is published.
python scripts/train.py --config=configs/ddpm_mnist.py --config.data.path=FOLDER \
  --workdir=runs/ddpm
python scripts/predict.py --workdir=runs/ddpm --samples=100 --steps=50 --guidance=2 \
  --picture=digits.png
(FOLDER holds the four idx .gz files.) Hardware: two CPU cores, half an hour. Expected:
2.23 bits per dimension; with guidance 2, digits of which LeNet sees 99.3 % as what was
asked for.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "unet", "mnist"
    config.task.name, config.task.schedule = "diffusion", "cosine"
    config.task.label_dropout = 0.1
    config.task.sampler, config.task.steps = "ddim", 50
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.mean, config.data.std = (0.5,), (0.5,)  # [-1, 1]
    config.data.batch_size, config.data.eval_batch_size = 64, 100
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-3
    config.optimizer.clip_norm = 1.0
    config.schedule.name, config.schedule.warmup_steps = "cosine", 100
    config.train.epochs, config.train.log_every = 4.0, 50
    config.train.ema_decay = 0.995
    config.checkpoint.keep = 5  # for --over-training
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Ho, Jain & Abbeel: Denoising Diffusion Probabilistic Models",
        year=2020,
        link="https://arxiv.org/abs/2006.11239",
        table="none: not on MNIST",
        metric="test/bits_per_dimension",
        mode="min",
        protocol="MNIST test split, 10,000 images; the variational bound given the "
        "label, in bits per pixel: its first term and one more of 1,000 drawn for each "
        "image; at the checkpoint that is best on 5,000 held-out training images",
        seeds=1,
        hardware="CPU",
        wall_time="28 minutes",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=1024)
        config.model.channels, config.model.groups = 8, 4
        config.model.attention = ()
        config.task.steps = 10
        config.data.batch_size, config.data.eval_batch_size = 32, 64
        config.schedule.warmup_steps = 10
        config.train.epochs, config.train.log_every = 2.0, 8
        config.train.ema_decay = 0.9
    return config
