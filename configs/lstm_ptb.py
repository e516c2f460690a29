"""LSTM language model on the Penn Treebank, small: 4,651,600 parameters.

Paper: Zaremba, Sutskever & Vinyals 2014, Recurrent Neural Network Regularization,
https://arxiv.org/abs/1409.2329, whose non-regularised network this is; the perplexities
121.4 (validation) and 115.9 (test) are those of TensorFlow's ptb_word_lm, its small
configuration, which came with the paper's authors' code.
python scripts/train.py --config=configs/lstm_ptb.py --config.data.path=FOLDER
(FOLDER holds ptb.train.txt, ptb.valid.txt, ptb.test.txt.) Then:
python scripts/predict.py --workdir=RUN --prompt="the company said"
Hardware: 2 CPU cores, about 80 minutes. Expected: test perplexity 115.9 +- 3.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic text of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "rnn", "ptb_small"
    config.task.name, config.task.unit = "language_modeling", "word"
    config.task.carry = True  # truncated backpropagation through time
    config.task.per = "sequence"  # rate 1 and norm 5 are of the sum over 20 steps
    config.data.name, config.data.tokenizer = "text", "word"
    config.data.length, config.data.contiguous = 20, True
    config.data.batch_size, config.data.eval_batch_size = 20, 20
    config.optimizer.name, config.optimizer.learning_rate = "sgd", 1.0
    config.optimizer.clip_norm = 5.0
    # The rate is 1 for 4 of 13 epochs and halved before each of the others.
    config.schedule.name, config.schedule.factor = "step", 0.5
    config.schedule.boundaries = tuple(epoch / 13 for epoch in range(4, 13))
    config.train.epochs, config.train.log_every = 13.0, 200
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Zaremba, Sutskever & Vinyals: Recurrent Neural Network Regularization",
        year=2014,
        link="https://arxiv.org/abs/1409.2329",
        table="TensorFlow's tutorial ptb_word_lm, small configuration, 13 epochs",
        metric="test/perplexity",
        mode="min",
        protocol="Mikolov's Penn Treebank, 82,430 test words with <eos>, read once as "
        "20 streams, at the checkpoint that is best on the validation words",
        published=115.91,
        tolerance=3.0,
        reason="seeds and the first words of the streams, which have no history",
        seeds=1,
        hardware="2 CPU cores",
        wall_time="80 minutes",
    )
    if arg == "quick":
        base.use_synthetic_text(config, count=600)
        config.model.update(widths=(32, 32), embedding=32)
        config.data.length = 10
        config.train.epochs, config.train.log_every = 4.0, 10
        config.schedule.name, config.optimizer.clip_norm = "constant", 5.0
    return config
