"""DLinear on ETTm1, 336 quarter-hours back and 96 ahead: 64,704 parameters.

Paper: Zeng, Chen, Zhang & Xu: Are Transformers Effective for Time Series Forecasting?,
2023, https://arxiv.org/abs/2205.13504, Table 2: MSE 0.299, MAE 0.343.
python scripts/train.py --config=configs/dlinear_ettm1.py \
  --config.data.path=ETTm1.csv --workdir=runs/dlinear_m1
Hardware: 2 CPU cores, some minutes. Expected: test/mse 0.299 +- 0.010; of repeating the
last value, test/repeat_mse 1.214.
Differences: those of configs/dlinear_etth1.py. configs/dlinear_ettm1_192.py, …_336.py
and …_720.py look further ahead.
"""

from configs import dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return experiment(arg, horizon=96, published=0.299)


def experiment(arg: str, *, horizon: int, published: float, tolerance: float = 0.01):
    """Returns the experiment that looks `horizon` quarter-hours ahead."""
    config = dlinear_etth1.experiment(
        arg, horizon=horizon, published=published, tolerance=tolerance
    )
    config.claim.table = f"Table 2, ETTm1, horizon {horizon}, DLinear"
    config.claim.protocol = config.claim.protocol.replace("ETTh1", "ETTm1").replace(
        "0-8640-11520-14400", "0-34560-46080-57600"
    )
    if arg != "quick":
        config.task.period = 96
        config.data.borders = (34_560, 46_080, 57_600)  # 4 rows an hour
        config.data.batch_size, config.optimizer.learning_rate = 8, 1e-4
        config.train.log_every = 500
    return config
