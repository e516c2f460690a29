"""A Diffusion Transformer on CIFAR-10's pixels: DiT-S/2, 32,475,660 parameters.

After Peebles & Xie: Scalable Diffusion Models with Transformers, 2023, section 4,
https://arxiv.org/abs/2212.09748: AdamW at a constant rate without decay, no
dropout, a tenth of the labels dropped. They train on ImageNet's latent maps, so nothing
is claimed.
python scripts/train.py --config=configs/dit_cifar10.py --config.data.path=FOLDER \
  --workdir=runs/dit
python scripts/predict.py --workdir=runs/dit --samples=80 --guidance=1.5 \
  --picture=samples.png
(FOLDER holds the original python batches.) Hardware: a GPU, several hours; weeks on a
CPU. Wall time and score: not measured.
"""

from configs import base, ddpm_cifar10


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    ddpm_cifar10.recipe(config)
    config.model.name, config.model.variant = "dit", "cifar10"
    config.task.label_dropout = 0.1
    config.optimizer.name, config.optimizer.learning_rate = "adamw", 1e-4
    config.optimizer.clip_norm, config.schedule.warmup_steps = 0.0, 0
    config.train.steps = 400_000
    if arg == "quick":
        ddpm_cifar10.quick(config)
        config.model.classes = 10
    return config
