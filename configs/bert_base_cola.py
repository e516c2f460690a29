"""Fine-tunes BERT-base on CoLA: is a sentence grammatical? Matthews correlation.

Paper: Devlin et al. 2019, section 4.1 and Table 1, https://arxiv.org/abs/1810.04805
python scripts/train.py --config=configs/bert_base_cola.py --config.data.path=FOLDER
--config.init.weights=WEIGHTS --config.data.tokenizer=WEIGHTS
(FOLDER holds in_domain_train.tsv, in_domain_dev.tsv and out_of_domain_dev.tsv of
https://nyu-mll.github.io/CoLA; WEIGHTS is the folder of bert-base-uncased.)
Hardware: a GPU, minutes. The paper's 52.1 is of GLUE's hidden test set; here "test" is
the public out-of-domain development set. Not run.
"""

from configs import base, bert_base_sst2


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic sentences from scratch."""
    config = bert_base_sst2.get_config(arg)
    if arg == "quick":
        return config
    config.claim = base.get_config().claim
    config.data.header = ("source", "label", "original", "sentence")
    config.data.files = (
        ("train", "in_domain_train.tsv"),
        ("validation", "in_domain_dev.tsv"),
        ("test", "out_of_domain_dev.tsv"),
    )
    config.schedule.warmup_steps = 80  # 10 % of 3 * 8,551 / 32
    return config
