"""One class of another data set is normal, all its other classes are anomalies.

"train" and "validation" hold normal examples only, "test" all of them; the label is
0 (normal) or 1 (anomaly). This is the protocol of Ruff et al.: Deep One-Class
Classification (2018, http://proceedings.mlr.press/v80/ruff18a.html), section 4.2.
"""

import dataclasses
import difflib
import importlib
import pathlib
from collections.abc import Sequence

import numpy as np

from research.data import source as sources

CLASSES = ("normal", "anomaly")


def splits(
    path: str | None, *, of: str = "idx", normal: int = 0, options: Sequence = ()
) -> tuple[str, ...]:
    """Lists the splits of the other data.

    Raises:
      ValueError: there is no such data, or it has no test split.
    """
    native = _module(of).splits(path, **dict(options))
    if "test" not in native:
        raise ValueError(
            f"data {of!r} has no test split, which alone would hold anomalies, it has: "
            f"{', '.join(native)}; bring one"
        )
    return native


def load(
    split: str,
    path: str | None,
    *,
    of: str = "idx",
    normal: int = 0,
    options: Sequence = (),
) -> "OneClass":
    """Reads one split.

    Args:
      split: "train", "validation" or "test".
      path: of the other data.
      of: the other data: a file of research/data, with labels.
      normal: number of the class that is normal.
      options: (name, value) pairs of options of the other data.

    Raises:
      ValueError: there is no such data or class.
    """
    whole = _module(of).load(split, path, **dict(options))
    labels, count = whole.labels(), whole.spec.num_classes
    if labels is None or not 0 <= normal < count:
        raise ValueError(
            f"config.data.normal must be the number of a class of data {of!r}, which "
            f"has {count}, got {normal}; correct it"
        )
    kept = np.arange(len(labels)) if split == "test" else np.where(labels == normal)[0]
    return OneClass(whole, kept, normal)


class OneClass:
    """Some examples of a source, their labels made normal (0) or anomaly (1).

    Pictures of varying size come in their stored form: parts are cut on the device.
    """

    def __init__(self, whole: sources.Source, kept: np.ndarray, normal: int):
        self._whole, self._kept, self._normal = whole, kept, normal
        self.in_memory = sources.in_memory(whole)
        self.spec = dataclasses.replace(whole.spec, class_names=CLASSES, varies=False)

    def __len__(self) -> int:
        return len(self._kept)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads examples; see `Source.gather`."""
        rows = self._whole.gather(self._kept[indices])
        return rows | {"label": self._told(rows["label"])}

    def labels(self) -> np.ndarray:
        """Reads all labels; see `Source.labels`."""
        return self._told(self._whole.labels()[self._kept])

    def _told(self, label: np.ndarray) -> np.ndarray:
        return (label != self._normal).astype(np.int32)


def _module(name: str):
    folder = pathlib.Path(__file__).parent
    known = sorted(
        f.stem for f in folder.glob("*.py") if "\ndef load(" in f.read_text("utf-8")
    )
    if name not in known or name == "one_class":
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"unknown config.data.of {name!r}; {hint}use one of {', '.join(known)}"
        )
    return importlib.import_module(f"research.data.{name}")
