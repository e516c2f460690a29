"""Audio Spectrogram Transformer on 35 words (Speech Commands v2).

Paper: Gong, Chung, Glass, AST, https://arxiv.org/abs/2104.01778; its repository gives
98.12 % on the test words, from weights trained on ImageNet.
python scripts/train.py --config=configs/ast_speech_commands.py \
  --config.data.path=FOLDER
(FOLDER is the unpacked archive, with its list files.) Published weights name the words
of sound files: python scripts/predict.py --weights=ast-speech-commands FILE.wav
Hardware: one GPU; not run. Expected: less than 98.1 %, because this starts from random
numbers.
Differences: no ImageNet weights; no mixup; cross-entropy instead of a binary one per
word; a cosine instead of steps of 0.85 per epoch.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns gliding tones instead of words."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "ast", "speech_commands"
    config.model.frequency_masks, config.model.frequency_width = 1, 48
    config.model.time_masks, config.model.time_width = 1, 48
    config.model.dtype = "bfloat16"
    config.task.input = "audio"
    config.data.name = "speech_commands"
    config.data.sample_rate, config.data.seconds = 16_000, 1.0
    config.data.batch_size, config.data.eval_batch_size = 128, 128
    config.augment.shift, config.augment.noise = 0.1, 0.1
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2.5e-4
    config.optimizer.b1, config.optimizer.b2 = 0.95, 0.999
    config.optimizer.weight_decay, config.optimizer.decay_mask = 5e-7, "all"
    config.schedule.name, config.schedule.warmup_steps = "cosine", 1_000
    config.train.epochs, config.train.log_every = 30.0, 50
    config.claim.update(
        paper="Gong, Chung, Glass: AST: Audio Spectrogram Transformer",
        year=2021,
        link="https://github.com/YuanGongND/ast",
        table="README: Speech Commands v2, 35 classes, 98.12 %",
        metric="test/accuracy",
        protocol="official test list, 11,005 recordings, read once, at the checkpoint "
        "that is best on the validation list; the paper starts from ImageNet weights, "
        "this run does not",
        published=0.9812,
        tolerance=0.02,
        reason="there is no pre-training here",
        hardware="one GPU",
        wall_time="not measured",
    )
    if arg == "quick":
        base.use_synthetic(config, sample_rate=16_000, seconds=0.34, count=256)
        config.data.name = "synthetic_sounds"
        config.model.variant, config.model.dtype = "debug", "float32"
        config.model.frequency_masks = config.model.time_masks = 0
        config.data.batch_size, config.data.eval_batch_size = 32, 32
        config.optimizer.learning_rate, config.schedule.warmup_steps = 3e-3, 10
        config.train.epochs, config.train.log_every = 10.0, 10
    return config
