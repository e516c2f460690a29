"""VQ-VAE on MNIST: each digit becomes 7x7 entries of a codebook of 128.

Paper: van den Oord, Vinyals & Kavukcuoglu: Neural Discrete Representation Learning,
2017, https://arxiv.org/abs/1711.00937; nothing was published of this size on this data.
python scripts/train.py --config=configs/vqvae_mnist.py --config.data.path=FOLDER
(FOLDER holds the four idx .gz files.) Hardware: 2 CPU cores.
An image is 49 entries, so at most 43 bytes; test/perplexity says how many of the 128
are in use, test/pca_error is that of a PCA of 392 floats, the width of the code.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "vqvae", "mnist"
    config.task.name, config.task.output = "reconstruction", "logistic"
    config.data.name = "idx"
    config.data.holdout = 1 / 12  # 5,000 of 60,000
    config.data.batch_size = 128
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 10.0, 100
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic(config, image_shape=(28, 28, 1), num_classes=10, count=512)
        config.model.variant = "debug"
        config.data.batch_size, config.data.eval_batch_size = 64, 128
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 4.0, 10
    return config
