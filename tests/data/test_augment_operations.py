"""The operations of RandAugment and AutoAugment against Pillow's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from research.data import augment_operations
from tests import flags

NAMES = augment_operations.OPERATIONS
FILL = (124, 116, 104)
STRENGTHS = (0.0, 0.1, 0.3, 0.5, 0.77, 1.0)


def _pictures():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :40]
    smooth = np.stack([3 * x + 2 * y, 200 - 4 * x, 90 + 2 * y], -1)
    noise = rng.integers(0, 256, (32, 40, 3))
    dark = smooth // 4 + rng.integers(0, 9, (32, 40, 3))
    return np.stack([smooth, noise, dark]).clip(0, 255).astype(np.uint8)


PICTURES = _pictures()


@functools.partial(jax.jit, compiler_options=flags.USERS_EMITTERS)
def _apply(image, operation, strength, sign):
    fill = jnp.array(FILL, jnp.float32) / 255
    return augment_operations.apply(image, operation, strength, sign, fill)


def _ours(name, strength, sign):
    """Applies one operation to all pictures, beside others in the same batch."""
    count = len(PICTURES)
    others = [NAMES.index(name), 5, 13]
    image = np.tile(PICTURES, (3, 1, 1, 1)).astype(np.float32) / 255
    operation = np.repeat(np.array(others, np.int32), count)
    full = [np.full(3 * count, v, np.float32) for v in (strength, sign)]
    out = np.asarray(_apply(image, operation, *full))[:count]
    levels = np.rint(out * 255).astype(int)
    np.testing.assert_allclose(out * 255, levels, atol=1e-3)
    return levels


def _affine(image, a, b, c, d, e, f):
    how = Image.Resampling.NEAREST
    matrix = (a, b, c, d, e, f)
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, how, fillcolor=FILL
    )


def _pillow(image, name, strength, sign):
    amount, (width, height) = strength * sign, image.size
    factor = 1 + 0.9 * amount
    bits = 8 - round(4 * strength)
    moved_x = int(150 / 331 * width * amount)
    moved_y = int(150 / 331 * height * amount)
    return {
        "identity": lambda: image,
        "shear_x": lambda: _affine(image, 1, 0.3 * amount, 0, 0, 1, 0),
        "shear_y": lambda: _affine(image, 1, 0, 0, 0.3 * amount, 1, 0),
        "translate_x": lambda: _affine(image, 1, 0, moved_x, 0, 1, 0),
        "translate_y": lambda: _affine(image, 1, 0, 0, 0, 1, moved_y),
        "rotate": lambda: image.rotate(30 * amount, fillcolor=FILL),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "colour": lambda: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, bits),
        "solarize": lambda: ImageOps.solarize(image, 255 * (1 - strength)),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
    }[name]()


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_is_pillows(name):
    for strength in STRENGTHS:
        for sign in (1, -1):
            levels = _ours(name, strength, sign)
            for ours, pixels in zip(levels, PICTURES, strict=True):
                theirs = _pillow(Image.fromarray(pixels), name, strength, sign)
                off = np.abs(ours - np.asarray(theirs).astype(int))
                # A pixel whose place lies on an edge between two may take either.
                warped = name in NAMES[1:6]
                assert (off > 1).mean() <= (0.002 if warped else 0), (strength, sign)
                if not warped:  # Pillow's own rounding is in single precision
                    assert (off > 0).mean() <= 0.01, (strength, sign)


def test_both_forms_give_the_same_bits():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (60, 10, 12, 3)).astype(np.int32)
    operation = np.arange(60, dtype=np.int32) % len(NAMES)
    strength = rng.random(60).astype(np.float32)
    sign = np.where(rng.random(60) < 0.5, -1, 1).astype(np.float32)
    args = pixels, operation, strength, sign, np.array(FILL, np.int32)
    together = jax.jit(augment_operations.together)(*args)
    one_by_one = jax.jit(augment_operations.one_by_one)(*args)
    np.testing.assert_array_equal(together, one_by_one)
    assert (np.asarray(together) != pixels).any((1, 2, 3)).mean() > 0.7


def test_sharpness_blurs_as_pillows_filter():
    image = Image.fromarray(PICTURES[1])
    smooth = augment_operations._smooth(jnp.asarray(PICTURES[1:2], jnp.int32))[0]
    theirs = np.asarray(image.filter(ImageFilter.SMOOTH))
    np.testing.assert_array_equal(smooth, theirs)


def test_grey_and_tiny_images():
    image = np.full((len(NAMES), 2, 2, 1), 0.25, np.float32)
    strength, sign = np.full((2, len(NAMES)), 1.0, np.float32)
    fill = jnp.array([0.5])
    out = augment_operations.apply(image, jnp.arange(len(NAMES)), strength, sign, fill)
    assert out.shape == image.shape and out.dtype == jnp.float32
    level = np.rint(np.asarray(out)[:, 0, 0, 0] * 255)
    expected = dict.fromkeys(NAMES, 64) | {"brightness": 121, "posterize": 64}
    expected |= {"solarize": 191, "invert": 191}
    for name, value in zip(NAMES, level, strict=True):
        if name not in NAMES[1:6]:
            assert value == expected[name], name


def test_a_flat_channel_is_neither_stretched_nor_equalized():
    image = np.broadcast_to(np.array([0.2, 0.5, 1.0], np.float32), (2, 8, 8, 3))
    which = jnp.array([NAMES.index("autocontrast"), NAMES.index("equalize")])
    one = jnp.ones(2)
    out = augment_operations.apply(image, which, one, one, jnp.zeros(3))
    np.testing.assert_allclose(out * 255, np.rint(image * 255 + 1e-3), atol=1e-3)
