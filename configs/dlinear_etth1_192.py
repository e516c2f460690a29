"""DLinear on ETTh1, 336 hours back and 192 ahead: 129,408 parameters.

Paper: Zeng et al. 2023, https://arxiv.org/abs/2205.13504, Table 2: MSE 0.405, MAE
0.416.
python scripts/train.py --config=configs/dlinear_etth1_192.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores, minutes. Expected: test/mse 0.405 +- 0.010.
Differences: those of configs/dlinear_etth1.py.
"""

from configs import dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return dlinear_etth1.experiment(arg, horizon=192, published=0.405)
