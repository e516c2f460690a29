"""A small GPT from scratch on the words of WikiText-2.

No number is published for a GPT of this kind trained on these two million words alone;
the recurrent networks made for it reach a test perplexity of 65.6 (AWD-LSTM, Merity et
al. 2018, https://arxiv.org/abs/1708.02182, without fine-tuning and cache).
python scripts/train.py --config=configs/gpt_wikitext2.py --config.data.path=FOLDER
(FOLDER holds train.txt, valid.txt and test.txt.) Hardware: one GPU, some minutes; not
run. The test perplexity is read with `scripts/evaluate.py --split=test`.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic text of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "gpt", "char"  # 6 blocks of width 384
    config.model.context = 256
    config.model.dropout = 0.4
    config.task.name, config.task.unit = "language_modeling", "word"
    config.data.name, config.data.tokenizer = "text", "word"
    config.data.length, config.data.stride = 256, 1
    config.data.batch_size, config.data.eval_batch_size = 32, 16
    config.optimizer.learning_rate = 5e-4
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 0.1
    config.optimizer.clip_norm = 1.0
    config.schedule.name, config.schedule.end_factor = "cosine", 0.1
    config.schedule.warmup_steps = 200
    # 2,088,628 words / (32 * 256 words a step) = 255 steps pass over them once.
    config.train.steps, config.train.eval_every = 5100, 255
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        base.use_synthetic_text(config, count=400)
        config.data.length, config.data.stride = 16, 4
        config.model.update(context=16, width=32, depth=1, heads=2, mlp_dim=64)
        config.model.dropout = 0.1
        config.optimizer.learning_rate = 5e-3
        config.schedule.warmup_steps = 10
        config.train.steps, config.train.eval_every = 200, 100
        config.train.log_every = 20
    return config
