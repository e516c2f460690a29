"""StyleGAN2 on a folder of images, 32x32 by default: 2,235,660 parameters in grey.

Paper: Karras et al.: Analyzing and Improving the Image Quality of StyleGAN, 2020,
https://arxiv.org/abs/1912.04958.
python scripts/train.py --config=configs/stylegan2_images.py \
  --config.data.path=FOLDER --config.data.image_size=32 --workdir=runs/stylegan2
(FOLDER/<any name>/<image>: PNG, JPEG, WebP or BMP of any size, grey or in colour, which
are cropped to squares.) Image sizes are powers of two, 32 to 1024; from 128 on
--config.model.variant=f has the paper's channels. Hardware: 2 CPU cores at 32x32 (1.2 s
a step, 2 s with penalties), a GPU above. What to expect depends on the images. A short
run: 20,000 digits in grey became diverse in 27 minutes on two cores, as
docs/measurements/stylegan2_digits.json says whole, by
  --config.model.most=64 --config.model.base=1024 --config.model.mixing=0.0 \
  --config.task.path_length=0.0 --config.task.r1_every=4 --config.train.steps=2800
python scripts/predict.py --workdir=runs/stylegan2 --samples=64 --truncation=0.7 \
  --picture=samples.png
Differences: fewer channels; one decay of Adam's second moment for both networks; path
lengths of the whole batch instead of half of it.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "stylegan2", "small"
    config.task.name, config.task.loss = "adversarial", "non_saturating"
    config.task.r1, config.task.r1_every = 10.0, 16
    config.task.path_length, config.task.path_every = 2.0, 8
    config.task.ema_rampup = 0.05
    config.data.name, config.data.image_size = "image_folder", 32
    config.data.mean, config.data.std = (0.5,) * 3, (0.5,) * 3
    config.data.batch_size, config.data.eval_batch_size = 32, 64
    config.augment.flip = "random"
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-3
    # Appendix B: penalties every k steps turn Adam's settings into c = k / (k + 1) of
    # the rate, and the decays to the power of c.
    config.optimizer.multipliers = (
        ("^generator/", 8 / 9),
        ("^discriminator/", 16 / 17),
    )
    config.optimizer.b1, config.optimizer.b2 = 0.0, 0.99 ** (16 / 17)
    config.train.steps, config.train.epochs = 100_000, 0.0
    config.train.log_every, config.train.eval_every = 100, 2_000
    config.train.ema_decay = 0.5 ** (32 / 10_000)  # half of it is of 10,000 images
    config.checkpoint.metric, config.checkpoint.mode = "validation/healthy_step", "max"
    if arg == "quick":
        quick(config)
    return config


def quick(config) -> None:
    """Shrinks the experiment to seconds, on synthetic images, in place."""
    base.use_synthetic(config, image_shape=(8, 8, 3), num_classes=10, count=256)
    config.model.variant, config.model.latent, config.model.most = "small", 16, 16
    config.task.r1_every, config.task.path_every = 4, 4
    config.data.batch_size = 16
    config.train.steps, config.train.epochs = 0, 2.0
    config.train.log_every, config.train.eval_every = 8, 0
    config.train.ema_decay = 0.9
