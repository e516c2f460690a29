"""Fine-tunes the laptop's BERT on SST-2: is a film review's sentence positive?

Paper: Devlin et al. 2019, section 4.1, https://arxiv.org/abs/1810.04805
python scripts/train.py --config=configs/bert_nano_sst2.py
--config.data.path=FOLDER --workdir=runs/bert_nano_sst2
(FOLDER holds GLUE's train.tsv, dev.tsv and the labelled test-labeled.tsv; the run
runs/bert_nano_wikitext2 is that of configs/bert_nano_wikitext2.py.)
The same network from scratch: configs/bert_nano_scratch_sst2.py
Hardware: 2 CPU cores, three minutes. Expected: test accuracy 80.7 +- 1.0 %, no better
than from scratch.
"""

from configs import base

_PRETRAINED = "runs/bert_nano_wikitext2"


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic sentences from scratch."""
    base.no_argument(arg)
    config = base.get_config()
    config.init.weights = _PRETRAINED
    config.init.fresh = ("^head/", "^mlm_", "^nsp_")
    config.model.name, config.model.variant = "bert", "tiny"
    config.model.max_length = 128
    config.model.dropout = 0.1
    config.task.name = "text_classification"
    config.task.widths, config.data.sort_pool = 4, 50
    config.data.name = "text_table"
    config.data.files = (
        ("train", "train.tsv"),
        ("validation", "dev.tsv"),
        ("test", "test-labeled.tsv"),
    )
    config.data.tokenizer = _PRETRAINED
    config.data.length = 48
    config.data.batch_size, config.data.eval_batch_size = 64, 218
    config.optimizer.learning_rate = 5e-4
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "linear"
    config.schedule.warmup_steps = 210  # 10 % of 2 * 67,349 / 64
    config.train.epochs = 2.0
    config.train.log_every = 50
    config.train.eval_every = 200
    config.claim.update(
        paper="Devlin et al.: BERT",
        year=2019,
        link="https://arxiv.org/abs/1810.04805",
        table="none: beside the same network from scratch, bert_nano_scratch_sst2",
        metric="test/accuracy",
        protocol="SST-2's 1,821 labelled test sentences, read once, at the checkpoint "
        "that is best on the 872 of dev.tsv; pre-trained once, on WikiText-2",
        seeds=3,
        hardware="2 CPU cores",
        wall_time="5 minutes",
    )
    if arg == "quick":
        use_synthetic_sentences(config)
    return config


def use_synthetic_sentences(config, kind: str = "class") -> None:
    """Changes the data and the network to what a CPU learns in seconds, in place."""
    base.use_synthetic(config, kind=kind, count=1024)
    config.data.name = "synthetic_sentences"
    config.data.batch_size, config.data.eval_batch_size = 32, 128
    config.data.sort_pool, config.task.widths = 0, 1
    config.init.weights = ""
    config.model.variant = "debug"
    config.model.mlm_head = config.model.nsp_head = False
    config.model.max_length = 64
    config.optimizer.learning_rate = 3e-3
    config.schedule.warmup_steps = 2
    config.train.epochs, config.train.log_every, config.train.eval_every = 4.0, 16, 0
