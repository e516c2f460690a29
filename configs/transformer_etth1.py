"""A Transformer of time steps on ETTh1, 96 hours back and 96 ahead: 168,839 parameters.

Network: Vaswani et al. 2017 with the generative decoder of Zhou et al. 2021,
https://arxiv.org/abs/2012.07436; of this size no number was published.
python scripts/train.py --config=configs/transformer_etth1.py \
  --config.data.path=ETTh1.csv
Hardware: one CPU core, 25 minutes. Expected: test/mse 0.688, test/mae 0.549 (seed 0):
behind repeating the last day (0.512), as the paper of configs/dlinear_etth1.py found
of Transformers that read single steps.
"""

from configs import base, dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    config = dlinear_etth1.get_config(arg)
    config.claim = base.get_config().claim
    config.model.name, config.model.variant = "transformer_forecaster", "64"
    config.data.calendar = True
    config.optimizer.learning_rate = 1e-4  # halved after each epoch
    if arg == "quick":
        config.model.variant, config.model.label = "debug", 12
        config.optimizer.learning_rate = 5e-3
        return config
    config.data.length = 96
    return config
