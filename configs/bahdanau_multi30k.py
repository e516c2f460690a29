"""GRU with additive attention on Multi30k, German to English: 20,518,405 parameters.

Source: https://github.com/bentrevett/pytorch-seq2seq, notebooks 3 and 4: test BLEU 28.1
to 28.3; the network is that of Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473,
with states of 512 units.
python scripts/train.py --config=configs/bahdanau_multi30k.py \
  --config.data.path=FOLDER --workdir=runs/bahdanau
python scripts/predict.py --workdir=runs/bahdanau "Ein Mann schläft." --beam=5 \
  --attention=maps.png
(FOLDER as for lstm_multi30k.) Hardware: one GPU, some minutes; not run. Expected:
tokenized BLEU 28.2 +- 2 on test2016. Differences: see configs/lstm_multi30k.py.
"""

from configs import lstm_multi30k


def get_config(arg: str = ""):
    """Returns the experiment; `quick` translates synthetic sentences."""
    config = lstm_multi30k.get_config(arg)
    config.model.variant = "bahdanau"
    config.claim.update(
        paper="bentrevett: pytorch-seq2seq, 3 - Jointly Learning to Align",
        table="notebook 3, its network's BLEU on the test split",
        published=28.2,
    )
    return config
