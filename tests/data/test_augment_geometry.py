"""Moving pixels: each operation against slices, Pillow or a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research.data import augment_boxes, augment_geometry

RNG = np.random.default_rng(0)
IMAGE = RNG.random((6, 8, 10, 3)).astype(np.float32)


@pytest.mark.parametrize("mode", ["zero", "reflect", "edge"])
def test_pad_crop_takes_a_window_of_the_padded_image(mode):
    draws = RNG.random((6, 2)).astype(np.float32)
    out = augment_geometry.pad_crop(IMAGE, draws, 3, mode)
    numpy_mode = {"zero": "constant"}.get(mode, mode)
    for image, draw, got in zip(IMAGE, draws, out, strict=True):
        padded = np.pad(image, ((3, 3), (3, 3), (0, 0)), numpy_mode)
        top, left = (int(7 * d) for d in draw)
        np.testing.assert_array_equal(got, padded[top : top + 8, left : left + 10])


def test_pad_crop_reaches_every_place_equally_often():
    draws = RNG.random((20_000, 2)).astype(np.float32)
    place = np.zeros((1, 5, 5, 1), np.float32)
    place[0, 2, 2] = 1
    images = np.broadcast_to(place, (20_000, 5, 5, 1))
    where = np.asarray(augment_geometry.pad_crop(images, draws, 2, "zero")).mean(0)
    np.testing.assert_allclose(where[..., 0], 1 / 25, atol=0.006)


def test_flip_mirrors_the_chosen():
    chosen = np.array([True, False, True, True, False, False])
    out = np.asarray(augment_geometry.flip(IMAGE, chosen))
    np.testing.assert_array_equal(out[chosen], IMAGE[chosen][:, :, ::-1])
    np.testing.assert_array_equal(out[~chosen], IMAGE[~chosen])


def test_the_alternating_flip_shows_both_sides_in_two_epochs():
    first = jnp.array([True, False, True])
    flips = [augment_geometry.alternates(first, jnp.full(3, e)) for e in range(4)]
    np.testing.assert_array_equal(flips[0], first)
    np.testing.assert_array_equal(flips[1], ~first)
    np.testing.assert_array_equal(flips[2], first)
    np.testing.assert_array_equal(flips[3], ~first)


def test_random_resized_crop_is_pillows_resize_of_the_part():
    pixels = RNG.integers(0, 256, (12, 20, 28, 3), np.uint8)
    draws = RNG.random((12, augment_boxes.DRAWS)).astype(np.float32)
    area, ratio = (0.08, 1.0), (3 / 4, 4 / 3)
    image = pixels.astype(np.float32)
    out = augment_geometry.random_resized_crop(image, draws, area, ratio)
    boxes = np.stack(augment_boxes.crop(draws, 20, 28, area, ratio), 1)
    assert len({tuple(box) for box in boxes}) == 12
    for picture, (top, left, tall, wide), got in zip(pixels, boxes, out, strict=True):
        part = Image.fromarray(picture).crop((left, top, left + wide, top + tall))
        theirs = part.resize((28, 20), Image.Resampling.BILINEAR)
        # Pillow rounds to whole levels after each of its two passes.
        np.testing.assert_allclose(got, np.asarray(theirs), atol=1.01)


def test_the_whole_image_as_part_is_the_image():
    draws = RNG.random((6, augment_boxes.DRAWS)).astype(np.float32)
    out = augment_geometry.random_resized_crop(IMAGE, draws, (1.0, 1.0), (1.25, 1.25))
    np.testing.assert_allclose(out, IMAGE, atol=1e-6)


def test_warp_fills_what_lies_outside():
    fill = jnp.array([0.1, 0.2, 0.3])
    zero = jnp.zeros(6)
    two, half = jnp.full(6, 2.0), jnp.full(6, 0.5)
    still = augment_geometry.shear_translate(zero, zero, zero, zero)
    np.testing.assert_array_equal(augment_geometry.warp(IMAGE, still, fill), IMAGE)
    moved = augment_geometry.shear_translate(zero, zero, two, -two)
    out = np.asarray(augment_geometry.warp(IMAGE, moved, fill))
    np.testing.assert_array_equal(out[:, 2:, :8], IMAGE[:, :6, 2:])
    outside = np.broadcast_to(fill, (6, 2, 10, 3))
    np.testing.assert_allclose(out[:, :2], outside)
    np.testing.assert_allclose(out[:, :, 8:], np.broadcast_to(fill, (6, 8, 2, 3)))
    sheared = augment_geometry.shear_translate(half, zero, zero, zero)
    out = np.asarray(augment_geometry.warp(IMAGE, sheared, fill))
    for y in range(8):
        for x in range(10):
            read = int(np.floor(x + 0.5 + 0.5 * (y + 0.5)))
            expected = IMAGE[:, y, read] if read < 10 else np.tile(fill, (6, 1))
            np.testing.assert_allclose(out[:, y, x], expected)


def test_a_quarter_turn_is_exact():
    square = IMAGE[:, :, :8]
    quarter = augment_geometry.rotation(jnp.full(6, 90.0), 8, 8)
    out = augment_geometry.warp(square, quarter, jnp.zeros(3))
    turned = np.rot90(square, k=1, axes=(1, 2))
    np.testing.assert_array_equal(out, turned)


def test_gradients_pass_through_what_is_smooth():
    draws = RNG.random((6, augment_boxes.DRAWS)).astype(np.float32)

    def total(image):
        image = augment_geometry.random_resized_crop(image, draws, (0.2, 1), (0.8, 1.2))
        return augment_geometry.pad_crop(image, draws[:, :2], 1, "edge").sum()

    assert np.isfinite(jax.grad(total)(IMAGE)).all()
