"""ResNet-44 on CIFAR-10: 658,586 parameters.

Paper: He, Zhang, Ren & Sun 2016, section 4.2 and Table 6, test error 7.17 %,
https://arxiv.org/abs/1512.03385
python scripts/train.py --config=configs/resnet44_cifar10.py --config.data.path=FOLDER
Hardware: a GPU; about 18 hours on 2 CPU cores. Expected: test accuracy 92.83 %.
Differences: those of configs/resnet20_cifar10.py.
"""

from configs import resnet20_cifar10


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    config = resnet20_cifar10.get_config(arg)
    config.model.variant = "44"  # `quick` sets the blocks itself
    config.claim.update(
        published=0.0717,
        reason="the same as for ResNet-20, where public runs spread that far",
        wall_time="11 minutes (18 hours on 2 CPU cores)",
    )
    return config
