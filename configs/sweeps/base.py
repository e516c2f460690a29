"""Every key of a sweep, once, and the ways in which a config key may vary.

A file `configs/sweeps/<name>.py` defines `get_sweep()`, which returns `sweep(…)`: plain
values, checked as a whole before anything starts.
"""

import difflib

DEFAULTS = {
    "name": "",  # of the study and of the W&B group; empty: the file's name
    "config": "",  # configs/<name>.py[:argument]
    "overrides": {},  # config key -> value, the same in every trial
    "space": {},  # config key -> choice(…), log_uniform(…), …; or product(…)
    # The objective.
    "metric": "validation/accuracy",  # as training names it
    "direction": "maximize",  # maximize | minimize
    "checkpoint": "best",  # whose value counts: best | last
    "seeds": 1,  # runs per trial, seeds config.seed + 0, 1, …: the mean counts
    # The budget.
    "trials": 0,  # 0: every point of the grid
    "steps": 0,  # updates per run; 0: what the config says
    "minutes": 0.0,  # per start of the command: then runs are saved and left; 0: none
    # The search.
    "sampler": "tpe",  # grid | random | qmc | tpe | cmaes | gp
    "sampler_seed": 0,  # grid, random and qmc draw trial n from (sampler_seed, n) alone
    "startup_trials": 10,  # drawn at random before tpe and gp begin to learn
    "pruner": "none",  # none | median | asha | hyperband; sees the trial's first seed
    "warmup": 1,  # evaluations before the first trial can be pruned
    "reduction": 3,  # asha, hyperband: one in so many goes on at each rung
    # Failures.
    "retries": 2,  # further attempts for a trial whose process crashed or was killed
    "silence": 60.0,  # seconds without a sign of life: another machine takes over
}


def sweep(**keys) -> dict:
    """Describes a sweep: DEFAULTS with these keys replaced.

    Raises:
      ValueError: an unknown key; the sentence names the nearest one.
    """
    for key in keys:
        if key not in DEFAULTS:
            near = difflib.get_close_matches(key, DEFAULTS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"unknown sweep key {key!r}; {hint}use one of {', '.join(DEFAULTS)}"
            )
    return DEFAULTS | keys


def choice(*values) -> dict:
    """One of these values, in no order: names, sizes, tuples."""
    return {"kind": "choice", "values": values}


def grid(*values) -> dict:
    """One of these numbers, in their order."""
    return {"kind": "grid", "values": values}


def spaced(low: float, high: float, count: int, log: bool = False) -> dict:
    """A grid of `count` numbers from low to high, evenly or by equal ratios."""
    shares = [k / (count - 1) for k in range(count)] if count > 1 else [0.0] * count
    if log:
        values = [low * (high / low) ** share for share in shares]
    else:
        values = [low + (high - low) * share for share in shares]
    return grid(*(float(f"{value:.12g}") for value in values))  # 0.1, not 0.0999…


def uniform(low: float, high: float) -> dict:
    """Any number from low to high."""
    return {"kind": "uniform", "low": low, "high": high}


def log_uniform(low: float, high: float) -> dict:
    """Any number from low to high, each ratio as likely as another; low > 0."""
    return {"kind": "log_uniform", "low": low, "high": high}


def integer(low: int, high: int, step: int = 1, log: bool = False) -> dict:
    """A whole number: low, low + step, … up to high."""
    return {"kind": "integer", "low": low, "high": high, "step": step, "log": log}


def when(key: str, values, domain: dict) -> dict:
    """Varies only in trials where an earlier `key` has one of `values`.

    Elsewhere the key stays as the config has it.
    """
    values = values if isinstance(values, (tuple, list)) else (values,)
    return domain | {"when": (key, tuple(values))}


def zipped(keys: dict) -> dict:
    """Keys that vary together: {key: values, …}, all of one length."""
    return {"kind": "zip", "keys": dict(keys)}


def product(*parts: dict) -> dict:
    """Every part varies by itself; a part is {key: domain, …} or `zipped(…)`."""
    return {"kind": "product", "parts": parts}
