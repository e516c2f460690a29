"""An LSTM of 130 units on the adding problem, T = 100: 69,291 parameters.

Problem: Hochreiter & Schmidhuber 1997, section 5.4; see research/data/adding.py
python scripts/train.py --config=configs/lstm_adding.py --workdir=runs/lstm_adding
Hardware: one CPU core, 7 minutes. Expected: test loss 0.004, where always answering 1
has 1/6 and configs/elman_adding.py 0.159.
Bai, Kolter & Koltun 2018, Table 1, read 600 steps (--config.data.length=600): LSTM
0.164, GRU 5.3e-5, Elman 0.177, https://arxiv.org/abs/1803.01271
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` adds over 10 steps."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "rnn", "adding_lstm"
    config.model.forget_bias = 1.0
    config.task.name = "regression"
    config.data.name = "adding"
    config.data.length, config.data.count = 100, 50_000
    config.data.batch_size = 50
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 2e-3
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "cosine"
    config.train.epochs = 5.0
    config.train.log_every = 50
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Hochreiter & Schmidhuber: Long Short-Term Memory",
        year=1997,
        link="https://doi.org/10.1162/neco.1997.9.8.1735",
        table="section 5.4; the paper counts wrong answers, not squared errors",
        metric="test/loss",
        mode="min",
        protocol="1,000 sequences of 100 steps that were drawn from another key than "
        "the training sequences, read once, at the best checkpoint",
        hardware="2 CPU cores",
        wall_time="7 minutes",
    )
    if arg == "quick":
        config.data.length, config.data.count = 10, 2048
        config.data.batch_size = 32
        config.model.widths = (16,)
        config.optimizer.learning_rate = 2e-2
        config.train.epochs, config.train.log_every = 6.0, 16
    return config
