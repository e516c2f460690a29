"""The pictures and numbers of a diffusion run's page."""

import json

import numpy as np
import pytest
from PIL import Image

from research.data import synthetic
from research.reports import diffusion


@pytest.fixture
def written(tmp_path):
    config = {"task": {"name": "diffusion"}, "data": {"mean": [0.5], "std": [0.5]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    examples = synthetic.load("test", image_shape=(8, 8, 1), count=64)
    rng = np.random.default_rng(0)
    predictions = {
        "sample": rng.uniform(-1, 1, (20, 8, 8, 1)),
        **{
            name: rng.uniform(-1, 1, (20, 3, 8, 8, 1))
            for name in ("walk", "noisy", "denoised")
        },
    }
    for step in (300, 100, 200):  # the newest one and then the best
        files = diffusion.write(
            tmp_path,
            "test",
            spec=examples.spec,
            examples=examples,
            predictions=predictions,
            metrics={"test/squared_error": 0.03125, "test/bits_per_dimension": 1.5},
            step=step,
            checkpoint="best",
        )
    return tmp_path, files


def test_pictures_have_a_row_for_each_thing(written):
    _, files = written
    assert set(files) == {"test/samples", "test/walks", "test/denoised"}
    heights = {"samples": 2, "walks": 6, "denoised": 8}
    for name, rows in heights.items():
        with Image.open(files[f"test/{name}"]) as picture:
            assert picture.height == 60 * rows + 4


def test_the_page_shows_numbers_and_samples_of_other_steps(written):
    text = diffusion.section(written[0])
    for words in ("Diffusion: test", "1.5", "0.03125"):
        assert words in text
    for step, there in ((100, True), (200, False), (300, True)):  # 200 is the page's
        assert (f"Samples at step {step}" in text) == there
