"""The picture of training examples before and after augmentation."""

import numpy as np
import pytest
from PIL import Image

from configs import base
from research.reports import augmented
from research.training import experiment


def _built(**augment):
    config = base.get_config()
    config.model.variant = "debug"
    base.use_synthetic(config, image_shape=(12, 12, 3), num_classes=4, count=64)
    config.data.batch_size = 16
    config.augment.update(augment)
    data = experiment.open_data(config, ("train",))["train"]
    return experiment.build(config, data.spec, len(data)), data


def test_rows_are_examples_and_columns_epochs(tmp_path):
    built, data = _built(cutout=4, mixup=0.4)
    augmented.write(tmp_path / "new" / "a.png", built, data)
    with Image.open(tmp_path / "new" / "a.png") as picture:
        pixels = np.asarray(picture)
    rows, columns = 6, 6
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    cells = pixels.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    stored = data.gather(built.training_batches(data).order.indices(0)[:rows])["image"]
    # 12 pixels are shown as 120; the middle of each is its colour.
    top, left = 8 + (128 - 120) // 2, (width - 120) // 2
    shown = cells[:, :, top : top + 120, left : left + 120][:, :, 5::10, 5::10]
    np.testing.assert_array_equal(shown[:, 0], stored)
    for epoch in range(1, columns):
        assert (shown[:, epoch] != stored).any((1, 2, 3)).all()


def test_a_picture_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError) as error:
        augmented.write(tmp_path / "a.png", *_built())
    assert str(error.value) == (
        "config.augment is switched off, so that there is nothing to show; set for "
        "example config.augment.flip=random"
    )


def test_sounds_are_shown_as_spectrograms(tmp_path):
    config = base.get_config()
    config.model.name, config.model.variant = "audio_cnn", "debug"
    config.task.input = "audio"
    base.use_synthetic(config, seconds=0.2, count=64)
    config.data.name, config.data.batch_size = "synthetic_sounds", 16
    config.augment.noise = 1.0
    data = experiment.open_data(config, ("train",))["train"]
    built = experiment.build(config, data.spec, len(data))
    augmented.write(tmp_path / "a.png", built, data)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (6 * 148, 6 * 184)
        grey = np.asarray(picture.convert("L")).reshape(6, 184, 6, 148)
    # 64 bands and 21 columns, twice as large; noise fills what was dark.
    shown = grey[:, 8:136, :, 54:94].mean((0, 1, 3))
    assert (shown[1:] > shown[0] + 5).all()
