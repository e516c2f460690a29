"""Checks that every number that is shown has its evidence."""

import pathlib
import re
from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from research.reproduction import claims, evidence, guide, matching, tables
from research.training import settings


def entries(
    root: pathlib.Path, configs: Mapping[str, tuple[str, Mapping]], defaults: Mapping
) -> list[tables.Entry]:
    """Puts claims and evidence together.

    Args:
      root: folder that holds results/.
      configs: name -> (title, whole config as nested dictionaries).
      defaults: of configs/base.py.

    Raises:
      ValueError: a claim is incomplete, or an evidence file cannot be believed.
    """
    made = []
    for name, (title, config) in configs.items():
        claim = claims.read(config, name)
        if claim is None:
            continue
        file, found, stale = evidence.file_of(root, name), None, ()
        if file.exists():
            found = evidence.read(file)
            stale = stale_keys(found, config, defaults)
        made.append(tables.Entry(name, title, claim, found, stale))
    return made


def stale_keys(found: Mapping, config: Mapping, defaults: Mapping) -> tuple[str, ...]:
    """Lists in what evidence is of another config or protocol than the present one."""
    lines = matching.differences(found["config"], found["changed"], config, defaults)
    for key in ("metric", "protocol"):
        then, now = found["claim"][key], config["claim"][key]
        if then != now:
            lines.append(f"claim.{key}: {then} -> {now}")
    return tuple(lines)


def begin(
    file: pathlib.Path, name: str, kind: str, config: Mapping, defaults: Mapping
) -> tuple[dict, tuple[str, ...]]:
    """Reads the evidence so far, or begins it; that of another config begins anew.

    Returns:
      (evidence, in what an old one differed that is left behind)
    """
    new = evidence.empty(name, kind, config, defaults)
    if not file.exists():
        return new, ()
    old = evidence.read(file)
    changed = stale_keys(old, config, defaults)
    return (new if changed else new | {"seeds": old["seeds"]}), changed


def write(root: pathlib.Path, made: Sequence[tables.Entry]) -> list[pathlib.Path]:
    """Writes RESULTS.md and the README's table; returns the files that changed."""
    changed = []
    for file, text in _generated(root, made):
        if text is not None and (not file.exists() or _read(file) != text):
            new = file.with_name(file.name + ".new")
            new.write_text(text, encoding="utf-8")
            new.replace(file)
            changed.append(file)
    return changed


def problems(root: pathlib.Path, made: Sequence[tables.Entry]) -> list[str]:
    """Lists what is wrong with the shown results, a sentence each."""
    found = []
    known = {entry.name for entry in made}
    for file in sorted((root / "results").glob("*.json")):
        if file.stem not in known:
            found.append(
                f"results/{file.name} belongs to no config that claims a result; "
                "delete it or write the claim"
            )
    for entry in made:
        found += _of_entry(entry)
    for file, text in _generated(root, made):
        found += _of_page(root, file, text)
    return found


def _of_entry(entry: tables.Entry) -> list[str]:
    found, name = [], f"results/{entry.name}.json"
    values = entry.evidence
    if values is None:
        return []
    if entry.stale:
        found.append(
            f"{name} is of another config ({'; '.join(entry.stale)}); run "
            f"scripts/reproduce.py {entry.name} again, or delete it"
        )
    if values["name"] != entry.name or values["kind"] != evidence.REPRODUCTION:
        found.append(
            f"{name} is a {values['kind']} of {values['name']}, which is no evidence "
            f"for {entry.name}; delete it"
        )
    if values["digest"] != settings.digest(values["config"]):
        found.append(f"{name}: its config has not the digest that it states")
    if entry.stale:
        return found
    for seed in values["seeds"]:
        found += [
            f"{name}, seed {seed['seed']}: {said}" for said in _of_seed(entry, seed)
        ]
    return found


def _of_seed(entry: tables.Entry, seed: Mapping) -> list[str]:
    found = []
    if seed["train_examples"] is not None:
        config = ConfigDict(entry.evidence["config"])
        total = settings.plan(config, seed["train_examples"]).total
        if total != seed["total"]:
            found.append(
                f"the config's schedule has {total} steps, not {seed['total']}"
            )
    if seed["finished"] != (seed["step"] >= seed["total"] and bool(seed["metrics"])):
        found.append("a run that is not complete is marked as finished")
    if seed["finished"]:
        if claims.value(seed["metrics"], entry.claim.metric) is None:
            found.append(f"{entry.claim.metric} was not measured")
        if seed["checkpoint"] != "best":
            found.append("another checkpoint than the best was tested")
    elif seed["metrics"]:
        found.append("a partial run has test metrics")
    return found


def _generated(root: pathlib.Path, made: Sequence[tables.Entry]):
    """Yields (file, text as it should be); None where it has no place for a table."""
    yield root / "RESULTS.md", tables.results(made)
    page = root / "README.md"
    if page.exists():
        text = tables.replace(_read(page), tables.readme(made))
        # The guide may be missing: a project of one's own has no need of it.
        yield page, text and (tables.replace(text, guide.readme(made)) or text)


def _of_page(root: pathlib.Path, file: pathlib.Path, text: str | None) -> list[str]:
    if text is None:
        return [
            f"{file.name} has no table: put {tables.BEGIN} and {tables.END} into it"
        ]
    if not file.exists():
        return [f"{file.name} is missing; scripts/reproduce.py --write makes it"]
    found = []
    shown = _read(file)
    for name in sorted(set(re.findall(r"results/(\w+)\.json", shown))):
        if not evidence.file_of(root, name).exists():
            found.append(
                f"{file.name} shows results/{name}.json, which is not there; restore "
                "it or run scripts/reproduce.py --write"
            )
    has, wants = shown.splitlines(), text.splitlines()
    for number, (line, right) in enumerate(zip(has, wants, strict=False), 1):
        if line != right:
            found.append(
                f"{file.name}, line {number}, says {line!r}, but by the evidence it is "
                f"{right!r}; scripts/reproduce.py --write corrects it"
            )
            break
    else:
        if shown != text:
            found.append(
                f"{file.name} ends otherwise than the evidence says; "
                "scripts/reproduce.py --write corrects it"
            )
    return found


def _read(file: pathlib.Path) -> str:
    return file.read_text(encoding="utf-8")
