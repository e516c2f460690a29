"""WGAN-GP on CIFAR-10, the residual networks: 2,258,308 parameters.

Paper: Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville: Improved Training of
Wasserstein GANs, 2017, https://arxiv.org/abs/1704.00028, section 5.4.
python scripts/train.py --config=configs/wgan_gp_cifar10.py --config.data.path=FOLDER \
  --workdir=runs/wgan_gp
(FOLDER holds CIFAR-10's python batches.) Hardware: a GPU; wall time not measured.
Expected: Frechet Inception distance 16.95 as
https://github.com/w86763777/pytorch-gan-collections measured it with wider generators;
this project measures no Inception features: see configs/sngan_cifar10.py.
Differences: the generator has batches of 64 instead of 128.
"""

from configs import sngan_cifar10


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images."""
    config = sngan_cifar10.get_config(arg)
    config.model.variant = "wgan_gp"
    config.task.loss, config.task.gradient_penalty = "wasserstein", 10.0
    config.claim.update(
        paper="Gulrajani et al.: Improved Training of Wasserstein GANs",
        year=2017,
        link="https://arxiv.org/abs/1704.00028",
        table="none: the repetition https://github.com/w86763777/"
        "pytorch-gan-collections, WGAN-GP, residual networks",
        protocol="Frechet distance of Inception features of 50,000 images against the "
        "training set, measured outside of this project on images of "
        "scripts/predict.py",
        published=16.95,
        tolerance=3.0,
        reason="the repetition's generator is twice as wide as the paper's",
    )
    return config
