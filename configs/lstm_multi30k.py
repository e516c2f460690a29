"""LSTM encoder and decoder on Multi30k, German to English: 13,898,501 parameters.

Source: https://github.com/bentrevett/pytorch-seq2seq, notebook 1: test BLEU 13.8;
the network is that of Sutskever et al. 2014,
https://arxiv.org/abs/1409.3215, two layers of 512 units, the source read backwards.
python scripts/train.py --config=configs/lstm_multi30k.py --config.data.path=FOLDER
(FOLDER holds train.de.gz, train.en.gz, val.…, test_2016_flickr.….) Hardware: one GPU,
some minutes; not run. Expected: tokenized BLEU 13.8 +- 2 on test2016.
Differences: words are cut by another rule than spaCy's, so that the vocabularies have
7,863 and 5,933 words instead of 7,853 and 5,893; teacher forcing is drawn for each
token instead of each position of a batch; padding does not enter the state.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` translates synthetic sentences."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "seq2seq", "lstm"
    config.task.name, config.task.teacher_forcing = "translation", 0.5
    config.data.name = "parallel_text"
    config.data.source_language, config.data.target_language = "de", "en"
    config.data.batch_size, config.data.eval_batch_size = 128, 128
    config.data.sort_pool, config.task.widths = 100, 4
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-3
    config.optimizer.clip_norm = 1.0
    config.train.epochs = 10.0
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="bentrevett: pytorch-seq2seq, 1 - Sequence to Sequence Learning",
        year=2020,
        link="https://github.com/bentrevett/pytorch-seq2seq",
        table="notebook 1, its network's BLEU on the test split",
        metric="test/bleu_tokenized",
        protocol="Multi30k test2016, 1,000 sentences, German to English, greedy "
        "search; BLEU-4 of lowercase tokens without smoothing, read once, at the "
        "checkpoint of the lowest validation loss",
        published=13.8,
        tolerance=2.0,
        reason="one run was published, and its tokens are spaCy's",
        hardware="one GPU",
        wall_time="5 minutes",
    )
    if arg == "quick":
        base.use_synthetic_pairs(config)
        config.model.update(embedding=32, width=64, dropout=0.1)
        config.task.widths = 1
        config.data.batch_size, config.data.eval_batch_size = 32, 64
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 6.0, 10
    return config
