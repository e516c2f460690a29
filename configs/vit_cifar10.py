"""A small Vision Transformer on CIFAR-10 from scratch: 6,268,810 parameters.

Source: https://github.com/omihub777/ViT-CIFAR, 91.01 % test accuracy; the network is
that of Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929
python scripts/train.py --config=configs/vit_cifar10.py --config.data.path=FOLDER
(FOLDER holds the original python batches.) Hardware: a GPU; days on 2 CPU cores.
Differences: 5,000 training images are kept apart for validation; see
research/models/vit.py.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "vit", "cifar"
    config.data.name = "cifar"
    config.data.holdout = 0.1
    config.data.mean = (0.4914, 0.4822, 0.4465)
    config.data.std = (0.2470, 0.2435, 0.2616)
    config.data.batch_size = 128
    config.task.label_smoothing = 0.1
    config.augment.pad_crop = 4
    config.augment.flip = "random"
    config.augment.policy = "autoaugment_cifar10"
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 5e-5
    config.optimizer.decay_mask = "all"
    config.schedule.name = "cosine"
    config.schedule.warmup_steps = 5 * 352  # 5 epochs of 45,000 images
    config.schedule.end_factor = 0.01
    config.train.epochs = 200.0
    config.claim.update(
        paper="omihub777: ViT-CIFAR",
        year=2021,
        link="https://github.com/omihub777/ViT-CIFAR",
        table="README: ViT with AutoAugment and label smoothing",
        metric="test/accuracy",
        protocol="CIFAR-10 test split, 10,000 images, one view each, read once, at the "
        "checkpoint that is best on 5,000 held-out training images",
        published=0.9101,
        tolerance=0.007,
        reason="2.4 standard errors over 10,000 images: one run, with all 50,000 "
        "training images, was published",
        hardware="one GPU",
        wall_time="15 minutes",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(32, 32, 3), num_classes=10, count=1024)
        config.model.variant = "debug"
        config.data.batch_size, config.data.eval_batch_size = 32, 128
        config.augment.policy = "none"
        config.schedule.warmup_steps = 10
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 12.0, 10
    return config
