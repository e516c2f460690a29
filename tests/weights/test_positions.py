import numpy as np
import pytest

from research import weights
from research.weights import positions


def table(count, width=5):
    return np.random.default_rng(0).normal(size=(1, count, width)).astype(np.float32)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("token", [0, 1])
@pytest.mark.parametrize(
    "old, new",
    [
        ((7, 7), (12, 12)),
        ((14, 14), (24, 24)),
        ((14, 14), (7, 7)),
        ((14, 14), (3, 5)),
        ((6, 9), (9, 4)),
        ((2, 2), (11, 1)),
    ],
)
def test_bicubic_as_pytorch(torch, antialias, token, old, new):
    given = table(old[0] * old[1] + token)
    here = weights.resize_positions(given, new, old_grid=old, antialias=antialias)
    maps = torch.from_numpy(given[:, token:]).reshape(1, *old, 5).permute(0, 3, 1, 2)
    there = torch.nn.functional.interpolate(
        maps, size=new, mode="bicubic", antialias=antialias
    )
    there = there.permute(0, 2, 3, 1).reshape(1, -1, 5).numpy()
    np.testing.assert_array_equal(here[:, :token], given[:, :token])
    np.testing.assert_allclose(here[:, token:], there, atol=1e-5)
    assert here.dtype == np.float32


def test_the_same_grid_returns_the_table_itself():
    given = table(17)
    assert weights.resize_positions(given, 4) is given


def test_a_table_of_another_grid_is_refused():
    with pytest.raises(ValueError) as error:
        weights.resize_positions(table(20), 4)
    assert str(error.value) == (
        "20 positions are no grid of 4 x 4 patches with at most one class token; give "
        "their old_grid"
    )


def test_the_image_size_follows_from_a_square_of_positions():
    assert positions.image_size(197, token=True, patch=16) == (224, 224)
    assert positions.image_size(256, token=False, patch=14) == (224, 224)
    with pytest.raises(ValueError) as error:
        positions.image_size(196, token=True, patch=16)
    assert str(error.value) == (
        "196 positions, one of them a class token's, form no square of patches; bring "
        "the config.json of these weights"
    )


@pytest.mark.parametrize(
    "given, wanted",
    [(224, (224, 224)), ([32, 48], (32, 48)), ({"height": 3, "width": 4}, (3, 4))],
)
def test_sizes_as_publishers_write_them(given, wanted):
    assert positions.height_width(given) == wanted
