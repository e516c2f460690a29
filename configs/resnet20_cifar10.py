"""ResNet-20 on CIFAR-10: 269,722 parameters.

Paper: He, Zhang, Ren & Sun 2016, section 4.2 and Table 6, test error 8.75 %,
https://arxiv.org/abs/1512.03385
python scripts/train.py --config=configs/resnet20_cifar10.py --config.data.path=FOLDER
(FOLDER holds the original python batches.) Hardware: a GPU; about 8 hours on 2 CPU
cores. Expected: test accuracy 91.25 %, at least 91.0 %.
Differences: 200 epochs with the rate divided by 10 at 100 and 150, as public
re-implementations train, instead of 64,000 updates divided at 32,000 and 48,000.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "resnet", "20"
    config.data.name = "cifar"
    config.data.holdout = 0.1  # 5,000 of 50,000, as in the paper
    config.data.mean = (0.4914, 0.4822, 0.4465)
    config.data.std = (0.2470, 0.2435, 0.2616)
    config.data.batch_size = 128
    config.augment.pad_crop = 4
    config.augment.flip = "random"
    config.optimizer.name = "momentum"
    config.optimizer.learning_rate = 0.1
    config.optimizer.momentum = 0.9
    config.optimizer.weight_decay = 1e-4
    config.optimizer.decay_mask = "all"
    config.schedule.name = "step"
    config.schedule.boundaries, config.schedule.factor = (0.5, 0.75), 0.1
    config.train.epochs = 200.0
    config.claim.update(
        paper="He, Zhang, Ren & Sun: Deep Residual Learning for Image Recognition",
        year=2016,
        link="https://arxiv.org/abs/1512.03385",
        table="Table 6",
        metric="test/error",
        mode="min",
        protocol="CIFAR-10 test split, 10,000 images, one view each, read once, at the "
        "checkpoint that is best on 5,000 held-out training images",
        published=0.0875,
        tolerance=0.005,
        reason="public runs of this net range from 7.98 to 8.58 %",
        hardware="one GPU",
        wall_time="5 minutes (8 hours on 2 CPU cores)",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(32, 32, 3), num_classes=10, count=1024)
        config.model.stage_sizes = (1, 1, 1)
        config.data.batch_size, config.data.eval_batch_size = 32, 128
        config.train.epochs, config.train.log_every = 2.0, 10
    return config
