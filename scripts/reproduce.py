"""Reproduces a published number: trains the seeds, judges, keeps the evidence.

python scripts/reproduce.py --list       claims, cost, data needed, state
python scripts/reproduce.py lenet_mnist --config.data.path=FOLDER
    trains seeds 0, 1, 2; the same command goes on after any kill
… --seeds=5 --budget=30m     other seeds; stop in time (goes on with the same command)
… lenet_mnist:quick          a rehearsal on synthetic data, which is no evidence
python scripts/reproduce.py --check      every number that is shown has its evidence
python scripts/reproduce.py --write      writes RESULTS.md and the README's table again
python scripts/reproduce.py --rerun=results/lenet_mnist.json --steps=10
    makes the first steps of a stored run again and compares them
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import ast
import pathlib

from configs import base
from scripts import app

_PATHS = ("data.path",)  # of the user's machine: no part of a command that is kept


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("name", nargs="?", help="a config that claims a result")
    parser.add_argument("--list", action="store_true", help="show all claims")
    parser.add_argument("--check", action="store_true", help="audit what is shown")
    parser.add_argument("--write", action="store_true", help="write the tables again")
    parser.add_argument("--rerun", metavar="FILE", help="evidence to begin again")
    parser.add_argument("--steps", type=int, default=10, help="rerun: how many steps")
    parser.add_argument("--seed", type=int, help="rerun: which; default the first")
    parser.add_argument("--seeds", type=int, help="how many; default the claim's")
    parser.add_argument("--budget", help="time after which to stop: 90s, 30m, 1h30m")
    parser.add_argument("--workdir", help="default runs/reproduce/<name>")
    parser.add_argument(
        "--root",
        default=str(app.ROOT),
        help="folder of results/, RESULTS.md and README.md; default this project",
    )
    options, config_argv = app.parse(parser, argv)
    root = pathlib.Path(options.root)
    with app.one_sentence_errors():
        asked = (options.name, options.list, options.check, options.write)
        if sum(map(bool, (*asked, options.rerun))) != 1:
            raise ValueError(
                "say one of: the name of a config, --list, --check, --write, "
                "--rerun=FILE"
            )
        if options.list:
            _list(root)
        elif options.check:
            sys.exit(0 if _check(root) else 1)
        elif options.write:
            _write(root)
        elif options.rerun:
            sys.exit(0 if _rerun(options, config_argv) else 1)
        else:
            _reproduce(options, config_argv, root)


def entries(root: pathlib.Path = app.ROOT):
    """Reads the claim of every config, and its evidence under root/results."""
    from research.reproduction import audit

    return audit.entries(root, _configs(), base.get_config().to_dict())


def _configs() -> dict[str, tuple[str, dict]]:
    """Reads every config: name -> (first line of its docstring, values)."""
    found = {}
    for name in app.config_names():
        text = (app.ROOT / "configs" / f"{name}.py").read_text(encoding="utf-8")
        title = (ast.get_docstring(ast.parse(text)) or name).splitlines()[0]
        found[name] = (title.removesuffix("."), app.read_config(name).to_dict())
    return found


def _list(root: pathlib.Path) -> None:
    from research.reproduction import tables

    for entry in entries(root):
        claim = entry.claim
        print(f"{entry.name}: {entry.title}")
        print(f"  published  {tables.published(claim)}")
        print(f"  reached    {entry.verdict.reached}")
        print(f"  state      {entry.verdict.words}")
        seeds = f"{claim.seeds} seed{'s' * (claim.seeds > 1)}"
        print(f"  cost       {seeds}, {claim.cost}")
        print(f"  data       {_data(app.read_config(entry.name))}")


def _data(config) -> str:
    """Says which data a config reads, and whether more has to be said."""
    from research.data import splits
    from research.training import experiment, fields

    data = config.data
    try:
        experiment.check_data_fields(config)
        options = {
            key: value
            for key, value in data.items()
            if key not in fields.FRAMEWORK_KEYS["data"]
        }
        splits.open_splits(
            experiment.lookup.module("data", data.name),
            (),
            data.path or None,
            holdout=data.holdout,
            **options,
        )
    except (ValueError, FileNotFoundError) as error:
        return f"{data.name}: {error}"
    return f"{data.name}: here"


def _check(root: pathlib.Path) -> bool:
    from research.reproduction import audit

    made = entries(root)
    found = audit.problems(root, made)
    for sentence in found:
        print(sentence)
    seeds = sum(len(entry.seeds) for entry in made)
    print(
        f"{'FAILED' if found else 'passed'}: {len(made)} claims, {seeds} runs as "
        f"evidence, {len(found)} problems"
    )
    return not found


def _write(root: pathlib.Path) -> None:
    from research.reproduction import audit

    for file in audit.write(root, entries(root)):
        print(f"wrote {file}")


def _rerun(options, config_argv) -> bool:
    from research.reproduction import evidence, matching, opening
    from research.training import programs

    if options.steps < 1:
        raise ValueError(f"--steps must be at least 1, got {options.steps}; raise it")
    values = evidence.read(pathlib.Path(options.rerun))
    numbers = [seed["seed"] for seed in values["seeds"]]
    wanted = numbers[0] if options.seed is None else options.seed
    if wanted not in numbers:
        raise ValueError(
            f"{options.rerun} has no seed {wanted}; use one of "
            f"{', '.join(map(str, numbers))}"
        )
    seed = values["seeds"][numbers.index(wanted)]
    if seed["opening"] is None:
        raise ValueError(
            f"{options.rerun} recorded no first steps of seed {wanted}; make it again "
            f"with scripts/reproduce.py {values['name']}"
        )
    config = _machine_config(values["name"], config_argv)
    changed = matching.differences(
        values["config"],
        values["changed"],
        config.to_dict(),
        base.get_config().to_dict(),
    )
    if changed:
        raise ValueError(
            f"{options.rerun} is of another config ({'; '.join(changed)}); restore it "
            "or make new evidence"
        )
    programs.enable_compile_cache()
    config.seed = wanted
    again = opening.record(config, options.steps, seed["opening"]["digest_at"])
    good, said = opening.compare(seed["opening"], seed["log"], again)
    print("\n".join(said))
    verdict = "equal" if good else "DIFFERENT"
    print(f"{verdict}: {again['steps']} steps of {values['name']}, seed {wanted}")
    return good


def _machine_config(name: str, config_argv: list[str]):
    """Reads a config of which only machine keys may be set.

    Raises:
      ValueError: an unknown name, or a key that changes what is computed.
    """
    from research.training import settings

    config = app.load_config([f"--config={name}", *config_argv])
    plain = app.load_config([f"--config={name}"])
    lines = settings.differences(plain.to_dict(), config.to_dict())
    if lines or config.claim.to_dict() != plain.claim.to_dict():
        raise ValueError(
            f"a result is reproduced with its config as it is, got "
            f"{'; '.join(lines) or 'another claim'}; train a variation with "
            "scripts/train.py"
        )
    settings.check(config)
    return config


def _reproduce(options, config_argv, root: pathlib.Path) -> None:
    from research.reproduction import audit, budget, claims, evidence
    from research.training import programs, workdir

    name = pathlib.Path(options.name.partition(":")[0]).stem
    config = _machine_config(options.name, config_argv)
    if name not in app.config_names():
        raise ValueError(
            f"{options.name} lies outside of configs/, where claims are kept; move it "
            "there"
        )
    claim = claims.read(config.to_dict(), name)
    if claim is None:
        raise ValueError(
            f"configs/{name}.py claims no result; scripts/reproduce.py --list shows "
            "those that do, scripts/train.py trains this one"
        )
    seeds = claim.seeds if options.seeds is None else options.seeds
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {seeds}; raise it")
    if config.distributed.num_processes != 1 or config.distributed.coordinator:
        raise ValueError(
            "scripts/reproduce.py works in one process, got config.distributed; leave "
            "it out"
        )
    limit = None if options.budget is None else budget.seconds(options.budget)
    folder = pathlib.Path(options.workdir or f"runs/reproduce/{config.name}")
    rehearsal = ":" in options.name or config.data.name == "synthetic"
    file = evidence.file_of(root, name)
    if rehearsal:
        file = folder / "rehearsal.json"
    programs.enable_compile_cache()
    with workdir.locked(folder):
        kind = evidence.REHEARSAL if rehearsal else evidence.REPRODUCTION
        defaults = base.get_config().to_dict()
        values, changed = audit.begin(file, name, kind, config.to_dict(), defaults)
        if changed:
            print(f"{file} is of another config ({'; '.join(changed)}): begun anew")
        command = _command(options.name, seeds, config_argv)
        values = _train(
            config, seeds, folder, budget.Deadline(limit), command, values, file
        )
    verdict = claims.judge(claim, values["seeds"])
    print(f"\npublished {claim.text(claim.published)}, reached {verdict.reached}")
    print(f"{'rehearsal' if rehearsal else 'verdict'}: {verdict.words}")
    print(f"evidence: {file}")
    if not rehearsal:
        for page in audit.write(root, entries(root)):
            print(f"wrote {page}")


def _train(config, seeds, folder, deadline, command, values, file) -> dict:
    """Trains the seeds one after another; stores and returns the evidence.

    Raises:
      ValueError: the budget was spent before anything could be evaluated.
    """
    from research import lookup
    from research.reproduction import claims, evidence
    from research.reproduction import seeds as training

    scores = getattr(lookup.module("tasks", config.task.name), "SCORES", ())
    for number in range(config.seed, config.seed + seeds):
        if deadline.past:
            print("the budget is spent; the same command goes on from there")
            break
        run, place = config.copy_and_resolve_references(), folder / f"seed_{number}"
        run.seed = number
        print(f"seed {number} in {place}", flush=True)
        finished, step, record = training.train(run, place, deadline, command, _test)
        if record is not None:
            claims.check_measured(record, config.claim.metric, scores)
            values = evidence.add(values, record)
            evidence.write(file, values)
        elif not values["seeds"]:
            raise ValueError(
                f"the time was too short for one evaluation: seed {number} is at step "
                f"{step}, and nothing can be said of it; raise --budget, the same "
                "command goes on from there"
            )
        if not finished:
            print(f"stopped at step {step}; the same command goes on from there")
            break
    return values


def _test(folder: pathlib.Path, split: str) -> None:
    from scripts import evaluate

    evaluate.measure(folder, split, "best", quiet=True)


def _command(name: str, seeds: int, config_argv: list[str]) -> list[str]:
    """Writes what to type, without folders of this machine."""
    kept = []
    for argument in config_argv:
        key, _, value = argument.lstrip("-").removeprefix("config.").partition("=")
        kept.append(f"--config.{key}={'FOLDER' if key in _PATHS else value}")
    return ["python", "scripts/reproduce.py", name, f"--seeds={seeds}", *kept]


if __name__ == "__main__":
    app.run(main)
