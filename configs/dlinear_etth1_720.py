"""DLinear on ETTh1, 336 hours back and 720 ahead: 485,280 parameters.

Paper: Zeng et al. 2023, https://arxiv.org/abs/2205.13504, Table 2: MSE 0.472, MAE
0.490.
python scripts/train.py --config=configs/dlinear_etth1_720.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores, minutes. Expected: test/mse 0.472 +- 0.020.
Differences: those of configs/dlinear_etth1.py.
"""

from configs import dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return dlinear_etth1.experiment(arg, horizon=720, published=0.472, tolerance=0.02)
