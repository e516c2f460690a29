"""An LSTM on ETTh1, 96 hours back and 96 ahead: 62,112 parameters.

No number of a plain LSTM is agreed on; it stands beside those of the other networks.
python scripts/train.py --config=configs/lstm_etth1.py --config.data.path=ETTh1.csv
Hardware: one CPU core, 2 minutes. Expected: test/mse 0.442, test/mae 0.445 (seed 0);
test/repeat_mse is 1.294 and test/seasonal_mse 0.512, DLinear's test/mse 0.373.
--config.model.variant=autoregressive reads its own forecasts.
"""

from configs import base, dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    config = dlinear_etth1.get_config(arg)
    config.claim = base.get_config().claim
    config.model.name, config.model.variant = "lstm_forecaster", "direct"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.clip_norm = 1.0
    if arg == "quick":
        config.model.widths = (16,)
        config.optimizer.learning_rate = 1e-2
        return config
    config.data.length = 96
    return config
