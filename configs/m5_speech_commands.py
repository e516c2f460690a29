"""M5 on raw waveforms of 35 words (Speech Commands v2): 26,915 parameters.

Source: PyTorch's tutorial "Speech Command Classification with torchaudio", which states
a test accuracy of 85 % after 21 epochs.
python scripts/train.py --config=configs/m5_speech_commands.py --config.data.path=FOLDER
(FOLDER is the unpacked archive, with its list files.) Hardware: one GPU; wall time not
measured. Expected: test accuracy 85 % +- 2.
Differences: words are padded to one second on both sides, not to the longest of a
batch; the checkpoint is the best on the validation words.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns gliding tones instead of words."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "m5", "tutorial"
    config.task.input = "audio"
    config.data.name = "speech_commands"
    config.data.sample_rate, config.data.seconds = 8_000, 1.0  # 16 kHz, resampled
    config.data.batch_size = 256
    config.optimizer.name, config.optimizer.learning_rate = "adam", 1e-2
    config.optimizer.weight_decay, config.optimizer.decay_mask = 1e-4, "all"
    config.schedule.name, config.schedule.boundaries = "step", (20 / 21,)
    config.train.epochs, config.train.log_every = 21.0, 50
    config.claim.update(
        paper="PyTorch tutorials: Speech Command Classification with torchaudio",
        year=2020,
        link="https://github.com/pytorch/tutorials",
        table="text below the training loop: 85 % after 21 epochs",
        metric="test/accuracy",
        protocol="Speech Commands v2, official test list, 11,005 recordings of 35 "
        "words at 8 kHz, read once, at the checkpoint that is best on the validation "
        "list",
        published=0.85,
        tolerance=0.02,
        reason="the tutorial gives a round number and no spread",
        hardware="one GPU",
        wall_time="not measured",
    )
    if arg == "quick":
        base.use_synthetic(config, sample_rate=8_000, seconds=0.25, count=512)
        config.data.name = "synthetic_sounds"
        config.model.variant = "debug"
        config.data.batch_size = 32
        config.train.epochs, config.train.log_every = 6.0, 10
    return config
