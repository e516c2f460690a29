"""What a data source is: a random-access set of examples and its spec."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Feature:
    """Shape and dtype of one feature of ONE example (no batch axis)."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Spec:
    """What every example of a source holds.

    Attributes:
      features: name -> Feature; images are (h, w, c) uint8, labels () int32.
      class_names: one name per label, in label order; empty where there are none.
      varies: whether the stored pictures vary in size, so that `gather_parts` can read
        parts of them that `gather` cuts off; the same data decoded once does not, so
        that this does not count where specs are compared.
      sizes: what a model's fields of the same names follow, such as "vocab_size";
        "num_classes" is in it wherever there are class names.
      tokenizers: feature -> its tokenizer, as JSON of the library `tokenizers`.
      contiguous: example i + 1 goes on where example i ends, so that they are read as
        streams, see `pipeline.Streams`.
      scales: feature -> ((name, mean, standard deviation), …) of its columns, where it
        was scaled, so that new data is scaled alike.
    """

    features: Mapping[str, Feature]
    class_names: tuple[str, ...] = ()
    varies: bool = field(default=False, compare=False)
    sizes: Mapping[str, int] = field(default_factory=dict)
    tokenizers: Mapping[str, str] = field(default_factory=dict)
    contiguous: bool = False
    scales: Mapping[str, tuple] = field(default_factory=dict)

    def __post_init__(self):
        if self.class_names:
            sizes = {**self.sizes, "num_classes": len(self.class_names)}
            object.__setattr__(self, "sizes", sizes)

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for data without labels."""
        return len(self.class_names)


class Source(Protocol):
    """A set of examples that can be read in any order."""

    spec: Spec

    def __len__(self) -> int: ...

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads examples.

        Args:
          indices: (b,) integers in [0, len(self)), in any order, repeats allowed.

        Returns:
          name -> (b, *feature.shape) array, in the order of `indices`.
        """

    def labels(self) -> np.ndarray | None:
        """Reads the label of every example, (len(self),), decoding nothing else.

        None where the examples have no label.
        """


# (height, width) of a picture -> (top, left, height, width) of a part, in pixels.
Part = Callable[[int, int], tuple[int, int, int, int]]


class VaryingSource(Source, Protocol):
    """A source of pictures that vary in size: `spec.varies` is true."""

    def gather_parts(
        self, indices: np.ndarray, parts: Sequence[Part]
    ) -> dict[str, np.ndarray]:
        """Reads examples as `gather` does, but a part of each picture.

        Args:
          indices: (b,) integers in [0, len(self)).
          parts: for each example what chooses the part, which is then scaled to the
            image's shape in the spec, its aspect ratio not kept.
        """


class Arrays:
    """A source whose examples are rows of arrays in memory (or memory-mapped)."""

    in_memory = True

    def __init__(self, arrays: Mapping[str, np.ndarray], class_names=()):
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                "all arrays of a data set need one row per example, got rows "
                f"{lengths}; make their first axes equal"
            )
        self.arrays = dict(arrays)
        self.spec = Spec(
            features={k: Feature(a.shape[1:], str(a.dtype)) for k, a in arrays.items()},
            class_names=tuple(class_names),
        )

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads rows; see `Source.gather`."""
        return {name: array[indices] for name, array in self.arrays.items()}

    def labels(self) -> np.ndarray | None:
        """Reads all labels; see `Source.labels`."""
        return self.arrays["label"] if "label" in self.arrays else None


class Subset:
    """The examples of another source at the given indices, in that order."""

    def __init__(self, source: Source, indices: np.ndarray):
        self.source, self.indices, self.spec = source, np.asarray(indices), source.spec

    def __len__(self) -> int:
        return len(self.indices)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads examples; see `Source.gather`."""
        return self.source.gather(self.indices[indices])

    def gather_parts(
        self, indices: np.ndarray, parts: Sequence[Part]
    ) -> dict[str, np.ndarray]:
        """Reads parts of pictures; see `VaryingSource.gather_parts`."""
        return self.source.gather_parts(self.indices[indices], parts)

    def labels(self) -> np.ndarray | None:
        """Reads all labels; see `Source.labels`."""
        labels = self.source.labels()
        return None if labels is None else labels[self.indices]

    def token_counts(self) -> np.ndarray:
        """Counts the tokens of every example; see `pairs.Pairs.token_counts`."""
        return self.source.token_counts()[self.indices]

    def texts(self, name: str, indices: np.ndarray | None = None) -> list[str]:
        """Reads the texts of a feature; see `pairs.Pairs.texts`."""
        chosen = self.indices if indices is None else self.indices[indices]
        return self.source.texts(name, chosen)


def token_counts(examples: Source) -> np.ndarray | None:
    """Counts the tokens of every example, (n,); None where all have equally many."""
    inner = examples
    while isinstance(inner, Subset):
        inner = inner.source
    return examples.token_counts() if hasattr(inner, "token_counts") else None


def in_memory(examples: Source) -> bool:
    """Tells whether reading examples costs next to nothing: decoded arrays."""
    while isinstance(examples, Subset):
        examples = examples.source
    return getattr(examples, "in_memory", False)


def require_folder(path: str | None, holds: str) -> pathlib.Path:
    """Checks that the user's data folder is there; `holds` says what it must hold.

    Raises:
      ValueError: no path was given.
      FileNotFoundError: the folder is missing or is a file.
    """
    if not path:
        raise ValueError(
            f"this data needs a folder with {holds}, got none; set config.data.path"
        )
    folder = pathlib.Path(path).expanduser()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(
            f"data folder {path} {what}; set config.data.path to a folder with {holds}"
        )
    return folder


def check_split(split: str, available: Sequence[str], where: str) -> None:
    """Checks that the data itself has the split; `where` names the data.

    Raises:
      ValueError: it has not; the sentence lists what it has.
    """
    if split not in available:
        known = ", ".join(available) if available else "none"
        raise ValueError(f"{where} has no split {split!r}; it has: {known}")


def check_labels(
    labels: np.ndarray,
    class_names: Sequence[str],
    where: str,
    indices: np.ndarray | None = None,
) -> None:
    """Checks that every label is the number of a class.

    Args:
      labels: (n,) integers.
      class_names: one name per class.
      where: names the data.
      indices: (n,) numbers of the examples, by default 0..n - 1.

    Raises:
      ValueError: a label is out of range; the sentence names the first such example.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= len(class_names)))
    if wrong.size:
        first = wrong[0] if indices is None else indices[wrong[0]]
        raise ValueError(
            f"labels of {where} must lie in 0..{len(class_names) - 1}, got "
            f"{labels[wrong[0]]} at example {first} ({wrong.size} such in all); "
            "correct the labels or name all classes"
        )


def number_names(count: int) -> tuple[str, ...]:
    """Names classes that have no names after their numbers: "0", "1", ..."""
    return tuple(str(k) for k in range(count))
