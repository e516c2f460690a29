"""The 1,797 handwritten digits that scikit-learn carries.

They are the test set of the UCI optical digits (Alpaydin and Kaynak, 1998): 8x8, one
channel; the 17 grey levels 0..16 become uint8 0..255, rounded. The data has no official
split, so a stratified one is fixed here: 1,079 train, 359 validation, 359 test.
"""

import gzip
import importlib.util
import pathlib

import numpy as np

from research.data import holdout, images, source


def splits(path: str | None = None, *, image_size: int = 8) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return "train", "validation", "test"


def load(split: str, path: str | None = None, *, image_size: int = 8) -> source.Arrays:
    """Reads the digits of one split: image (size, size, 1) uint8, label () int32.

    Args:
      split: "train", "validation" or "test".
      path: not used; the data comes with scikit-learn.
      image_size: side in pixels; other than 8, images are resized bilinearly.
    """
    source.check_split(split, splits(), "digits")
    table = _table()
    pixels = np.rint(table[:, :64] * (255 / 16)).astype(np.uint8)
    label = table[:, 64].astype(np.int32)
    parts = holdout.partition(
        len(table), {"validation": 0.2, "test": 0.2}, labels=label
    )
    image = pixels[parts[split]].reshape(-1, 8, 8, 1)
    arrays = {"image": images.resize(image, image_size), "label": label[parts[split]]}
    return source.Arrays(arrays, source.number_names(10))


def _table() -> np.ndarray:
    """Reads (1797, 65) floats: 64 pixels in 0..16, then the label."""
    # The file is read without importing scikit-learn, which takes over a second.
    package = importlib.util.find_spec("sklearn").submodule_search_locations[0]
    file = pathlib.Path(package, "datasets", "data", "digits.csv.gz")
    if file.exists():
        values = gzip.decompress(file.read_bytes()).replace(b"\n", b",").rstrip(b",")
        return np.array(values.split(b","), dtype=np.float32).reshape(-1, 65)
    from sklearn import datasets

    pixels, label = datasets.load_digits(return_X_y=True)
    return np.concatenate([pixels, label[:, None]], axis=1, dtype=np.float32)
