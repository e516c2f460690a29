"""Decoding and resizing: every kind of image that Pillow may hand over."""

import io
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from research.data import images


def _png(image: Image.Image, **options) -> bytes:
    return _encoded(image, "PNG", **options)


def _encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _fails(kind, message, call, *args):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        call(*args)


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def test_png_is_exact(rgb, tmp_path):
    content = _png(Image.fromarray(rgb))
    np.testing.assert_array_equal(images.decode(content, None, 3), rgb)
    file = tmp_path / "a.png"
    file.write_bytes(content)
    for name in (file, str(file)):
        np.testing.assert_array_equal(images.decode(name, None, 3), rgb)


def test_grey_is_luma(rgb):
    grey = images.decode(_png(Image.fromarray(rgb)), None, 1)
    assert grey.shape == (6, 9, 1) and grey.dtype == np.uint8
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[..., 0], luma, atol=1)


def test_grey_file_gets_three_channels(rgb):
    decoded = images.decode(_png(Image.fromarray(rgb[..., 0])), None, 3)
    np.testing.assert_array_equal(decoded, np.repeat(rgb[..., :1], 3, axis=2))


def test_transparent_pixels_become_white(rgb):
    alpha = np.full((6, 9, 1), 255, np.uint8)
    alpha[0], alpha[1] = 0, 128
    rgba = Image.fromarray(np.concatenate([rgb, alpha], axis=2))
    decoded = images.decode(_png(rgba), None, 3)
    assert (decoded[0] == 255).all()
    mixed = rgb[1] * (128 / 255) + 255 * (127 / 255)
    np.testing.assert_allclose(decoded[1], mixed, atol=1)
    np.testing.assert_array_equal(decoded[2:], rgb[2:])
    grey_alpha = Image.fromarray(np.concatenate([rgb[..., :1], alpha], axis=2))
    assert grey_alpha.mode == "LA"
    assert (images.decode(_png(grey_alpha), None, 1)[0] == 255).all()


def test_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    decoded = images.decode(_png(image), None, 3)
    assert decoded.tolist() == [[[10, 20, 30], [200, 100, 50]]]
    # With one entry declared transparent.
    decoded = images.decode(_png(image, transparency=0), None, 3)
    assert decoded.tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_sixteen_bits_keep_their_range():
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    decoded = images.decode(_png(Image.fromarray(deep)), None, 1)
    assert decoded[..., 0].tolist() == [[0, 1, 128, 255]]


def test_one_bit():
    image = Image.fromarray(np.array([[True, False]]))
    assert images.decode(_png(image), None, 1)[..., 0].tolist() == [[255, 0]]


def test_cmyk():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow
    decoded = images.decode(_encoded(cmyk, "JPEG", quality=95), None, 3)
    red, green, blue = decoded.reshape(-1, 3).mean(0)
    assert red > 230 and green < 25 and blue < 25


def test_exif_orientation_is_applied(rgb):
    smooth = np.zeros((16, 32, 3), np.uint8)
    smooth[:, :16] = 255  # the left half is white
    image, exif = Image.fromarray(smooth), Image.Exif()
    exif[0x0112] = 6  # to be shown rotated by a quarter turn clockwise
    decoded = images.decode(_encoded(image, "JPEG", exif=exif), None, 3)
    assert decoded.shape == (32, 16, 3)
    assert decoded[:14].min() > 240 and decoded[18:].max() < 15


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF"])
def test_other_formats(kind, rgb):
    decoded = images.decode(_encoded(Image.fromarray(rgb), kind), None, 3)
    assert decoded.shape == (6, 9, 3)


@pytest.mark.parametrize(
    "height_width, size, target",
    [
        ((50, 80), 20, (20, 20)),
        ((80, 50), 20, (20, 20)),
        ((20, 20), 20, (20, 20)),
        ((10, 30), 64, (64, 64)),
        ((37, 53), (24, 40), (24, 40)),
        ((37, 53), (40, 8), (40, 8)),
        ((1, 200), 7, (7, 7)),
        ((123, 1), (3, 5), (3, 5)),
    ],
)
def test_sizes(height_width, size, target):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*height_width, 3), np.uint8)
    decoded = images.decode(_png(Image.fromarray(pixels)), size, 3)
    assert decoded.shape == (*target, 3)
    np.testing.assert_array_equal(images.resize(pixels[None], size)[0], decoded)


def test_crop_takes_the_centre():
    pixels = np.zeros((10, 30, 1), np.uint8)
    pixels[:, 10:20] = 255
    assert (images.resize(pixels[None], 10) == 255).all()


def test_resize_agrees_with_a_reference():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), np.uint8)
    ours = images.resize(pixels, (20, 20)).astype(float)
    channels_first = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    scaled = torch.nn.functional.interpolate(
        channels_first, (20, 30), mode="bilinear", antialias=True
    )
    theirs = scaled[..., 5:25].permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1.01)  # Pillow rounds in between


def test_resize_to_the_same_size_copies_nothing():
    batch = np.zeros((2, 8, 8, 1), np.uint8)
    assert images.resize(batch, 8) is batch
    assert images.resize(np.zeros((0, 4, 4, 3), np.uint8), 8).shape == (0, 8, 8, 3)


def test_missing_file(tmp_path):
    file = tmp_path / "no.png"
    message = f"image file {file} does not exist; correct the path"
    _fails(FileNotFoundError, message, images.decode, file, None, 3)


def test_corrupt_png(tmp_path, rgb):
    content = _png(Image.fromarray(rgb))
    file = tmp_path / "a.png"
    file.write_bytes(content[: len(content) // 2])
    _fails(
        ValueError,
        f"{file} is not a readable image (image file is truncated); replace or remove "
        "it",
        images.decode,
        file,
        None,
        3,
    )
    file.write_bytes(b"not an image")
    _fails(
        ValueError,
        f"{file} is not a readable image (its format is not known); replace or "
        "remove it",
        images.decode,
        file,
        None,
        3,
    )
    _fails(
        ValueError,
        "12 bytes of image data is not a readable image (its format is not known); "
        "replace or remove it",
        images.decode,
        b"not an image",
        None,
        3,
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_damage_anywhere_is_a_value_error_or_an_image(kind, rgb):
    content = _encoded(Image.fromarray(np.tile(rgb, (8, 8, 1))), kind)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.integers(min(len(damaged), 400))] = rng.integers(256)
        if rng.random() < 0.3:
            damaged = damaged[: rng.integers(len(damaged))]
        try:
            decoded = images.decode(bytes(damaged), 16, 3)
            assert decoded.shape == (16, 16, 3)
        except ValueError as error:
            assert re.fullmatch(
                r"\d+ bytes of image data is not a readable image \(.+\); replace or "
                "remove it",
                str(error),
            )
            refused += 1
    assert refused > 20


def test_huge_image_is_refused(monkeypatch, rgb):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match="not a readable image .*decompression bomb"):
        images.decode(_png(Image.fromarray(rgb)), None, 3)


@pytest.mark.parametrize("size", [0, -3, 2.5, True, (3,), (3, 4, 5), (3, 0), "32"])
def test_bad_size(size):
    message = (
        "image_size must be a positive integer or (height, width), got "
        f"{size!r}; use for example 224"
    )
    _fails(ValueError, message, images.check, size, 3)


def test_bad_channels():
    message = "channels must be 1 (grey) or 3 (RGB), got 4; choose one"
    _fails(ValueError, message, images.check, 32, 4)


def test_real_photos():
    if "RESEARCH_DATA" not in os.environ:
        pytest.skip("RESEARCH_DATA is not set")
    folder = pathlib.Path(os.environ["RESEARCH_DATA"], "photos")
    files = sorted((*folder.glob("*.png"), *folder.glob("*.jpg")))
    assert files
    for file in files:
        decoded = images.decode(file, 64, 3)
        assert decoded.shape == (64, 64, 3) and decoded.std() > 20


@pytest.mark.parametrize(
    "height_width", [(375, 500), (500, 333), (256, 256), (80, 700)]
)
@pytest.mark.parametrize("resize, size", [(256, 224), (248, (200, 240)), (64, 64)])
def test_shorter_side_is_resized_and_the_centre_cropped_as_by_torchvision(
    height_width, resize, size
):
    height, width = height_width
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    # torchvision's Resize(int) and CenterCrop, in its own terms.
    short, long = min(height, width), max(height, width)
    new_short, new_long = resize, int(resize * long / short)
    new_w, new_h = (new_short, new_long) if width <= height else (new_long, new_short)
    how = Image.Resampling.BICUBIC
    scaled = Image.fromarray(pixels).resize((new_w, new_h), how)
    tall, wide = images.height_width(size)
    top, left = int(round((new_h - tall) / 2.0)), int(round((new_w - wide) / 2.0))
    expected = np.asarray(scaled)[top : top + tall, left : left + wide]
    rule = {"resize": resize, "interpolation": "bicubic"}
    decoded = images.decode(_png(Image.fromarray(pixels)), size, 3, **rule)
    np.testing.assert_array_equal(decoded, expected)
    np.testing.assert_array_equal(
        images.resize(pixels[None], size, **rule)[0], expected
    )
    steps = images.open_image(_png(Image.fromarray(pixels)), 3)
    steps = images.resize_shorter(steps, resize, "bicubic")
    steps = images.to_array(images.centre_crop(steps, tall, wide))
    np.testing.assert_array_equal(steps, expected)


def test_the_interpolation_is_the_one_asked_for(rgb):
    content = _png(Image.fromarray(rgb))
    for name, how in images.INTERPOLATIONS.items():
        theirs = np.asarray(Image.fromarray(rgb).resize((18, 12), how))
        ours = images.decode(content, (12, 18), 3, interpolation=name)
        np.testing.assert_array_equal(ours, theirs)
    message = (
        "interpolation must be one of nearest, bilinear, bicubic, lanczos, got "
        "'cubic'; choose one"
    )
    _fails(ValueError, message, images.check, 8, 3, 0, "cubic")


@pytest.mark.parametrize("resize", [-1, 100, 223])
def test_a_crop_larger_than_the_resized_image_is_refused(resize):
    message = (
        "resize must be 0 or at least image_size=224, which is cropped from it, got "
        f"{resize}; use for example 256 for 224"
    )
    _fails(ValueError, message, images.check, 224, 3, resize)


def _smooth(height, width):
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 19), np.cos(y / 23), np.sin((x + y) / 31)]
    return (127.5 + 127 * np.stack(waves, -1)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("box", [(10, 20, 400, 300), (0, 0, 40, 40), (100, 7, 80, 333)])
def test_a_part_is_what_the_oriented_picture_shows_there(kind, orientation, box):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 97, "subsampling": 0} if kind == "JPEG" else {}
    content = _encoded(Image.fromarray(_smooth(500, 421)), kind, exif=exif, **options)
    seen = []

    def part(height, width):
        seen.append((height, width))
        return box

    made = images.decode_part(content, (32, 48), 3, part)
    whole = images.open_image(content, 3)
    assert seen == [(whole.height, whole.width)]
    top, left, tall, wide = box
    corners = (left, top, left + wide, top + tall)
    expected = whole.resize((48, 32), Image.Resampling.BILINEAR, box=corners)
    off = np.abs(made.astype(int) - np.asarray(expected))
    if kind == "PNG":
        assert off.max() == 0
    else:  # reduced while it was decoded, where whole factors allow that
        assert off.mean() < 1 and off.max() < 6


def test_a_part_of_a_damaged_file_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "a.jpg"
    content = _encoded(Image.fromarray(_smooth(64, 64)), "JPEG")
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        ValueError, match=f"^{file} is not a readable image .*; replace"
    ):
        images.decode_part(file, 8, 3, lambda height, width: (0, 0, height, width))
