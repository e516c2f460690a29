"""Spoken digits (FSDD) of a speaker whom the network has never heard.

Same network and training as audio_cnn_fsdd, but all 500 recordings of one speaker are
the test, the first in alphabetical order; --config.data.held_out=NAME takes another.
python scripts/train.py --config=configs/audio_cnn_fsdd_speakers.py \
  --config.data.path=FOLDER
(FOLDER is a copy of https://github.com/Jakobovski/free-spoken-digit-dataset.)
Hardware: 2 CPU cores. Expected: less than on the official split, whose speakers are
known; no number is published.
"""

from configs import audio_cnn_fsdd


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns gliding tones instead of digits."""
    config = audio_cnn_fsdd.get_config(arg)
    config.claim.update(
        table="none: the official split knows every speaker",
        protocol="500 recordings of the speaker george, read once, at the checkpoint "
        "that is best on 250 held-out recordings of the other five",
        published=None,
    )
    if arg != "quick":
        config.data.held_out = "george"
    return config
