"""Modulation, resampling, deviation and styles against PyTorch and numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import stylegan2
from research.models.layers import equalised, resample


def _normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _to_torch(torch, x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def _from_torch(x):
    return np.moveaxis(x.numpy(), 1, -1)


def _filtered(torch, x, before, after, gain=1.0):
    """The filter as one depthwise convolution of a padded map (n, c, h, w)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(taps, taps)[None, None].repeat(x.shape[1], 1, 1, 1)
    x = torch.nn.functional.pad(x, (before, after, before, after))
    return gain * torch.nn.functional.conv2d(x, kernel, groups=x.shape[1])


@pytest.mark.parametrize("resampled", ["none", "up", "down"])
@pytest.mark.parametrize("kernels", ["auto", "native"])
def test_a_modulated_convolution_has_weights_of_its_own_per_image(resampled, kernels):
    torch = pytest.importorskip("torch")
    x, style = _normal(3, 6, 6, 4), 1 + 0.5 * _normal(3, 4, seed=1)
    layer = equalised.Conv(5, resample=resampled, use_bias=False, kernels=kernels)
    given = jnp.asarray(x), jnp.asarray(style)
    variables = layer.init(jax.random.key(0), *given)
    found = layer.apply(variables, *given)
    kernel = np.asarray(variables["params"]["kernel"]) / np.float32(6)  # of 9 x 4
    images = []
    for image, scale in zip(x, style, strict=True):
        w = kernel * scale[None, None, :, None]  # Eq. (1)
        w = w / np.sqrt((w**2).sum((0, 1, 2)) + 1e-8)  # Eq. (3)
        w = torch.from_numpy(w.transpose(3, 2, 0, 1).copy())
        y = _to_torch(torch, image[None])
        conv = torch.nn.functional
        if resampled == "none":
            y = conv.conv2d(y, w, padding=1)
        elif resampled == "down":
            y = conv.conv2d(_filtered(torch, y, 2, 2), w, stride=2)
        else:
            w = w.flip(2, 3).transpose(0, 1)
            y = conv.conv_transpose2d(y, w, stride=2)
            y = _filtered(torch, y, 1, 1, gain=4.0)
        images.append(_from_torch(y))
    np.testing.assert_allclose(found, np.concatenate(images), atol=2e-5)


def test_doubling_is_filtering_between_zeros():
    torch = pytest.importorskip("torch")
    x = _normal(2, 5, 4, 3)
    wide = np.zeros((2, 10, 8, 3), np.float32)
    wide[:, ::2, ::2] = x
    expected = _filtered(torch, _to_torch(torch, wide), 2, 1, gain=4.0)
    np.testing.assert_allclose(
        resample.double(jnp.asarray(x)), _from_torch(expected), atol=1e-5
    )


def test_a_blur_keeps_the_sum_of_a_map_inside_its_margins():
    x = np.zeros((1, 9, 9, 1), np.float32)
    x[0, 4, 4] = 1
    assert float(resample.blur(jnp.asarray(x), 2, 1).sum()) == pytest.approx(1)
    assert resample.blur(jnp.asarray(x), 2, 2).shape == (1, 10, 10, 1)


def test_the_deviation_is_that_of_every_nth_image():
    x = _normal(8, 2, 2, 3)
    found = np.asarray(stylegan2.with_deviation(jnp.asarray(x)))
    np.testing.assert_array_equal(found[..., :3], x)
    for k in range(8):
        group = x[k % 2 :: 2]  # 8 images are two groups of four
        expected = np.sqrt(group.var(0) + 1e-8).mean()
        np.testing.assert_allclose(found[k, ..., 3], expected, rtol=1e-5)


def test_equalised_weights_are_scaled_as_they_are_used():
    layer = equalised.Linear(400, rate=0.01, start=1.0)
    x = jnp.asarray(_normal(1, 900))
    params = layer.init(jax.random.key(0), x)["params"]
    assert float(params["kernel"].std()) == pytest.approx(100, rel=0.02)
    expected = x @ params["kernel"] * 0.01 / 30 + 1
    np.testing.assert_allclose(layer.apply({"params": params}, x), expected, atol=1e-4)


@pytest.fixture(scope="module")
def drawn():
    model = stylegan2.build("debug", rate=0.01)
    z, x = jnp.asarray(_normal(6, 8)), jnp.zeros((6, 16, 16, 3))
    init = jax.jit(lambda z, x: model.init(jax.random.key(0), z, x, train=False))
    return model, init(z, x), z


def _apply(drawn, method, *args, rngs=None, **fields):
    model, variables, _ = drawn
    return model.apply(variables, *args, method=method, rngs=rngs, **fields)


@pytest.mark.slow
def test_styles_are_mixed_in_training_only(drawn):
    shape, rngs = (16, 16, 3), {"mixing": jax.random.key(1)}
    plain = _apply(drawn, "styles", drawn[2], shape, train=False, rngs=rngs)
    assert plain.shape == (6, 6, 8)
    assert np.ptp(plain, axis=1).max() == 0
    mixed = _apply(drawn, "styles", drawn[2], shape, train=True, rngs=rngs)
    np.testing.assert_array_equal(mixed[:, 0], plain[:, 0])
    changes = (np.diff(mixed, axis=1) != 0).any(-1).sum(1)
    assert set(changes) <= {0, 1} and changes.sum() >= 3


def test_truncation_pulls_all_images_to_one(drawn):
    made = [
        np.asarray(
            _apply(
                drawn, "generate", drawn[2], (16, 16, 3), train=False, truncation=psi
            )
        )
        for psi in (1.0, 0.5, 0.0)
    ]
    spread = [x.std(0).mean() for x in made]
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 1e-6


def test_noise_is_fixed_without_its_key_and_scaled_by_its_strength(drawn):
    model, variables, z = drawn
    strong = jax.tree_util.tree_map_with_path(
        lambda path, x: jnp.ones(()) if path[-1].key == "noise" else x, variables
    )

    def make(seed=None):
        rngs = None if seed is None else {"noise": jax.random.key(seed)}
        fields = dict(train=True, method="generate", rngs=rngs)
        return np.asarray(model.apply(strong, z, (16, 16, 3), **fields))

    np.testing.assert_array_equal(make(), make())
    assert not np.allclose(make(0), make(1))


@pytest.mark.parametrize(
    ("side", "near"), [((24, 24), 32), ((16, 32), 16), ((4, 4), 8)]
)
def test_sides_that_are_no_power_of_two(side, near):
    model = stylegan2.build("debug")
    with pytest.raises(ValueError) as error:
        model.init(
            jax.random.key(0), jnp.ones((1, 8)), jnp.ones((1, *side, 3)), train=False
        )
    assert str(error.value) == (
        "stylegan2 makes square images whose side is a power of two of at least 8, got "
        f"{side[0]}x{side[1]}; set data.image_size={near}"
    )
