"""Reads sound files of any kind as one channel at one rate, cut to one length.

Channels are averaged. Another rate is brought to the wanted one by a polyphase filter
(Kaiser window, `scipy.signal.resample_poly`), which removes what would alias. Samples
are kept as 16-bit integers, full scale being 2^15, as most sound files hold them.
"""

import logging
import math
import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

EXTENSIONS = (".wav", ".flac", ".ogg")
FULL_SCALE = 2**15
CHOICES = {"other_rate": ("resample", "refuse"), "silence": ("refuse", "keep")}
_CLIPPED_SHARE = 1e-3  # of the samples at full scale, from which a file is told of


@dataclass(frozen=True)
class Sound:
    """A file's content.

    Attributes:
      samples: (t,) float32 in [-1, 1], one channel at the rate asked for.
      rate: samples per second.
      notes: kind ("stereo", "clipped" or "resampled") -> a sentence on the file.
    """

    samples: np.ndarray
    rate: int
    notes: Mapping[str, str]


def read(
    file: str | os.PathLike,
    rate: int,
    *,
    other_rate: str = "resample",
    silence: str = "refuse",
) -> Sound:
    """Reads a WAV, FLAC or Ogg file.

    Args:
      file: its path.
      rate: samples per second wanted.
      other_rate: what to do with a file of another rate: "resample" or "refuse".
      silence: what to do with a file of zeros only: "refuse" or "keep".

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not readable, holds no samples or numbers that are not
        finite, or is refused by the choices above; the sentence names it.
    """
    samples, own_rate = _decode(file)
    notes = {}
    if samples.shape[1] > 1:
        notes["stereo"] = f"{file} has {samples.shape[1]} channels, which are averaged"
    clipped = (np.abs(samples) >= 1 - 1 / FULL_SCALE).mean()
    if clipped >= _CLIPPED_SHARE:
        notes["clipped"] = (
            f"{file} is clipped: {clipped:.1%} of its samples are at full scale"
        )
    mono = samples.mean(axis=1, dtype=np.float32)
    if silence == "refuse" and not mono.any():
        raise ValueError(
            f"{file} holds silence only, {len(mono)} samples of 0; record it again or "
            "remove it"
        )
    if own_rate != rate:
        if other_rate == "refuse":
            raise ValueError(
                f"{file} must have {rate} samples per second, got {own_rate}; convert "
                "it, or set config.data.other_rate to resample"
            )
        mono = resample(mono, own_rate, rate)
        notes["resampled"] = f"{file} is resampled from {own_rate} to {rate} Hz"
    return Sound(mono.clip(-1, 1), rate, notes)


def resample(samples: np.ndarray, old: int, new: int) -> np.ndarray:
    """Changes the rate of (t,) samples: (ceil(t new / old),) float32.

    Args:
      samples: float32.
      old: their samples per second.
      new: those of the result.
    """
    from scipy import signal  # takes 0.3 s, and is needed by few

    common = math.gcd(old, new)
    made = signal.resample_poly(samples, new // common, old // common)
    return made.astype(np.float32)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cuts the middle out of (t,) samples, or adds zeros on both sides: (length,)."""
    extra = len(samples) - length
    if extra >= 0:
        return samples[extra // 2 : extra // 2 + length]
    before = -extra // 2
    return np.pad(samples, (before, -extra - before))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Turns samples in [-1, 1] into 16-bit integers, rounded."""
    scaled = np.rint(samples * FULL_SCALE)
    return scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def check(rate: int, seconds: float, other_rate: str, silence: str) -> int:
    """Checks the options of a source of sounds; returns the length in samples.

    Raises:
      ValueError: an option is out of range.
    """
    if rate < 1 or not seconds > 0 or round(rate * seconds) < 1:
        raise ValueError(
            "config.data.sample_rate and seconds must give at least one sample, got "
            f"{rate} per second and {seconds} s; use for example 16000 and 1.0"
        )
    for name, value in (("other_rate", other_rate), ("silence", silence)):
        if value not in CHOICES[name]:
            raise ValueError(
                f"config.data.{name} must be {' or '.join(CHOICES[name])}, got "
                f"{value!r}; correct it"
            )
    return round(rate * seconds)


def _decode(file: str | os.PathLike) -> tuple[np.ndarray, int]:
    """Reads (t, channels) float32 in [-1, 1] and the rate."""
    if not pathlib.Path(file).is_file():
        raise FileNotFoundError(f"sound file {file} does not exist; correct its path")
    import soundfile  # loads a C library, and is needed by few

    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise ValueError(
            f"{file} is not a readable sound file ({reason}); replace or remove it"
        ) from error
    if not len(samples):
        raise ValueError(f"{file} holds no samples; record it again or remove it")
    if not np.isfinite(samples).all():
        raise ValueError(
            f"{file} holds samples that are not finite numbers; write it again"
        )
    return samples, rate


class Once:
    """Passes on the first note of each kind; a data set may have thousands."""

    def __init__(self):
        self._told = set()

    def tell(self, notes: Mapping[str, str]) -> None:
        """Logs notes on a file, but for kinds that were logged before."""
        for kind, note in notes.items():
            if kind not in self._told:
                self._told.add(kind)
                logging.warning("%s; further files like it are not named", note)
