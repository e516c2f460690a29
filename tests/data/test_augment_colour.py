"""Colour jitter against torchvision's formulae, written with numpy and colorsys."""

import colorsys

import numpy as np
import pytest

from research.data import augment_colour

RNG = np.random.default_rng(2)
IMAGE = RNG.random((5, 4, 6, 3)).astype(np.float32)


def _grey(image):
    return (image @ np.array([0.2989, 0.587, 0.114]))[..., None]


def _reference(image, operation, factor):
    """One image (h, w, 3) in float64."""
    if operation == 3:
        out = np.empty_like(image)
        for at in np.ndindex(image.shape[:2]):
            h, s, v = colorsys.rgb_to_hsv(*image[at])
            out[at] = colorsys.hsv_to_rgb((h + factor) % 1.0, s, v)
        return out
    towards = (0.0, _grey(image).mean(), _grey(image))[operation]
    return np.clip(factor * image + (1 - factor) * towards, 0, 1)


@pytest.mark.parametrize(
    "strength",
    [
        (0.4, 0, 0, 0),
        (0, 0.4, 0, 0),
        (0, 0, 0.4, 0),
        (0, 0, 0, 0.3),
        (1.5, 0.3, 0, 0.5),
        (0.4, 0.4, 0.4, 0.1),
    ],
)
def test_jitter_is_torchvisions(strength):
    draws = RNG.random((5, augment_colour.DRAWS)).astype(np.float32)
    out = augment_colour.jitter(IMAGE, draws, strength)
    active = [k for k in range(4) if strength[k]]
    orders = set()
    for image, draw, got in zip(IMAGE.astype(np.float64), draws, out, strict=True):
        order = np.array(active)[np.argsort(draw[: len(active)])]
        orders.add(tuple(order))
        for k in order:
            low = -strength[3] if k == 3 else max(0, 1 - strength[k])
            high = strength[3] if k == 3 else 1 + strength[k]
            image = _reference(image, k, low + float(draw[4 + k]) * (high - low))
        np.testing.assert_allclose(got, image, atol=1e-5)
    assert len(active) < 3 or len(orders) > 1


def test_hue_of_grey_black_and_white_stays():
    grey = np.broadcast_to(
        np.linspace(0, 1, 6, dtype=np.float32)[None, :, None], (4, 6, 3)
    )
    out = augment_colour.shift_hue(grey[None], np.array([0.37], np.float32))
    np.testing.assert_allclose(out[0], grey, atol=1e-6)


def test_a_third_of_a_turn_exchanges_the_channels():
    out = augment_colour.shift_hue(IMAGE, np.full(5, 1 / 3, np.float32))
    np.testing.assert_allclose(out, np.roll(IMAGE, 1, -1), atol=1e-5)


def test_grey_images_have_no_saturation_and_hue():
    grey, draws = IMAGE[..., :1], RNG.random((5, 8)).astype(np.float32)
    assert augment_colour.jitter(grey, draws, (0, 0, 0.5, 0.5)) is grey
    out = augment_colour.jitter(grey, draws, (0.5, 0, 0.5, 0.5))
    factor = 0.5 + draws[:, 4]
    np.testing.assert_allclose(
        out, np.clip(grey * factor[:, None, None, None], 0, 1), atol=1e-6
    )


def test_both_forms_agree():
    order = np.array([RNG.permutation(4) for _ in range(5)], np.int32)
    amount = RNG.random((5, 4)).astype(np.float32)
    together = augment_colour.together(IMAGE, order, amount)
    one_by_one = augment_colour.one_by_one(IMAGE, order, amount)
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
