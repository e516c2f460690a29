"""Checks a whole config before anything is built, and derives the run's plan."""

import hashlib
import json
import math
import re
from dataclasses import dataclass

from research import lookup
from research.data import augment
from research.tasks import remat
from research.training import optimizers, schedules

# What decides how a run is carried out, or what its result is compared with, but not
# what it computes: a run directory may be resumed with other values of these.
MACHINE_KEYS = (
    "name",
    "data.path",
    "data.placement",
    "data.cache",
    "data.cache_limit",
    "data.workers",
    "checkpoint.keep",
    "checkpoint.keep_best",
    "mesh",
    "distributed",
    "wandb",
    "claim",
)

# What runs did that were started before there was such a key.
ADDED_KEYS = {"train.matmul_precision": "default"}

_LEGAL = {
    "model.dtype": ("float32", "bfloat16"),
    "model.kernels": ("auto", "native", "flash"),
    "data.placement": ("auto", "host", "device"),
    "data.cache": ("auto", "none"),
    "augment.pad_mode": augment.PAD_MODES,
    "augment.flip": augment.FLIPS,
    "augment.policy": augment.POLICIES,
    "optimizer.name": optimizers.NAMES,
    "optimizer.decay_mask": tuple(optimizers.DECAY_MASKS),
    "schedule.name": schedules.NAMES,
    "train.matmul_precision": ("default", "highest", "BF16_BF16_F32"),
    "train.remat": tuple(remat.POLICIES),
    "train.on_nan": ("stop", "continue"),
    "checkpoint.mode": ("max", "min"),
    "wandb.mode": ("disabled", "offline", "online"),
}

# key -> (least, most); None: unbounded
_RANGES = {
    "seed": (0, 2**32 - 1),
    "data.batch_size": (1, None),
    "data.eval_batch_size": (1, None),
    "data.holdout": (0.0, 0.9),
    "data.pad": (0, None),
    "data.cache_limit": (0.0, None),
    "data.workers": (0, 256),
    "data.sort_pool": (0, None),
    "augment.visible": (0.01, 1.0),
    "augment.mosaic": (0.0, 1.0),
    "augment.pad_crop": (0, None),
    "augment.layers": (1, None),
    "augment.magnitude": (0.0, augment.MAX_MAGNITUDE),
    "augment.erase": (0.0, 1.0),
    "augment.cutout": (0, None),
    "augment.mixup": (0.0, None),
    "augment.cutmix": (0.0, None),
    "augment.mix_probability": (0.0, 1.0),
    "augment.mix_switch": (0.0, 1.0),
    "augment.shift": (0.0, 1.0),
    "augment.gain": (0.0, None),
    "augment.noise": (0.0, None),
    "optimizer.learning_rate": (0.0, None),
    "optimizer.weight_decay": (0.0, None),
    "optimizer.momentum": (0.0, 1.0),
    "optimizer.b1": (0.0, 0.999999),  # 1 - b^t, which Adam divides by, is 0 at 1
    "optimizer.b2": (0.0, 0.999999),
    "optimizer.eps": (0.0, None),
    "optimizer.clip_norm": (0.0, None),
    "optimizer.layer_decay": (0.0, 1.0),
    "schedule.warmup_steps": (0, None),
    "schedule.end_factor": (0.0, 1.0),
    "schedule.factor": (0.0, 1.0),
    "train.epochs": (0.0, None),
    "train.steps": (0, None),
    "train.log_every": (1, None),
    "train.eval_every": (0, None),
    "train.steps_per_call": (1, None),
    "train.accumulate": (1, None),
    "train.ema_decay": (0.0, 0.999999),
    "train.average_after": (0, 1000),
    "checkpoint.every": (0, None),
    "checkpoint.keep": (1, None),
    "checkpoint.keep_best": (0, None),
    "distributed.num_processes": (1, None),
    "distributed.process_id": (0, None),
    "distributed.timeout": (5, None),
}


def check(config) -> None:
    """Checks every value and the rules between them.

    Raises:
      ValueError: the first rule that is broken, in one sentence.
    """
    for kind, group in (("models", "model"), ("tasks", "task"), ("data", "data")):
        lookup.module(kind, config[group].name)
    for key, legal in _LEGAL.items():
        if _value(config, key) not in legal:
            raise ValueError(
                lookup.unknown(f"config.{key}", _value(config, key), legal)
            )
    for key in ("data.mean", "data.std", "schedule.boundaries"):
        value = _value(config, key)
        if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in value):
            raise ValueError(f"config.{key} must hold numbers, got {value}; correct it")
    for key, (least, most) in _RANGES.items():
        value = _value(config, key)
        in_range = least <= value and (most is None or value <= most)
        if not (in_range and math.isfinite(value)):
            bound = f"at least {least}" if most is None else f"in {least}..{most}"
            raise ValueError(
                f"config.{key} must be {bound}, got {value}; correct it in the config "
                "or on the command line"
            )
    _check_patterns(config)
    augment.check(config.augment)
    _check_together(config)


def _check_patterns(config) -> None:
    """Checks the keys that name parameters by regular expressions."""
    for pair in config.optimizer.multipliers:
        if not (isinstance(pair, tuple) and len(pair) == 2 and _number(pair[1])):
            raise ValueError(
                f"config.optimizer.multipliers must hold (regex, factor) pairs, got "
                f"{pair!r}; write for example (('bias$', 2.0),)"
            )
    named = {
        "init.fresh": config.init.fresh,
        "optimizer.freeze": config.optimizer.freeze,
        "optimizer.multipliers": [pair[0] for pair in config.optimizer.multipliers],
    }
    for key, patterns in named.items():
        for pattern in patterns:
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ValueError(
                    f"config.{key} must hold regular expressions, got {pattern!r} "
                    f"({error}); correct it"
                ) from error


def _number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value >= 0


def _check_together(config) -> None:
    data, train = config.data, config.train
    if data.batch_size % train.accumulate:
        raise ValueError(
            f"train.accumulate={train.accumulate} must divide "
            f"data.batch_size={data.batch_size}; change one of them"
        )
    if not 0 < len(data.mean) == len(data.std) or min(data.std) <= 0:
        raise ValueError(
            f"data.mean and data.std need one value per channel each, std above 0, got "
            f"{tuple(data.mean)} and {tuple(data.std)}; correct them"
        )
    if train.ema_decay and train.average_after:
        raise ValueError(
            f"train.ema_decay={train.ema_decay} and train.average_after="
            f"{train.average_after} are two averages of the parameters; set one to 0"
        )
    if train.steps == 0 and train.epochs == 0:
        raise ValueError(
            "train.steps and train.epochs are both 0, which trains nothing; set one"
        )
    for key in (
        "train.log_every",
        "train.eval_every",
        "train.steps",
        "checkpoint.every",
    ):
        if _value(config, key) % train.steps_per_call:
            raise ValueError(
                f"{key}={_value(config, key)} must be a multiple of "
                f"train.steps_per_call={train.steps_per_call}; round it"
            )


def _value(config, key: str):
    for part in key.split("."):
        config = config[part]
    return config


@dataclass(frozen=True)
class Plan:
    """The run in steps (updates).

    Attributes:
      total: length of the run.
      per_epoch: steps that read the training split once; a fraction in general.
      log_every, eval_every, save_every: distance between two of each.
      per_call: updates per device call; divides all of the above.
    """

    total: int
    per_epoch: float
    log_every: int
    eval_every: int
    save_every: int
    per_call: int


def plan(config, train_examples: int) -> Plan:
    """Derives the plan from a checked config and the size of the training split."""
    train, per_call = config.train, config.train.steps_per_call

    def whole_calls(steps: float) -> int:
        return max(1, math.ceil(steps / per_call)) * per_call

    per_epoch = train_examples / config.data.batch_size
    eval_every = train.eval_every or whole_calls(per_epoch)
    return Plan(
        total=train.steps or whole_calls(round(train.epochs * per_epoch)),
        per_epoch=per_epoch,
        log_every=train.log_every,
        eval_every=eval_every,
        save_every=config.checkpoint.every or eval_every,
        per_call=per_call,
    )


def digest(config: dict) -> str:
    """Hashes what a config computes: all of it but MACHINE_KEYS (SHA-256).

    Of ADDED_KEYS only what differs from before, so that older runs can be resumed.
    """
    usual = [f"{key}: (absent) -> {value}" for key, value in ADDED_KEYS.items()]
    lines = differences({}, json.loads(json.dumps(config)))
    what = "\n".join(line for line in lines if line not in usual)
    return hashlib.sha256(what.encode()).hexdigest()


def complete(config) -> None:
    """Adds, in place, the ADDED_KEYS that the config of an older run lacks."""
    for key, value in ADDED_KEYS.items():
        *groups, name = key.split(".")
        group = config
        for part in groups:
            group = group[part]
        if name not in group:
            group[name] = value


def differences(old: dict, new: dict, ignore=MACHINE_KEYS, prefix="") -> list[str]:
    """Lists "key: old -> new" for two nested configs, but for the ignored keys."""
    lines = []
    for key in sorted({*old, *new}):
        path = f"{prefix}{key}"
        a, b = old.get(key, "(absent)"), new.get(key, "(absent)")
        if path in ignore:
            continue
        if isinstance(a, dict) or isinstance(b, dict):
            groups = (x if isinstance(x, dict) else {} for x in (a, b))
            lines += differences(*groups, ignore, f"{path}.")
        elif a != b:
            lines.append(f"{path}: {a} -> {b}")
    return lines
