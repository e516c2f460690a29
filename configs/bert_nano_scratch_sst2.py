"""The laptop's BERT on SST-2 from scratch, beside the one that was pre-trained.

Paper: Devlin et al. 2019, section 4.1, https://arxiv.org/abs/1810.04805
python scripts/train.py --config=configs/bert_nano_scratch_sst2.py
--config.data.path=FOLDER --workdir=runs/bert_nano_scratch_sst2
All but the initial parameters is as in configs/bert_nano_sst2.py, the vocabulary too.
Hardware: 2 CPU cores, some minutes. Expected: test accuracy 80.6 +- 0.4 %, which
pre-training on WikiText-2 does not better: 80.7 +- 1.0 %.
"""

from configs import bert_nano_sst2


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic sentences."""
    config = bert_nano_sst2.get_config(arg)
    config.init.weights = ""
    config.claim.table = "none: beside the pre-trained network, bert_nano_sst2"
    config.claim.protocol = config.claim.protocol.partition(";")[0]
    return config
