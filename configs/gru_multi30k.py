"""GRU with the source's state at every step on Multi30k: 14,219,781 parameters.

Source: https://github.com/bentrevett/pytorch-seq2seq, notebook 2: test BLEU 20.6;
the network is that of Cho et al. 2014,
https://arxiv.org/abs/1406.1078, one layer of 512 units.
python scripts/train.py --config=configs/gru_multi30k.py --config.data.path=FOLDER
(FOLDER as for lstm_multi30k.) Hardware: one GPU, some minutes; not run. Expected:
tokenized BLEU 20.6 +- 2 on test2016. Differences: see configs/lstm_multi30k.py.
"""

from configs import lstm_multi30k


def get_config(arg: str = ""):
    """Returns the experiment; `quick` translates synthetic sentences."""
    config = lstm_multi30k.get_config(arg)
    config.model.variant = "gru"
    config.claim.update(
        paper="bentrevett: pytorch-seq2seq, 2 - Learning Phrase Representations",
        table="notebook 2, its network's BLEU on the test split",
        published=20.6,
    )
    return config
