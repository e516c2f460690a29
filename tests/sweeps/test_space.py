"""The space: what it holds, how it is walked, and what is wrong with one."""

import math

import pytest

from configs.sweeps import base
from research.sweeps import domains


def test_a_grid_of_zip_product_and_condition_has_every_point_once():
    space = domains.read(
        base.product(
            base.zipped({"model.variant": ("a", "b"), "data.batch_size": (8, 16)}),
            {
                "optimizer.name": base.choice("adamw", "momentum"),
                "optimizer.momentum": base.when(
                    "optimizer.name", "momentum", base.grid(0.5, 0.9)
                ),
            },
        )
    )
    values = [space.sets(point) for point in space.points()]
    assert len(values) == 2 * (1 + 2)
    assert {"model.variant": "b", "data.batch_size": 16, "optimizer.name": "adamw"} in (
        values
    )
    assert len({tuple(sorted(v.items())) for v in values}) == 6
    assert all(
        ("optimizer.momentum" in v) == (v["optimizer.name"] == "momentum")
        for v in values
    )


def test_the_unit_cube_covers_each_axis_evenly():
    space = domains.read(
        {
            "a": base.log_uniform(1e-4, 1e-2),
            "b": base.integer(2, 9, step=3),
            "c": base.choice((1, 2), None, "x"),
            "d": base.integer(1, 64, log=True),
        }
    )
    low, high = (space.sets(space.at([x] * 4)) for x in (0.0, 1 - 1e-9))
    assert low == {"a": 1e-4, "b": 2, "c": (1, 2), "d": 1}
    assert high["a"] == pytest.approx(1e-2, rel=1e-6)
    assert high | {"a": 0} == {"a": 0, "b": 8, "c": "x", "d": 64}
    middle = space.sets(space.at([0.5] * 4))
    assert middle["a"] == pytest.approx(1e-3)
    assert middle["b"] == 5 and middle["c"] is None


def test_spaced_is_even_or_by_equal_ratios():
    assert base.spaced(0.0, 1.0, 3)["values"] == (0.0, 0.5, 1.0)
    ratios = base.spaced(1e-3, 1e-1, 3, log=True)["values"]
    assert [math.log10(x) for x in ratios] == pytest.approx([-3, -2, -1])


def test_samples_reach_every_end_and_every_condition():
    space = domains.read(
        {
            "name": base.choice(*"abcdefgh"),
            "only_h": base.when("name", "h", base.uniform(0.25, 0.75)),
            "width": base.integer(1, 100),
        }
    )
    samples = space.samples()
    assert {s["name"] for s in samples} == set("abcdefgh")
    assert {s["only_h"] for s in samples if "only_h" in s} == {0.25, 0.75}
    assert {s["width"] for s in samples} == {1, 100}
    assert all(("only_h" in s) == (s["name"] == "h") for s in samples)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({}, "space is empty; name at least one config key to vary"),
        (
            {"seed": base.grid()},
            "space['seed']: grid has no values; give at least one, or leave the key "
            "out",
        ),
        (
            {"seed": base.grid(1, 1)},
            "space['seed'] holds 1 twice; leave one out",
        ),
        (
            {"model.variant": base.grid("a")},
            "space['model.variant']: grid takes finite numbers, got ('a',); use "
            "choice(…)",
        ),
        (
            {"a": base.uniform(1, 1)},
            "space['a']: uniform needs finite numbers low < high, got 1 and 1; correct "
            "them",
        ),
        (
            {"a": base.log_uniform(0, 1)},
            "space['a']: a logarithmic range must begin above 0, got low=0; raise it",
        ),
        (
            {"a": base.integer(1, 4, step=0)},
            "space['a']: integer needs whole low, high and step >= 1 (1 with log), got "
            "1, 4 and 0; correct them",
        ),
        (
            {"a": (1, 2)},
            "space['a'] must be choice(…), grid(…), uniform(…), log_uniform(…) or "
            "integer(…), got (1, 2); see configs/sweeps/base.py",
        ),
        (
            {"a": {"kind": "unifrom", "low": 1, "high": 2}},
            "unknown kind of space['a'] 'unifrom'; did you mean 'uniform'? use one of "
            "choice, grid, uniform, log_uniform, integer",
        ),
        (
            {"a": {"kind": "uniform", "low": 1}},
            "space['a']: uniform takes high, low, got low; use uniform(…) of "
            "configs/sweeps/base.py",
        ),
        (
            base.zipped({"a": (1, 2), "b": (1,)}),
            "zipped keys need equally many values, got {'a': 2, 'b': 1}; make them "
            "equal",
        ),
        (
            base.product({"a": base.grid(1)}, {"a": base.grid(2)}),
            "space names 'a' twice; leave one out",
        ),
        (
            {"a": base.when("b", 1, base.grid(1)), "b": base.grid(1)},
            "space['a'] depends on 'b', which must be a key of the space before it; "
            "there are: none",
        ),
        (
            {"b": base.grid(1, 2), "a": base.when("b", 3, base.grid(1))},
            "space['a'] counts when b is 3, which is not one of its values (1, 2); "
            "correct it",
        ),
        (
            base.product([1]),
            "space must hold {config key: domain}, got [1]; see configs/sweeps/base.py",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(space, sentence):
    with pytest.raises(ValueError) as error:
        domains.read(space)
    assert str(error.value) == sentence


def test_only_finite_spaces_are_a_grid():
    with pytest.raises(ValueError) as error:
        domains.read({"a": base.uniform(0, 1)}).points()
    assert str(error.value) == (
        "sampler 'grid' needs a finite space, but a is uniform; use grid(…), "
        "spaced(…), choice(…) or another sampler"
    )
