"""Fine-tuning the laptop's BERT on SST-2: learning rate and dropout, in one program.

python scripts/sweep.py --sweep=configs/sweeps/bert_nano_sst2.py --executor=population
--config.data.path=FOLDER
(FOLDER holds GLUE's SST-2; runs/bert_nano_wikitext2 has been pre-trained.)
"""

from configs.sweeps import base


def get_sweep() -> dict:
    """Returns the description of the sweep."""
    return base.sweep(
        config="configs/bert_nano_sst2.py",
        space={
            "optimizer.learning_rate": base.log_uniform(1e-4, 3e-3),
            "model.dropout": base.uniform(0.05, 0.3),
        },
        trials=8,
        steps=600,
        pruner="median",
    )
