"""Whether a config is still the one that evidence was made with.

Equal digests would be too strict: every key that configs/base.py gains would void all
evidence. So a key that the evidence does not know must hold base's default, which by
rule leaves everything as it was before; a key that is gone must have held its default
of then, which is why evidence notes which keys did not.
"""

import json
from collections.abc import Mapping, Sequence

from research.training import settings

# Evidence is of one config and several seeds.
_IGNORED = ("seed", *settings.MACHINE_KEYS)


def computed(config: Mapping) -> dict:
    """Returns what a config computes, as JSON values: no machine keys, no seed."""
    return _nested(flat(config))


def changed(config: Mapping, defaults: Mapping) -> list[str]:
    """Lists the keys that hold another value than base's, or that base has not."""
    known = flat(defaults)
    return [
        key for key, value in flat(config).items() if known.get(key, _ABSENT) != value
    ]


def differences(
    stored: Mapping, changed_then: Sequence[str], now: Mapping, defaults: Mapping
) -> list[str]:
    """Lists in what a config differs from that of evidence.

    Args:
      stored: from `computed`, when the evidence was made.
      changed_then: from `changed`, likewise.
      now: the present config.
      defaults: of configs/base.py at present.

    Returns:
      "key: then -> now" lines; empty where the evidence holds.
    """
    old, new, known = flat(stored), flat(now), flat(defaults)
    lines = []
    for key in sorted({*old, *new}):
        if key not in old:
            if new[key] != known.get(key, _ABSENT):
                lines.append(f"{key}: (absent) -> {new[key]}")
        elif key not in new:
            if key in changed_then:
                lines.append(f"{key}: {old[key]} -> (gone)")
        elif old[key] != new[key]:
            lines.append(f"{key}: {old[key]} -> {new[key]}")
    return lines


_ABSENT = object()


def flat(config: Mapping) -> dict:
    """Writes nested groups as dotted keys, without what is not computed."""
    return _flat(json.loads(json.dumps(config)), "")


def _flat(group: dict, prefix: str) -> dict:
    found = {}
    for key, value in group.items():
        path = f"{prefix}{key}"
        if path in _IGNORED:
            continue
        if isinstance(value, dict):
            found |= _flat(value, f"{path}.")
        else:
            found[path] = value
    return found


def _nested(keys: Mapping) -> dict:
    config: dict = {}
    for path, value in keys.items():
        *groups, last = path.split(".")
        inner = config
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return config
