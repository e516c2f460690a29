"""An LSTM of 130 units reads MNIST pixel by pixel, 784 steps: 69,950 parameters.

Paper: Bai, Kolter & Koltun 2018, Table 1, sequential MNIST: test accuracy 87.2 %, and
85.7 % with --config.model.permutation=1, which reads the pixels in a drawn order,
https://arxiv.org/abs/1803.01271
python scripts/train.py --config=configs/lstm_mnist_pixels.py --config.data.path=FOLDER
Data, hardware and differences: as configs/gru_mnist_pixels.py says.
"""

from configs import base, gru_mnist_pixels


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images of 64 pixels."""
    base.no_argument(arg)
    config = gru_mnist_pixels.get_config(arg)
    config.model.variant = "mnist_lstm"
    config.model.forget_bias = 1.0
    config.claim.table = "Table 1, Seq. MNIST: LSTM"
    config.claim.published, config.claim.tolerance = 0.872, 0.022
    return config
