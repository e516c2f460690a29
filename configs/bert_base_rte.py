"""Fine-tunes BERT-base on RTE: does the first text entail the second?

Paper: Devlin et al. 2019, section 4.1 and Table 1, https://arxiv.org/abs/1810.04805
python scripts/train.py --config=configs/bert_base_rte.py --config.data.path=FOLDER
--config.init.weights=WEIGHTS --config.data.tokenizer=WEIGHTS
(FOLDER holds GLUE's train.tsv and dev.tsv; WEIGHTS is the folder of bert-base-uncased.)
Hardware: a GPU, minutes. The paper's 66.4 % is of GLUE's hidden test set; here "test"
is the development set, and a twentieth of the training set is kept apart to choose the
checkpoint. Not run.
"""

from configs import base, bert_base_sst2, bert_nano_sst2


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic pairs from scratch."""
    config = bert_base_sst2.get_config(arg)
    if arg == "quick":
        bert_nano_sst2.use_synthetic_sentences(config, "pair")
        return config
    config.claim = base.get_config().claim
    config.data.text = ("sentence1", "sentence2")
    config.data.files = (("train", "train.tsv"), ("test", "dev.tsv"))
    config.data.holdout = 0.05
    config.data.length = 256
    config.schedule.warmup_steps = 22  # 10 % of 3 * 2,366 / 32
    return config
