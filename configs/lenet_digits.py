"""LeNet-5 (LeCun et al. 1998) on scikit-learn's 1,797 handwritten digits.

python scripts/train.py --config=configs/lenet_digits.py --workdir=runs/lenet_digits
Hardware: 2 CPU cores, under 30 s. Expected: test accuracy >= 98 %.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` is a few epochs of it."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "lenet", "modern"
    config.data.name = "digits"
    config.data.image_size = 28
    config.data.pad = 2  # 28 -> 32, what C1 expects
    config.data.batch_size = 32
    config.data.eval_batch_size = 120
    config.optimizer.learning_rate = 2e-3
    config.optimizer.weight_decay = 1e-2
    config.schedule.name = "cosine"
    config.train.epochs = 40.0
    config.train.log_every = 100
    config.claim.update(
        paper="LeCun, Bottou, Bengio & Haffner: Gradient-Based Learning Applied to "
        "Document Recognition",
        year=1998,
        link="https://doi.org/10.1109/5.726791",
        table="none: other data than the paper's",
        metric="test/error",
        mode="min",
        protocol="a fixed, stratified fifth of scikit-learn's 1,797 digits (359 "
        "images), read once, at the checkpoint that is best on another fifth",
        hardware="2 CPU cores",
        wall_time="10 seconds",
    )
    if arg == "quick":
        config.train.epochs, config.train.log_every = 3.0, 20
    return config
