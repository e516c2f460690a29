"""Learning rate and dropout of a small LSTM language model: 8 trials, in a minute.

python scripts/sweep.py --sweep=configs/sweeps/lstm_synthetic.py --executor=population
The text is made up (research/data/synthetic_text.py); give your own the same way:
`config="configs/lstm_ptb.py"` and --config.data.path=FOLDER.
"""

from configs.sweeps import base


def get_sweep() -> dict:
    """Returns the description of the sweep."""
    return base.sweep(
        config="configs/lstm_ptb.py:quick",
        space={
            "optimizer.learning_rate": base.log_uniform(0.1, 3.0),
            "model.dropout": base.uniform(0.01, 0.5),
        },
        metric="validation/loss",
        direction="minimize",
        trials=8,
        pruner="asha",
    )
