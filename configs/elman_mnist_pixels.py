"""An Elman network of 258 units reads MNIST pixel by pixel: 69,670 parameters.

Paper: Bai, Kolter & Koltun 2018, Table 1, sequential MNIST: test accuracy 21.5 %, and
25.3 % with --config.model.permutation=1: over 784 steps its gradient is gone, see
`scripts/report.py gradients`, https://arxiv.org/abs/1803.01271
python scripts/train.py --config=configs/elman_mnist_pixels.py --config.data.path=FOLDER
Data, hardware and differences: as configs/gru_mnist_pixels.py says.
"""

from configs import base, gru_mnist_pixels


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of 64 pixels."""
    base.no_argument(arg)
    config = gru_mnist_pixels.get_config(arg)
    config.model.variant = "mnist_elman"
    config.optimizer.learning_rate = 1e-3
    config.claim.table = "Table 1, Seq. MNIST: RNN"
    config.claim.published, config.claim.tolerance = 0.215, 0.03
    return config
