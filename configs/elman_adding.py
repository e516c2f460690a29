"""An Elman network of 258 units on the adding problem, T = 100: 67,597 parameters.

Problem: Hochreiter & Schmidhuber 1997, section 5.4; see research/data/adding.py
python scripts/train.py --config=configs/elman_adding.py --workdir=runs/elman_adding
Hardware: one CPU core, 4 minutes. Expected: test loss 0.159, hardly below the 1/6 of
always answering 1: the network does not remember. configs/lstm_adding.py is the same
with an LSTM, and `scripts/report.py gradients` draws why.
"""

from configs import base, lstm_adding


def get_config(arg: str = ""):
    """Returns the experiment; `quick` adds over 10 steps."""
    base.no_argument(arg)
    config = lstm_adding.get_config(arg)
    config.model.variant = "adding_elman"
    del config.model.forget_bias
    config.optimizer.learning_rate = 5e-4
    config.claim.wall_time = "4 minutes"
    if arg == "quick":
        config.optimizer.learning_rate = 1e-2
    return config
