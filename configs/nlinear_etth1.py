"""NLinear on ETTh1, 336 hours back and 96 ahead: 32,352 parameters.

Paper: Zeng, Chen, Zhang & Xu: Are Transformers Effective for Time Series Forecasting?,
2023, https://arxiv.org/abs/2205.13504, Table 2: MSE 0.374, MAE 0.394.
python scripts/train.py --config=configs/nlinear_etth1.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores, a minute. Expected: test/mse 0.374 +- 0.010.
Differences: those of configs/dlinear_etth1.py, whose recipe it shares.
"""

from configs import dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    config = dlinear_etth1.experiment(arg, horizon=96, published=0.374)
    config.model.variant = "nlinear"
    config.claim.table = "Table 2, ETTh1, horizon 96, NLinear"
    return config
