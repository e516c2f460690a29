"""LSTM of 512 units on the characters of Tiny Shakespeare.

Source: github.com/karpathy/char-rnn, whose text it is; no validation loss of this
network is published, the nearest is nanoGPT's 1.88 nats per character with a
Transformer of 804,096 parameters (configs/gpt_shakespeare_char.py).
python scripts/train.py --config=configs/lstm_shakespeare.py --config.data.path=FOLDER
(FOLDER holds input.txt; its last tenth is for validation.) Then:
python scripts/predict.py --workdir=RUN --prompt="ROMEO:" --temperature=0.7
Hardware: 2 CPU cores, some 15 minutes. Expected: validation loss 1.46.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic text of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "rnn", "shakespeare"
    config.model.dropout = 0.2
    config.task.name, config.task.unit = "language_modeling", "character"
    config.task.carry = True
    config.data.name, config.data.tokenizer = "text", "char"
    config.data.validation_share, config.data.test_share = 0.1, 0.0
    config.data.length, config.data.contiguous = 64, True
    config.data.batch_size, config.data.eval_batch_size = 32, 32
    config.optimizer.learning_rate, config.optimizer.clip_norm = 2e-3, 1.0
    config.schedule.name, config.schedule.end_factor = "cosine", 0.05
    config.train.epochs, config.train.log_every = 8.0, 50
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic_text(config, count=400)
        config.model.update(widths=(32,), embedding=16)
        config.data.length = 20
        config.optimizer.learning_rate = 1e-2
        config.train.epochs, config.train.log_every = 3.0, 10
    return config
