"""BERT's pre-training at the size of a laptop, on WikiText-2.

Paper: Devlin et al. 2019, section 3.1 and A.2, https://arxiv.org/abs/1810.04805; the
network is BERT-Tiny of Turc et al. 2019, https://arxiv.org/abs/1908.08962, with 8,000
WordPieces instead of 30,522.
python scripts/train.py --config=configs/bert_nano_wikitext2.py
--config.data.path=FOLDER --workdir=runs/bert_nano_wikitext2
(FOLDER holds train.txt, valid.txt and test.txt.) Hardware: 2 CPU cores, an hour beside
other programs. Expected: test loss 4.33 nats per hidden piece, where the counts of the
pieces in training alone have 6.70. The validation loss is 6.00 after 2,500 steps, 5.06
after 5,000 and 4.37 at the end.
Differences: shorter texts, a larger learning rate and no dropout, for so short a run.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic documents of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "bert", "tiny"
    config.model.max_length = 128
    config.model.dropout = 0.0
    config.model.mlm_head = config.model.nsp_head = True
    config.task.name = "masked_language_modeling"
    config.data.name, config.data.format = "masked_text", "wikitext"
    config.data.tokenizer, config.data.lowercase = "wordpiece", True
    config.data.vocabulary_size = 8000
    config.data.length, config.data.passes = 64, 5
    config.data.batch_size, config.data.eval_batch_size = 64, 256
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "linear"
    config.schedule.warmup_steps = 500
    config.train.steps = 9000
    config.train.log_every = 100
    config.train.eval_every = 500
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Devlin et al.: BERT",
        year=2019,
        link="https://arxiv.org/abs/1810.04805",
        table="none: no network of this size on this text was published",
        metric="test/loss",
        mode="min",
        protocol="WikiText-2's test part, nats per masked WordPiece of a vocabulary of "
        "8,000 that was learned from the training part, masks drawn once, at the "
        "checkpoint of the lowest validation loss",
        seeds=1,
        hardware="2 CPU cores",
        wall_time="64 minutes",
    )
    if arg == "quick":
        base.use_synthetic(config, length=32, count=128)
        config.data.name = "synthetic_documents"
        config.data.batch_size, config.data.eval_batch_size = 32, 64
        config.model.variant, config.model.num_classes = "debug", 0
        config.model.max_length = 64
        config.optimizer.learning_rate = 1e-2
        config.schedule.warmup_steps = 2
        config.train.steps, config.train.log_every, config.train.eval_every = (
            150,
            25,
            75,
        )
    return config
