"""Transformer of 3 + 3 layers on Multi30k, German to English: 9,038,341 parameters.

Source: https://github.com/bentrevett/pytorch-seq2seq, notebook 6: test BLEU 36.52, test
perplexity 5.3; the network is that of Vaswani et al. 2017,
https://arxiv.org/abs/1706.03762
python scripts/train.py --config=configs/transformer_multi30k.py \
  --config.data.path=FOLDER --workdir=runs/de_en
python scripts/predict.py --workdir=runs/de_en "Ein Mann schläft in einem grünen Raum."
(FOLDER holds train.de.gz, train.en.gz, val.…, test_2016_flickr.….) Hardware: 2 CPU
cores, about an hour. Expected: tokenized BLEU 36.5 +- 1.5 on test2016.
Differences: words are cut by another rule than spaCy's, so that the vocabularies have
7,863 and 5,933 words instead of 7,853 and 5,893.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` translates synthetic sentences."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "transformer", "multi30k"
    config.task.name = "translation"
    config.data.name = "parallel_text"
    config.data.source_language, config.data.target_language = "de", "en"
    config.data.batch_size, config.data.eval_batch_size = 128, 128
    config.data.sort_pool, config.task.widths = 100, 4
    config.optimizer.name, config.optimizer.learning_rate = "adam", 5e-4
    config.optimizer.clip_norm = 1.0
    config.train.epochs = 10.0
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="bentrevett: pytorch-seq2seq, 6 - Attention is All You Need",
        year=2020,
        link="https://github.com/bentrevett/pytorch-seq2seq",
        table="notebook 6: BLEU on the test split",
        metric="test/bleu_tokenized",
        protocol="Multi30k test2016, 1,000 sentences, German to English, greedy "
        "search; BLEU-4 of lowercase tokens without smoothing, read once, at the "
        "checkpoint of the lowest validation loss",
        published=36.52,
        tolerance=1.5,
        seeds=1,
        reason="one run was published, and its tokens are spaCy's",
        hardware="2 CPU cores",
        wall_time="1 hour",
    )
    if arg == "quick":
        base.use_synthetic_pairs(config)
        config.model.variant = "debug"
        config.model.tied, config.task.widths = False, 1
        config.data.batch_size, config.data.eval_batch_size = 32, 64
        config.optimizer.learning_rate = 5e-3
        config.train.epochs, config.train.log_every = 8.0, 10
    return config
