"""Names what sound files hold, over time where they are longer than an example.

A longer file is read through windows of an example's length, from its beginning on;
the last one ends with the file. What is said of the file is the mean over them.
"""

import argparse
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from research import weights
from research.data import sounds
from research.reports import sound_sheet, spectrograms
from research.training import run as runs

_BATCH = 8  # of published weights, which no config goes with


@dataclass(frozen=True)
class Listener:
    """Sounds in, probabilities out.

    Attributes:
      class_names: k names.
      rate: samples per second.
      length: samples of an example, at most.
      fills: whether shorter sounds are filled up with silence to that length; if not,
        the network itself fills them up.
      other_rate: files of another rate: "resample" or "refuse".
      batch: most examples per call.
      classify: (b, t) int16 -> (b, k) probabilities.
    """

    class_names: tuple[str, ...]
    rate: int
    length: int
    fills: bool
    other_rate: str
    batch: int
    classify: Callable[[np.ndarray], np.ndarray]


def run_listener(opened: runs.Run) -> Listener:
    """Classifies as a run on sounds does."""
    spec, data = opened.programs.experiment.spec, opened.programs.experiment.config.data

    def classify(audio: np.ndarray) -> np.ndarray:
        return opened.programs.predict(opened.state, {"audio": audio})["probability"]

    return Listener(
        class_names=spec.class_names,
        rate=spec.sizes["sample_rate"],
        length=spec.features["audio"].shape[0],
        fills=True,
        other_rate=data.other_rate if "other_rate" in data else "resample",
        batch=data.eval_batch_size,
        classify=classify,
    )


def published_listener(found: weights.Published) -> Listener:
    """Classifies as a published network does; its logits are of one class each."""
    model = found.build()
    variables = jax.device_put(weights.read(found, model))
    apply = jax.jit(
        lambda variables, audio: jax.nn.softmax(
            model.apply(variables, audio, train=False)
        )
    )
    return Listener(
        class_names=found.class_names or tuple(map(str, range(found.num_classes))),
        rate=model.sample_rate,
        length=model.samples,
        fills=False,
        other_rate="resample",
        batch=_BATCH,
        classify=lambda audio: np.asarray(
            apply(variables, audio.astype(jnp.float32) / sounds.FULL_SCALE)
        ),
    )


def rows(
    listener: Listener, files: list[pathlib.Path], options: argparse.Namespace
) -> Iterator[dict]:
    """Yields a row per file, and writes the picture that was asked for.

    Args:
      listener: what classifies.
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
    rate, length = listener.rate, listener.length
    hop = length // 2 if options.hop is None else round(options.hop * rate)
    if hop < 1:
        raise ValueError(
            f"--hop must be at least one sample, 1/{rate} s, got {options.hop} s; use "
            f"for example {length / rate / 2:g}"
        )
    panels = []
    for file in files:
        sound = sounds.read(file, rate, other_rate=listener.other_rate)
        starts = window_starts(len(sound.samples), length, hop)
        probability = _classify(listener, _windows(listener, sound.samples, starts))
        yield _row(listener, file, sound, probability, starts, options.top)
        if options.picture:
            panels.append(
                _panel(listener, file, sound, probability, starts, options.top)
            )
    if options.picture:
        sound_sheet.write(pathlib.Path(options.picture), panels)


def window_starts(count: int, length: int, hop: int) -> np.ndarray:
    """Returns the first sample of each window, (n,) int64; one where all fits in."""
    last = max(count - length, 0)
    starts = np.arange(0, last + 1, hop)
    return starts if starts[-1] == last else np.append(starts, last)


def _windows(listener: Listener, samples: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Cuts (n, t) int16 windows; t is the length, or less where nothing is filled."""
    if len(samples) < listener.length and listener.fills:
        samples = sounds.fit(samples, listener.length)
    whole = sounds.to_int16(samples)
    return np.stack([whole[start : start + listener.length] for start in starts])


def _classify(listener: Listener, windows: np.ndarray) -> np.ndarray:
    """Returns (n, k) probabilities, one batch at a time, all of one shape."""
    devices = jax.device_count()
    size = min(listener.batch, -(-len(windows) // devices) * devices)
    parts = []
    for first in range(0, len(windows), size):
        part = windows[first : first + size]
        padded = np.zeros((size, windows.shape[1]), windows.dtype)
        padded[: len(part)] = part
        parts.append(listener.classify(padded)[: len(part)])
    return np.concatenate(parts)


def _row(listener: Listener, file, sound, probability, starts, top: int) -> dict:
    names, mean = listener.class_names, probability.mean(axis=0)
    best = np.argsort(-mean, kind="stable")[:top]
    seconds = len(sound.samples) / sound.rate
    over_time = [
        {
            "start": float(start / sound.rate),
            "stop": float(min((start + listener.length) / sound.rate, seconds)),
            "class": names[p.argmax()],
            "probability": float(p.max()),
        }
        for start, p in zip(starts, probability, strict=True)
    ]
    return {
        "file": str(file),
        "seconds": seconds,
        "classes": [{"class": names[i], "probability": float(mean[i])} for i in best],
        "notes": list(sound.notes.values()),
        "windows": over_time if len(over_time) > 1 else [],
    }


def _panel(
    listener: Listener, file, sound, probability, starts, top: int
) -> sound_sheet.Panel:
    best = np.argsort(-probability.mean(axis=0), kind="stable")[:top]
    return sound_sheet.Panel(
        title=pathlib.Path(file).name,
        picture=spectrograms.picture(sound.samples, sound.rate),
        seconds=len(sound.samples) / sound.rate,
        names=tuple(listener.class_names[i] for i in best),
        probability=probability[:, best],
        starts=starts / sound.rate,
        window=listener.length / sound.rate,
    )
