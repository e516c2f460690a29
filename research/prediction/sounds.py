"""Names what sound files hold, over time where they are longer than an example.

A longer file is read through windows of an example's length, from its beginning on;
the last one ends with the file. What is said of the file is the mean over them.
"""

import argparse
import pathlib
from collections.abc import Iterator

import jax
import numpy as np

from research.data import sounds
from research.reports import sound_sheet, spectrograms
from research.training import run as runs


def rows(
    opened: runs.Run, files: list[pathlib.Path], options: argparse.Namespace
) -> Iterator[dict]:
    """Yields a row per file, and writes the picture that was asked for.

    Args:
      opened: a run on sounds.
      files: those to read.
      options: `top` classes to name, `hop` from one window to the next in seconds
        (None: half of one), `picture` to write or None.

    Returns:
      {"file", "seconds", "classes": [{"class", "probability"}, …], "notes": sentences,
      "windows": [{"start", "stop" in seconds, "class", "probability"}, …]}, the
      windows empty where one covers the file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a file is no sound, or the hop is not above 0.
    """
    spec = opened.programs.experiment.spec
    length, rate = spec.features["audio"].shape[0], spec.sizes["sample_rate"]
    hop = length // 2 if options.hop is None else round(options.hop * rate)
    if hop < 1:
        raise ValueError(
            f"--hop must be at least one sample, 1/{rate} s, got {options.hop} s; use "
            f"for example {length / rate / 2:g}"
        )
    data = opened.programs.experiment.config.data
    other_rate = data.other_rate if "other_rate" in data else "resample"
    panels = []
    for file in files:
        sound = sounds.read(file, rate, other_rate=other_rate)
        starts = window_starts(len(sound.samples), length, hop)
        probability = _classify(opened, _windows(sound.samples, starts, length))
        yield _row(file, sound, probability, starts / rate, options.top, spec)
        if options.picture:
            panels.append(
                _panel(file, sound, probability, starts / rate, options.top, spec)
            )
    if options.picture:
        sound_sheet.write(pathlib.Path(options.picture), panels)


def window_starts(count: int, length: int, hop: int) -> np.ndarray:
    """Returns the first sample of each window, (n,) int64; one where all fits in."""
    last = max(count - length, 0)
    starts = np.arange(0, last + 1, hop)
    return starts if starts[-1] == last else np.append(starts, last)


def _windows(samples: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Cuts (n, length) int16 windows."""
    whole = sounds.to_int16(
        samples if len(samples) >= length else sounds.fit(samples, length)
    )
    return np.stack([whole[start : start + length] for start in starts])


def _classify(opened: runs.Run, windows: np.ndarray) -> np.ndarray:
    """Returns (n, k) probabilities, one batch at a time, all of one shape."""
    devices = jax.device_count()
    most = opened.programs.experiment.config.data.eval_batch_size
    size = min(most, -(-len(windows) // devices) * devices)
    parts = []
    for first in range(0, len(windows), size):
        part = windows[first : first + size]
        padded = np.zeros((size, windows.shape[1]), windows.dtype)
        padded[: len(part)] = part
        found = opened.programs.predict(opened.state, {"audio": padded})
        parts.append(found["probability"][: len(part)])
    return np.concatenate(parts)


def _row(file, sound, probability, starts, top: int, spec) -> dict:
    names, mean = spec.class_names, probability.mean(axis=0)
    best = np.argsort(-mean, kind="stable")[:top]
    seconds = len(sound.samples) / sound.rate
    window = spec.features["audio"].shape[0] / sound.rate
    over_time = [
        {
            "start": float(start),
            "stop": float(min(start + window, seconds)),
            "class": names[p.argmax()],
            "probability": float(p.max()),
        }
        for start, p in zip(starts, probability, strict=True)
    ]
    return {
        "file": str(file),
        "seconds": seconds,
        "classes": [{"class": names[i], "probability": float(mean[i])} for i in best],
        "notes": list(sound.notes),
        "windows": over_time if len(over_time) > 1 else [],
    }


def _panel(file, sound, probability, starts, top: int, spec) -> sound_sheet.Panel:
    best = np.argsort(-probability.mean(axis=0), kind="stable")[:top]
    return sound_sheet.Panel(
        title=pathlib.Path(file).name,
        picture=spectrograms.picture(sound.samples, sound.rate),
        seconds=len(sound.samples) / sound.rate,
        names=tuple(spec.class_names[i] for i in best),
        probability=probability[:, best],
        starts=starts,
        window=spec.features["audio"].shape[0] / sound.rate,
    )
