"""The first generative adversarial network, of perceptrons, on MNIST: 3,735,425
parameters.

Paper: Goodfellow et al.: Generative Adversarial Nets, 2014,
https://arxiv.org/abs/1406.2661; network and recipe as in
https://github.com/goodfeli/adversarial, mnist.yaml.
python scripts/train.py --config=configs/gan_mnist.py --config.data.path=FOLDER \
  --workdir=runs/gan
python scripts/predict.py --workdir=runs/gan --samples=64 --picture=samples.png
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores; wall time not measured.
The paper's score, Parzen windows, says little (Theis et al. 2016) and is not computed.
Differences: Adam at 2e-4 instead of SGD with a rising momentum; the generator's outputs
start at 0.5 instead of the pixels' means.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "gan", "mnist"
    config.task.name, config.task.loss = "adversarial", "non_saturating"
    config.task.prior = "uniform"
    config.data.name = "idx"
    config.data.holdout = 1 / 6  # 10,000 of 60,000, as in mnist.yaml
    config.data.batch_size = 100
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-4
    config.optimizer.b1 = 0.5
    config.train.epochs, config.train.log_every = 100.0, 100
    config.train.eval_every = 2_500  # 5 epochs
    # The last one that `warnings` has nothing to say of.
    config.checkpoint.metric, config.checkpoint.mode = "validation/healthy_step", "max"
    if arg == "quick":
        quick(config)
    return config


def quick(config) -> None:
    """Shrinks the experiment to seconds, on synthetic images, in place."""
    base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=512)
    config.model.hidden, config.model.units = (128,), (32,)
    config.data.batch_size, config.data.eval_batch_size = 32, 64
    config.optimizer.learning_rate = 1e-3
    config.train.epochs, config.train.log_every, config.train.eval_every = 4.0, 8, 0
