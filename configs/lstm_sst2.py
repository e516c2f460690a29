"""An LSTM of 256 units on SST-2: is a film review's phrase positive?

Source: github.com/google/flax, examples/sst2, README: 85.09 % (CPU) and 85.44 % (TPU)
of the validation sentences.
python scripts/train.py --config=configs/lstm_sst2.py --config.data.path=FOLDER
(FOLDER holds GLUE's train.tsv, dev.tsv and the labelled test-labeled.tsv.)
Hardware: one CPU core, 35 minutes. Expected: validation accuracy 84.4 %.
Differences: see research/models/rnn.py; phrases of alike length share a batch.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic sentences."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "rnn", "sst2"
    config.task.name = "text_classification"
    config.task.widths, config.data.sort_pool = 4, 50
    config.data.name = "text_table"
    config.data.files = (
        ("train", "train.tsv"),
        ("validation", "dev.tsv"),
        ("test", "test-labeled.tsv"),
    )
    config.data.min_frequency = 3
    config.data.length = 60
    config.data.batch_size, config.data.eval_batch_size = 64, 218
    config.optimizer.name = "momentum"
    config.optimizer.learning_rate = 0.1
    config.optimizer.weight_decay = 3e-6
    config.optimizer.decay_mask = "all"
    config.train.epochs = 10.0
    config.train.log_every = 100
    config.claim.update(
        paper="Flax: examples/sst2",
        year=2020,
        link="https://github.com/google/flax/tree/main/examples/sst2",
        table="README: validation accuracy on CPU",
        metric="validation/accuracy",
        protocol="the 872 sentences of SST-2's dev.tsv, at the checkpoint that is best "
        "on them, as the source reads it",
        published=0.8509,
        tolerance=0.012,
        reason="one standard error over 872 sentences",
        hardware="2 CPU cores",
        wall_time="35 minutes",
    )
    if arg == "quick":
        base.use_synthetic(config, count=1024)
        config.data.name = "synthetic_sentences"
        config.data.batch_size, config.data.eval_batch_size = 32, 128
        config.data.sort_pool, config.task.widths = 0, 1
        config.model.update(widths=(32,), embedding=32, hidden=16, dropout=0.1)
        config.optimizer.name, config.optimizer.learning_rate = "adam", 5e-3
        config.train.epochs, config.train.log_every = 4.0, 16
    return config
