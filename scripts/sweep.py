"""Searches hyperparameters, or goes on with a search: the same command does both.

  python scripts/sweep.py --sweep=configs/sweeps/lenet_digits.py --workers=2
  … --executor=population                   trials share one compiled program
  … --executor=slurm --workers=64 --slurm=partition=gpu,gpus_per_node=1,timeout_min=240
  … --storage=postgresql://user:password@host/database     (on every machine)
  … --config.data.path=FOLDER                   any key of the sweep's config, fixed

Kill any worker or all of them at any time: no trial is lost or made twice. Ctrl-C saves
what is running; a second one leaves at once.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import importlib.util
import pathlib

from ml_collections import ConfigDict

from configs.sweeps import base
from scripts import app

# Executor -> how many trials at a time where --workers does not say.
_EXECUTORS = {"process": 1, "population": 16, "slurm": 1}
_FOLDER = app.ROOT / "configs" / "sweeps"


def main(argv: list[str]) -> None:
    options, config_argv = app.parse(_parser(), argv)
    with app.one_sentence_errors():
        sweep = _specify(options, config_argv)
        where = pathlib.Path(options.workdir or f"runs/sweep_{sweep.name}")
        from research.sweeps import display, folder, ledger, preflight

        known = folder.known(where, sweep)
        if not known:
            if not options.quiet:
                print(f"checking {sweep.name}: space, data and models", flush=True)
            preflight.check(sweep)
        with ledger.Ledger(sweep, where, options.storage) as book:
            folder.claim(where, sweep)
            if known and not book.finished():
                preflight.check(sweep)  # this machine may lack what another one had
            with display.Display(book, quiet=options.quiet) as shown:
                finished = _run(options, argv, book, shown)
            _end(book, where, finished, options)


def _parser():
    parser = app.parser(__doc__)
    add = parser.add_argument
    add("--sweep", required=True, help="configs/sweeps/<name>.py, or just <name>")
    add("--workdir", help="folder of the sweep; default runs/sweep_<name>")
    add("--executor", default="process", help=" | ".join(_EXECUTORS))
    add("--workers", type=int, help="trials at a time; default 1, of a population 16")
    add("--storage", default="", help="database URL; default a file in the workdir")
    add("--slurm", default="", help="key=value,… of submitit's executor")
    add("--json", action="store_true", help="one JSON object as the last line")
    add("--quiet", action="store_true", help="show nothing while it runs")
    for key in ("trials", "minutes", "name"):
        add(
            f"--{key}", type=type(base.DEFAULTS[key]), help=f"instead of the {key} said"
        )
    return parser


def _specify(options, config_argv: list[str]):
    """Reads and checks the sweep as far as that needs no data."""
    if options.executor not in _EXECUTORS:
        raise ValueError(
            f"unknown --executor={options.executor}; use one of {', '.join(_EXECUTORS)}"
        )
    if options.slurm and options.executor != "slurm":
        raise ValueError(
            f"--slurm={options.slurm} goes with --executor=slurm, got "
            f"{options.executor}; leave it out or add that"
        )
    if options.workers is None:
        options.workers = _EXECUTORS[options.executor]
    if options.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {options.workers}")
    if any(argument.lstrip("-").startswith("config=") for argument in config_argv):
        raise ValueError(
            "a sweep names its config itself; leave --config out, single keys can be "
            "fixed by --config.key=value"
        )
    description = _describe(options.sweep)
    given = {key: getattr(options, key) for key in ("trials", "minutes", "name")}
    description |= {key: value for key, value in given.items() if value is not None}
    arguments = (f"--config={description['config']}", *config_argv)
    config = app.load_config(list(arguments))
    try:
        from research.sweeps import specification
    except ModuleNotFoundError as error:
        raise ValueError(
            f"sweeps need the package {error.name}, which is not installed; "
            "pip install -e '.[sweeps]'"
        ) from error
    sweep = specification.make(description, config.to_dict(), arguments)
    app.check_keys(ConfigDict(sweep.every_key()))
    return sweep


def _describe(name: str) -> dict:
    """Runs a sweep's file: `configs/sweeps/lenet_digits.py`, or just `lenet_digits`."""
    file = pathlib.Path(name)
    if not file.is_file():
        file = _FOLDER / f"{file.stem}.py"
    known = sorted(f.stem for f in _FOLDER.glob("*.py"))
    known = [stem for stem in known if stem not in ("__init__", "base")]
    if file.suffix != ".py" or not file.is_file() or file.stem == "base":
        raise ValueError(f"there is no sweep {name!r}; use one of {', '.join(known)}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "get_sweep"):
            raise ValueError(f"{file} defines no get_sweep(); see configs/sweeps/")
        description = module.get_sweep()
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{file}: {error}; see configs/sweeps/base.py") from error
    if not isinstance(description, dict) or set(description) != set(base.DEFAULTS):
        raise ValueError(
            f"{file}: get_sweep() must return sweep(…) of configs/sweeps/base.py"
        )
    return description | {"name": description["name"] or file.stem}


def _run(options, argv: list[str], book, shown) -> bool:
    if options.executor == "slurm":
        from research.sweeps import slurm

        return slurm.run(
            book,
            [sys.executable, __file__, *_of_workers(argv)],
            workers=options.workers,
            parameters=slurm.read_parameters(options.slurm),
            watch=shown.refresh,
        )
    if options.executor == "population":
        from research.sweeps import population
        from research.training import programs

        programs.enable_compile_cache()
        return population.run(
            book,
            members_at_once=options.workers * book.sweep.seeds,
            watch=shown.refresh,
            say=shown.say,
        )
    from research.sweeps import process

    return process.run(book, workers=options.workers, watch=shown.refresh)


def _of_workers(argv: list[str]) -> list[str]:
    """Leaves out of a command line what is not for the jobs that it submits."""
    own = app.parser("")
    for name in ("--executor", "--workers", "--slurm"):
        own.add_argument(name)
    own.add_argument("--json", action="store_true")
    return own.parse_known_args(argv)[1]


def _end(book, where: pathlib.Path, finished: bool, options) -> None:
    from research.reports import sweep as report
    from research.sweeps import table

    rows = book.rows()
    if not options.quiet:
        page = report.write(book, where)
        print(f"\n{table.text(rows, book.sweep)}\n\n{table.summary(rows, book.sweep)}")
        print(f"report: {page}")
        command = table.winner_command(rows, book.sweep)
        if not finished:
            print("stopped; the same command goes on from there")
        elif command:
            print(f"train the winner in full:\n  {command}")
        else:
            print("no trial was completed; the log.txt of each says why")
    if options.json:
        print(table.as_json(rows, book.sweep, where))


if __name__ == "__main__":
    app.run(main)
