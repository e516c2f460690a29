"""Schedules against their closed forms."""

import math

import jax
import numpy as np
import pytest

from research.training import schedules

PEAK, T = 0.4, 100
STEPS = (0, 1, 9, 10, 11, 30, 49, 50, 51, 74, 75, 76, 99, 100)


def _cosine(t, w, end):
    share = (t - w) / (T - w)
    return PEAK * (end + (1 - end) * 0.5 * (1 + math.cos(math.pi * share)))


def _linear(t, w, end):
    return PEAK + (PEAK * end - PEAK) * (t - w) / (T - w)


CLOSED = {
    "constant": lambda t, w: PEAK,
    "linear": lambda t, w: _linear(t, w, 0.2),
    "cosine": lambda t, w: _cosine(t, w, 0.2),
    "step": lambda t, w: PEAK * 0.5 ** ((t >= 50) + (t >= 75)),
    "inverse_sqrt": lambda t, w: PEAK * math.sqrt(w / max(t, w)),
}
FIELDS = {
    "linear": {"end_factor": 0.2},
    "cosine": {"end_factor": 0.2},
    "step": {"boundaries": (0.5, 0.75), "factor": 0.5},
}


@pytest.mark.parametrize("warmup", [0, 10])
@pytest.mark.parametrize("name", schedules.NAMES)
def test_equals_its_closed_form(name, warmup):
    if name == "inverse_sqrt" and warmup == 0:
        return  # refused, see below
    fields = FIELDS.get(name, {})
    schedule = schedules.make(name, PEAK, T, warmup_steps=warmup, **fields)
    for t in STEPS:
        expected = PEAK * t / warmup if t < warmup else CLOSED[name](t, warmup)
        np.testing.assert_allclose(schedule(t), expected, rtol=1e-6, err_msg=f"t={t}")
        np.testing.assert_allclose(jax.jit(schedule)(t), expected, rtol=1e-5)


@pytest.mark.parametrize("name", schedules.NAMES)
def test_names_have_a_closed_form_and_the_peak_may_be_traced(name):
    fields = FIELDS.get(name, {})

    @jax.jit
    def rate(peak, t):
        return schedules.make(name, peak, T, warmup_steps=10, **fields)(t)

    for t in (0, 5, 10, 60):
        expected = schedules.make(name, PEAK, T, warmup_steps=10, **fields)(t)
        np.testing.assert_allclose(rate(PEAK, t), expected, rtol=1e-6)
    assert name in CLOSED


def test_boundaries_that_fall_on_one_step_all_count():
    schedule = schedules.make("step", PEAK, T, boundaries=(0.5, 0.501), factor=0.1)
    np.testing.assert_allclose(schedule(50), PEAK * 0.01, rtol=1e-6)


def test_step_without_boundaries_is_constant():
    assert schedules.make("step", PEAK, T)(99) == PEAK


def _message(*args, **fields) -> str:
    with pytest.raises(ValueError) as error:
        schedules.make(*args, **fields)
    return str(error.value)


def test_unknown_name_is_named_with_the_nearest():
    assert _message("cosin", PEAK, T) == (
        "unknown schedule 'cosin'; did you mean 'cosine'? use one of constant, linear, "
        "cosine, step, inverse_sqrt"
    )


@pytest.mark.parametrize("warmup", [-1, 100, 150])
def test_warmup_must_be_shorter_than_the_run(warmup):
    assert _message("cosine", PEAK, T, warmup_steps=warmup) == (
        "schedule.warmup_steps must be in [0, 100), the length of the run, got "
        f"{warmup}; warm up for less or train for longer"
    )


@pytest.mark.parametrize("boundaries", [(0.0,), (0.5, 1.0), (30, 60)])
def test_boundaries_must_be_shares(boundaries):
    assert _message("step", PEAK, T, boundaries=boundaries) == (
        f"schedule.boundaries are shares of the run in (0, 1), got {boundaries}; "
        "write (0.5, 0.75) for half and three quarters"
    )


def test_inverse_sqrt_needs_a_warmup():
    assert _message("inverse_sqrt", PEAK, T) == (
        "schedule.inverse_sqrt needs schedule.warmup_steps > 0, got 0; use 4000"
    )
