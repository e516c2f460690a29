"""A list of sound files with a label each, as a source; read when gathered.

Files become (length,) int16 at one rate, by the rules of `research.data.sounds`: what
is longer loses its ends, what is shorter gets zeros on both sides.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from research.data import cache, sounds, source


class SoundFiles:
    """Sounds of one length: audio (length,) int16, label () int32."""

    def __init__(
        self,
        files: Sequence[pathlib.Path],
        labels: np.ndarray,
        class_names: Sequence[str],
        *,
        sample_rate: int,
        seconds: float,
        other_rate: str,
        silence: str,
    ):
        """Prepares the source; reads nothing yet.

        Args:
          files: n paths.
          labels: (n,) int32 in [0, k).
          class_names: k names.
          sample_rate: samples per second.
          seconds: length of each example.
          other_rate: "resample" or "refuse", files of another rate.
          silence: "refuse" or "keep", files of zeros only.

        Raises:
          ValueError: an option is out of range.
        """
        self.files, self._labels = list(files), labels
        self._rule = {"other_rate": other_rate, "silence": silence}
        self._rate = sample_rate
        self._length = sounds.check(sample_rate, seconds, **self._rule)
        self._once = sounds.Once()
        self.spec = spec(self._length, sample_rate, class_names)

    def __len__(self) -> int:
        return len(self.files)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads sounds; see `Source.gather`.

        Raises:
          ValueError: a file is not as it should be; the sentence names it.
        """
        audio = np.empty((len(indices), self._length), np.int16)
        for row, index in enumerate(indices):
            sound = sounds.read(self.files[index], self._rate, **self._rule)
            self._once.tell(sound.notes)
            audio[row] = sounds.to_int16(sounds.fit(sound.samples, self._length))
        return {"audio": audio, "label": self._labels[indices]}

    def labels(self) -> np.ndarray:
        """Returns all labels, (len(self),) int32, without reading a file."""
        return self._labels

    def fingerprint(self) -> str:
        """Digests the list of files, their sizes and times, and the options."""
        options = ("sound_files", self._rate, self._length, *self._rule.values())
        return cache.digest_files(self.files, (*options, self._labels.tobytes()))


def spec(length: int, sample_rate: int, class_names: Sequence[str]) -> source.Spec:
    """Describes sounds with labels: audio (length,) int16, label () int32."""
    return source.Spec(
        features={
            "audio": source.Feature((length,), "int16"),
            "label": source.Feature((), "int32"),
        },
        class_names=tuple(class_names),
        sizes={"sample_rate": sample_rate},
    )
