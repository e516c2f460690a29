"""GPT of 10,745,088 parameters on Tiny Shakespeare's characters: nanoGPT's GPU run.

Source: github.com/karpathy/nanoGPT, README, quick start: best validation loss 1.4697
nats per character.
python scripts/train.py --config=configs/gpt_shakespeare_char_gpu.py
--config.data.path=FOLDER (FOLDER holds input.txt; its last tenth is for validation).
Hardware: one GPU, a few minutes (add --config.model.kernels=flash); not run.
Expected: validation loss 1.47 +- 0.02 at the best checkpoint; it overfits later.
Differences: the loss is read over the whole validation text, not over 200 random
batches; the windows of an epoch are all different.
"""

from configs import gpt_shakespeare_char


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic text of the same form."""
    config = gpt_shakespeare_char.get_config(arg)
    config.claim.update(
        paper="Karpathy: nanoGPT, config/train_shakespeare_char.py",
        table="README: quick start",
        published=1.4697,
        tolerance=0.02,
        reason="the published number is the least of 20 readings of 200 random batches",
        hardware="one GPU",
        wall_time="5 minutes",
    )
    config.model.dropout = 0.2
    if arg == "quick":
        config.model.dropout = 0.1
        return config
    config.model.variant, config.model.dtype = "char", "bfloat16"
    config.data.length = 256
    config.data.batch_size, config.data.eval_batch_size = 64, 64
    config.train.steps = 5000
    return config
