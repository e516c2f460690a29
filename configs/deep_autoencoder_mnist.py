"""Deep autoencoder 784-1000-500-250-30 on MNIST: 2,837,314 parameters, code of 30.

Paper: Hinton & Salakhutdinov: Reducing the Dimensionality of Data with Neural Networks,
2006, https://doi.org/10.1126/science.1127647: test squared error per image 3.00; PCA of
30 components 13.87, which test/pca_error computes again.
python scripts/train.py --config=configs/deep_autoencoder_mnist.py \
  --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores, about 20 minutes.
Expected: test/squared_error 3.6.
Differences: leaky ReLU units trained with Adam, where the paper's logistic ones are
pre-trained as Boltzmann machines and fine-tuned with conjugate gradients; 5,000
training images are kept apart for validation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "hinton"
    config.task.name, config.task.output = "reconstruction", "logistic"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.batch_size = 128
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 60.0, 200
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Hinton & Salakhutdinov: Reducing the Dimensionality of Data with Neural "
        "Networks",
        year=2006,
        link="https://doi.org/10.1126/science.1127647",
        table="squared error per test image, 30-dimensional codes of MNIST",
        metric="test/squared_error",
        mode="min",
        protocol="MNIST test split, 10,000 images in [0, 1], squared error summed "
        "over an image's pixels, read once, at the checkpoint that is best on 5,000 "
        "held-out training images",
        published=3.0,
        tolerance=1.0,
        reason="no pre-training, and minutes instead of the paper's days",
        hardware="2 CPU cores",
        wall_time="20 minutes",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=512)
        config.model.hidden = (64, 32)
        config.data.batch_size, config.data.eval_batch_size = 64, 128
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 6.0, 10
    return config
