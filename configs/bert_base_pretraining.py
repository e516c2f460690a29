"""BERT-base from scratch on texts of your own: 110,106,428 parameters with its heads.

Paper: Devlin et al. 2019, sections 3.1 and A.2, https://arxiv.org/abs/1810.04805
python scripts/train.py --config=configs/bert_base_pretraining.py
--config.data.path=FOLDER --config.data.tokenizer=VOCABULARY --workdir=runs/bert_base
(FOLDER holds train.txt and validation.txt, documents with blank lines between them;
VOCABULARY is BERT's vocab.txt. For 512 tokens in the last tenth of the steps go on with
--config.init.weights=runs/bert_base --config.init.fresh="()" --config.data.length=512
--config.train.steps=100000 in another workdir.)
Hardware: the paper took 4 days of 16 TPU chips. Not run.
Differences: bfloat16; tokens are hidden anew in every step, not ten times in advance.
"""

from configs import base, bert_nano_wikitext2


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic documents of the same form."""
    base.no_argument(arg)
    if arg == "quick":
        return bert_nano_wikitext2.get_config(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "bert", "base"
    config.model.dtype = "bfloat16"
    config.model.dropout = 0.1
    config.model.mlm_head = config.model.nsp_head = True
    config.task.name = "masked_language_modeling"
    config.data.name = "masked_text"
    config.data.tokenizer = "vocab.txt"
    config.data.length, config.data.passes = 128, 10
    config.data.batch_size, config.data.eval_batch_size = 256, 256
    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 1e-2
    config.optimizer.eps = 1e-6
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "linear"
    config.schedule.warmup_steps = 10_000
    config.train.steps = 1_000_000
    config.train.log_every, config.train.eval_every = 100, 10_000
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    return config
