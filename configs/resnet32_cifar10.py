"""ResNet-32 on CIFAR-10: 464,154 parameters.

Paper: He, Zhang, Ren & Sun 2016, section 4.2 and Table 6, test error 7.51 %,
https://arxiv.org/abs/1512.03385
python scripts/train.py --config=configs/resnet32_cifar10.py --config.data.path=FOLDER
Hardware: a GPU; about 12 hours on 2 CPU cores. Expected: test accuracy 92.49 %.
Differences: those of configs/resnet20_cifar10.py.
"""

from configs import resnet20_cifar10


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    config = resnet20_cifar10.get_config(arg)
    config.model.variant = "32"  # `quick` sets the blocks itself
    config.claim.update(
        published=0.0751,
        reason="the same as for ResNet-20, where public runs spread that far",
        wall_time="8 minutes (12 hours on 2 CPU cores)",
    )
    return config
