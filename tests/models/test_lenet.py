"""LeNet-5 against the numbers of its paper, against numpy and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.models import lenet


def _images(b, c=1):
    images = np.random.default_rng(0).normal(size=(b, 32, 32, c))
    return jnp.asarray(images, jnp.float32)


def _random_params(model, x):
    """Parameters whose biases and coefficients are not zero."""
    params = model.init(jax.random.key(0), x, train=False)["params"]
    leaves, tree = jax.tree.flatten(params)
    keys = jax.tree.unflatten(tree, jax.random.split(jax.random.key(1), len(leaves)))
    return jax.tree.map(
        lambda a, key: a + 0.1 * jax.random.normal(key, a.shape), params, keys
    )


def _sizes(variant):
    model = lenet.build(variant)
    params = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.ones((1, 32, 32, 1)), train=False)
    )["params"]
    return {k: sum(a.size for a in jax.tree.leaves(v)) for k, v in params.items()}


def test_1998_has_the_parameters_of_section_2b():
    assert _sizes("1998") == {
        "C1": 156,
        "S2": 12,
        "C3": 1_516,
        "S4": 32,
        "C5": 48_120,
        "F6": 10_164,
    }


def test_modern_has_a_dense_c3_and_a_linear_head():
    assert _sizes("modern") == {
        "C1": 156,
        "C3": 2_416,
        "C5": 48_120,
        "F6": 10_164,
        "head": 850,
    }


def test_table_1_has_six_threes_nine_fours_and_one_six():
    assert [len(row) for row in lenet.TABLE_I] == [3] * 6 + [4] * 9 + [6]
    assert len(set(lenet.TABLE_I)) == 16
    # Each map of S2 feeds ten of the sixteen maps of C3.
    assert [sum(m in row for row in lenet.TABLE_I) for m in range(6)] == [10] * 6


def test_bitmaps_are_ten_distinct_drawings():
    codes = lenet.bitmaps()
    assert codes.shape == (10, 84) and set(codes.flat) == {-1, 1}
    seven = ["".join(np.where(row > 0, "#", " ")) for row in codes[7].reshape(12, 7)]
    assert seven == [
        "       ",
        "#######",
        "##   ##",
        "     ##",
        "    ## ",
        "    ## ",
        "   ##  ",
        "   ##  ",
        "  ##   ",
        "  ##   ",
        "  ##   ",
        "       ",
    ]
    different = (codes[:, None] != codes[None]).sum(-1) + 84 * np.eye(10)
    assert different.min() >= 6


def _numpy_squash(a):
    return 1.7159 * np.tanh(2 * a / 3)


def _numpy_conv(x, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))
    return np.einsum("bhwcij,ijck->bhwk", windows, kernel)


def _numpy_1998(params, x):
    """Layer by layer from section II.B, in float64; C3 one connection at a time."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)

    def subsample(x, p):
        b, h, w, c = x.shape
        total = x.reshape(b, h // 2, 2, w // 2, 2, c).sum((2, 4))
        return _numpy_squash(total * p["coefficient"] + p["bias"])

    x = _numpy_squash(_numpy_conv(x, p["C1"]["kernel"]) + p["C1"]["bias"])
    x = subsample(x, p["S2"])
    maps, connection = [], 0
    for target, row in enumerate(lenet.TABLE_I):
        a = p["C3"]["bias"][target]
        for source in row:
            kernel = p["C3"]["kernel"][:, :, connection, None, None]
            a = a + _numpy_conv(x[..., source, None], kernel)
            connection += 1
        maps.append(a)
    x = subsample(_numpy_squash(np.concatenate(maps, -1)), p["S4"])
    x = _numpy_squash(_numpy_conv(x, p["C5"]["kernel"]) + p["C5"]["bias"])[:, 0, 0]
    x = _numpy_squash(x @ p["F6"]["kernel"] + p["F6"]["bias"])
    return np.stack([-((x - code) ** 2).sum(-1) for code in lenet.bitmaps()], -1)


@pytest.mark.parametrize("kernels", ["auto", "native"])
def test_1998_equals_numpy(kernels):
    model, x = lenet.build("1998", kernels=kernels), _images(3)
    params = _random_params(model, x)
    logits = jax.jit(lambda p, x: model.apply({"params": p}, x, train=False))(params, x)
    # float32 against float64, logits of about -100
    np.testing.assert_allclose(logits, _numpy_1998(params, np.asarray(x)), rtol=1e-5)


@pytest.mark.parametrize("kernels", ["auto", "native"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pool", ["max", "average"])
def test_modern_equals_torch(activation, pool, kernels):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    nn = torch.nn.functional
    model = lenet.build("modern", activation=activation, pool=pool, kernels=kernels)
    x = _images(2)
    params = _random_params(model, x)
    p = jax.tree.map(lambda a: torch.tensor(np.asarray(a)), params)
    act = {"relu": torch.relu, "tanh": torch.tanh}[activation]
    reduce = {"max": nn.max_pool2d, "average": nn.avg_pool2d}[pool]

    def conv(y, name):
        return act(nn.conv2d(y, p[name]["kernel"].permute(3, 2, 0, 1), p[name]["bias"]))

    y = reduce(conv(torch.tensor(np.asarray(x)).permute(0, 3, 1, 2), "C1"), 2)
    y = conv(reduce(conv(y, "C3"), 2), "C5").flatten(1)
    y = act(y @ p["F6"]["kernel"] + p["F6"]["bias"])
    expected = y @ p["head"]["kernel"] + p["head"]["bias"]
    logits = jax.jit(lambda p, x: model.apply({"params": p}, x, train=False))(params, x)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_1998_has_the_same_gradient_by_either_kernels():
    x, label = _images(2), jnp.array([3, 8])

    def gradient(kernels, params):
        model = lenet.build("1998", kernels=kernels)

        def loss(params):
            logits = model.apply({"params": params}, x, train=True)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
            return losses.mean()

        return jax.jit(jax.grad(loss))(params)

    params = _random_params(lenet.build("1998"), x)
    auto, native = gradient("auto", params), gradient("native", params)
    for a, b in zip(jax.tree.leaves(auto), jax.tree.leaves(native), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * jnp.abs(b).max())


def test_cross_entropy_of_the_logits_is_the_criterion_of_eq_9():
    model, x = lenet.build("1998"), _images(2)
    logits = np.asarray(
        model.apply({"params": _random_params(model, x)}, x, train=True)
    )
    y = -logits.astype(np.float64)
    label = np.array([3, 8])
    eq_9 = y[np.arange(2), label] + np.log(np.exp(-y).sum(-1))
    ours = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    np.testing.assert_allclose(ours, eq_9, rtol=1e-5, atol=1e-4)


def test_1998_refuses_other_classes_than_digits():
    with pytest.raises(ValueError) as error:
        lenet.build("1998", num_classes=26)
    assert str(error.value) == (
        "lenet 1998 has codes for the ten digits only, got num_classes=26; "
        "use variant 'modern' for other classes"
    )


@pytest.mark.parametrize(
    "variant, shape, message",
    [
        ("1998", (28, 28, 1), "(32, 32, 1), got (28, 28, 1)"),
        ("1998", (32, 32, 3), "(32, 32, 1), got (32, 32, 3)"),
        ("modern", (28, 28, 3), "(32, 32, 3), got (28, 28, 3)"),
    ],
)
def test_images_of_another_shape_are_refused(variant, shape, message):
    with pytest.raises(ValueError) as error:
        lenet.build(variant).init(jax.random.key(0), jnp.ones((1, *shape)), train=False)
    assert str(error.value) == (
        f"lenet reads images of shape {message}; pad or resize them"
    )


@pytest.mark.parametrize(
    "override, message",
    [
        (
            dict(activation="tan"),
            "unknown activation 'tan'; did you mean 'tanh'? use one of relu, tanh",
        ),
        (
            dict(pool="min"),
            "unknown pool 'min'; use one of max, average",
        ),
    ],
)
def test_unknown_choices_are_refused(override, message):
    with pytest.raises(ValueError) as error:
        lenet.build("modern", **override)
    assert str(error.value) == message
