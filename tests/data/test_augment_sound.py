"""Shift, loudness and noise of sounds: what they do, and what draws them."""

import re

import numpy as np
import pytest

from configs import base
from research.data import augment, augment_sound, preprocess, source, synthetic_sounds

SPEC = synthetic_sounds.load("train", count=4).spec


def _options(**chosen):
    options = base.get_config().augment
    options.update(chosen)
    return options


def _augmented(audio, epoch=0, seed=0, examples=None, **chosen):
    examples = np.arange(len(audio)) if examples is None else examples
    batch = {
        "audio": audio,
        "epoch": np.full(len(audio), epoch, np.int32),
        "example": examples.astype(np.int32),
    }
    made = augment.make(_options(**chosen), SPEC, (0.0,))
    prepare = preprocess.make(pad=0, mean=(0.0,), std=(1.0,), augment=made)
    prepared = prepare(batch, seed)
    assert set(prepared) == {"audio", "mask"}
    return np.asarray(prepared["audio"])


def _waves(count=256, length=100):
    rng = np.random.default_rng(0)
    return rng.integers(1_000, 9_000, (count, length)).astype(np.int16)


def test_a_shift_moves_the_whole_sound_and_fills_with_silence():
    audio = _waves(length=40)
    made = _augmented(audio, shift=0.25)
    moved = []
    for before, after in zip(audio / 2**15, made, strict=True):
        sound = np.flatnonzero(after)
        by = sound[0] - (39 - sound[-1])  # silence before less silence after
        expected = np.zeros(40)
        expected[max(by, 0) : 40 + min(by, 0)] = before[max(-by, 0) : 40 - max(by, 0)]
        np.testing.assert_allclose(after, expected, atol=1e-6)
        moved.append(by)
    assert min(moved) == -10 and max(moved) == 10


def test_a_gain_stays_within_its_decibels():
    audio = _waves()
    factor = _augmented(audio, gain=6.0) / (audio / 2**15)
    decibels = 20 * np.log10(factor)
    np.testing.assert_allclose(decibels, decibels[:, :1].repeat(100, 1), atol=1e-3)
    assert -6 <= decibels.min() < -5.5 and 5.5 < decibels.max() <= 6.001


def test_noise_is_white_and_follows_the_loudness():
    audio = _waves(64, 4_000)
    added = _augmented(audio, noise=0.5) - audio / 2**15
    relative = added.std(axis=1) / np.sqrt(((audio / 2**15) ** 2).mean(axis=1))
    assert relative.max() < 0.52 and relative.max() > 0.45 and relative.min() < 0.05
    loudest = added[relative.argmax()]
    neighbours = np.corrcoef(loudest[:-1], loudest[1:])[0, 1]
    assert abs(neighbours) < 0.06


def test_draws_follow_seed_epoch_and_example_alone():
    audio = _waves(8)
    chosen = dict(shift=0.2, gain=6.0, noise=0.3)
    first = _augmented(audio, **chosen)
    np.testing.assert_array_equal(first, _augmented(audio, **chosen))
    part = _augmented(audio[3:5], examples=np.array([3, 4]), **chosen)
    np.testing.assert_allclose(first[3:5], part, atol=1e-6)
    assert (first != _augmented(audio, epoch=1, **chosen)).any()
    assert (first != _augmented(audio, seed=1, **chosen)).any()


def test_samples_become_numbers_of_full_scale_one():
    audio = np.array([[-(2**15), 0, 2**14]], np.int16)
    made = preprocess.make(pad=0, mean=(0.0,), std=(1.0,))({"audio": audio})["audio"]
    assert made.dtype == np.float32 and made.tolist() == [[-1, 0, 0.5]]


def test_pictures_have_no_loudness():
    image = source.Spec({"image": source.Feature((8, 8, 1), "uint8")})
    message = (
        "config.augment.shift, noise and gain change sounds, but the data has only "
        "image; set them to 0"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        augment.make(_options(gain=3.0), image, (0.0,))
    assert not augment_sound.is_on(_options(flip="random"))
