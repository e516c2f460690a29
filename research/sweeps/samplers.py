"""Samplers, which choose a trial's parameters, and pruners, which end trials early.

Grid, random and quasi-random parameters are a function of (seed, number of the trial)
alone: however often a sweep is killed and by however many workers it is made, trial 7
is the same trial. The others learn from the trials before.
"""

import importlib.util
import warnings

import numpy as np
import optuna

SAMPLERS = ("grid", "random", "qmc", "tpe", "cmaes", "gp")
PRUNERS = ("none", "median", "asha", "hyperband")

# sampler -> packages beyond Optuna's own
_NEEDS = {"cmaes": ("cmaes",), "gp": ("torch", "scipy")}


class FromNumber(optuna.samplers.BaseSampler):
    """Looks a trial's parameters up by its number."""

    def __init__(self, sweep):
        """Prepares a grid, random or quasi-random sequence."""
        self._sweep = sweep
        self._points = sweep.space.points() if sweep.sampler == "grid" else None

    def params(self, number: int) -> dict:
        """Returns the parameters of a trial."""
        if self._points is not None:
            return self._points[number]
        axes, seed = len(self._sweep.space.axes), self._sweep.sampler_seed
        if self._sweep.sampler == "qmc":
            from scipy.stats import qmc  # takes half a second

            sequence = qmc.Sobol(axes, scramble=True, rng=seed)
            with warnings.catch_warnings():  # balance asks for a power of 2 of points
                warnings.simplefilter("ignore", UserWarning)
                shares = sequence.random(number + 1)[-1]
        else:
            shares = np.random.default_rng((seed, number)).random(axes)
        return self._sweep.space.at(shares.tolist())

    def infer_relative_search_space(self, study, trial):
        """Returns nothing: no parameter is drawn jointly."""
        return {}

    def sample_relative(self, study, trial, search_space):
        """Returns nothing, likewise."""
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        """Returns one parameter of the trial."""
        return self.params(trial.number)[param_name]


def make(sweep, number: int) -> optuna.samplers.BaseSampler:
    """Makes the sampler for one trial; those that draw are seeded by its number."""
    if sweep.sampler in ("grid", "random", "qmc"):
        return FromNumber(sweep)
    seed = int(np.random.default_rng((sweep.sampler_seed, number)).integers(2**31))
    startup = sweep.startup_trials
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if sweep.sampler == "tpe":
            return optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=startup,
                multivariate=True,
                group=True,  # axes that do not always count are learned as well
                constant_liar=True,  # trials in progress keep others away
            )
        if sweep.sampler == "cmaes":
            return optuna.samplers.CmaEsSampler(
                seed=seed, warn_independent_sampling=False
            )
        return optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=startup, warn_independent_sampling=False
        )


def check(sweep) -> None:
    """Checks that a sweep's sampler can be had and fits its space.

    Raises:
      ValueError: it cannot or does not.
    """
    for package in _NEEDS.get(sweep.sampler, ()):
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"sampler {sweep.sampler!r} needs the package {package}, which is not "
                f"installed; pip install {package}, or use tpe"
            )
    if sweep.sampler == "cmaes" and any(axis.values for axis in sweep.space.axes):
        named = ", ".join(axis.name for axis in sweep.space.axes if axis.values)
        raise ValueError(
            f"sampler 'cmaes' searches numbers only, but {named} has listed values; "
            "use tpe or gp, or a range"
        )


def make_pruner(sweep) -> optuna.pruners.BasePruner:
    """Makes the sweep's pruner; its steps are the evaluations 1, 2, … of a run."""
    if sweep.pruner == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=4, n_warmup_steps=sweep.warmup
        )
    if sweep.pruner == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=sweep.warmup, reduction_factor=sweep.reduction
        )
    if sweep.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=sweep.warmup, reduction_factor=sweep.reduction
        )
    return optuna.pruners.NopPruner()
