"""Learning-rate schedules by name, over optax. t is the step, T the last one.

Every schedule first rises linearly from 0 over `warmup_steps` (w), then:
  constant      peak
  linear        peak falls in a line to peak * end_factor at T
  cosine        the same along half a cosine (Loshchilov & Hutter 2017, Eq. 5)
  step          peak times `factor` for every boundary (a share of T) passed
  inverse_sqrt  peak * sqrt(w / t) (Vaswani et al. 2017, Eq. 3)
"""

import jax.numpy as jnp
import optax

from research import lookup

NAMES = ("constant", "linear", "cosine", "step", "inverse_sqrt")


def make(
    name: str,
    peak,
    total_steps: int,
    *,
    warmup_steps: int = 0,
    end_factor: float = 0.0,
    boundaries: tuple[float, ...] = (),
    factor: float = 0.1,
) -> optax.Schedule:
    """Builds a schedule: step -> learning rate.

    Args:
      name: one of NAMES.
      peak: highest learning rate; may be traced.
      total_steps: T, length of the run in steps.
      warmup_steps: w, steps of linear rise, fewer than T.
      end_factor: last rate over peak (linear, cosine).
      boundaries: shares of the run in (0, 1) at which the rate falls (step).
      factor: what each boundary multiplies the rate by (step).

    Raises:
      ValueError: unknown name, or numbers that contradict each other.
    """
    if name not in NAMES:
        raise ValueError(lookup.unknown("schedule", name, NAMES))
    if not 0 <= warmup_steps < max(total_steps, 1):
        raise ValueError(
            f"schedule.warmup_steps must be in [0, {total_steps}), the length of the "
            f"run, got {warmup_steps}; warm up for less or train for longer"
        )
    if name == "step" and not all(0 < share < 1 for share in boundaries):
        raise ValueError(
            f"schedule.boundaries are shares of the run in (0, 1), got {boundaries}; "
            "write (0.5, 0.75) for half and three quarters"
        )
    if name == "inverse_sqrt" and warmup_steps == 0:
        raise ValueError(
            "schedule.inverse_sqrt needs schedule.warmup_steps > 0, got 0; use 4000"
        )
    rest = total_steps - warmup_steps
    after = {
        "constant": lambda: optax.constant_schedule(peak),
        "linear": lambda: optax.linear_schedule(peak, peak * end_factor, rest),
        "cosine": lambda: optax.cosine_decay_schedule(peak, rest, end_factor),
        "step": lambda: _step(
            peak, [round(b * total_steps) - warmup_steps for b in boundaries], factor
        ),
        "inverse_sqrt": lambda: (
            lambda t: peak * (1 + jnp.maximum(t, 0) / warmup_steps) ** -0.5
        ),
    }[name]()
    if warmup_steps == 0:
        return after
    rise = optax.linear_schedule(0.0, peak, warmup_steps)
    return optax.join_schedules([rise, after], [warmup_steps])


def _step(peak, steps: list[int], factor: float) -> optax.Schedule:
    return lambda t: peak * factor ** sum(t >= step for step in steps)
