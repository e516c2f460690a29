"""NLinear on the airline passengers: 12 months ahead, with an interval of 80 %.

Data: Box & Jenkins: Time Series Analysis, 1970, series G: passengers of each month from
1949 to 1960.
python scripts/train.py --config=configs/nlinear_airline.py \
  --config.data.path=airline-passengers.csv --workdir=runs/airline
python scripts/predict.py --workdir=runs/airline airline-passengers.csv \
  --picture=forecast.svg
Hardware: 2 CPU cores, seconds. Expected: test/mse 0.12, where repeating the last year
has 0.56. The last two years are the test, the two before them the validation: 13
windows each, of which the interval of 80 % held 56 % of the test's months.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "dlinear", "nlinear"
    config.model.outputs = 3  # one for each quantile
    config.task.name, config.task.period = "forecasting", 12
    config.task.quantiles = (0.1, 0.5, 0.9)
    config.data.name = "time_series"
    config.data.length, config.data.horizon = 24, 12
    config.data.borders = (96, 120, 144)
    config.data.batch_size, config.data.eval_batch_size = 16, 16
    config.optimizer.name, config.optimizer.learning_rate = "adam", 3e-3
    config.schedule.name = "cosine"
    config.train.steps, config.train.log_every = 600, 50
    config.train.eval_every = 50
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic_time_series(config, length=24, horizon=12, count=600)
        config.task.period = 24
        config.data.eval_batch_size = 64
        config.train.steps = 200
    return config
