"""DLinear on ETTm1, 336 quarter-hours back and 720 ahead: 485,280 parameters.

Paper: Zeng et al. 2023, https://arxiv.org/abs/2205.13504, Table 2: MSE 0.425, MAE
0.421.
python scripts/train.py --config=configs/dlinear_ettm1_720.py \
  --config.data.path=ETTm1.csv
Hardware: 2 CPU cores, minutes. Expected: test/mse 0.425 +- 0.020.
Differences: those of configs/dlinear_ettm1.py.
"""

from configs import dlinear_ettm1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return dlinear_ettm1.experiment(arg, horizon=720, published=0.425, tolerance=0.02)
