"""Searches hyperparameters, or goes on with a search: the same command does both.

  python scripts/sweep.py --sweep=configs/sweeps/lenet_digits.py --workers=2
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
import json
import pathlib
import shlex

from configs.sweeps import base
from scripts import app

_EXECUTORS = ("process", "slurm")
_FOLDER = app.ROOT / "configs" / "sweeps"


def main(argv: list[str]) -> None:
    parser = _parser()
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        description = _describe(options)
        sweep = _specify(description, config_argv)
        folder = pathlib.Path(options.workdir or f"runs/sweep_{sweep.name}")
        from research.sweeps import display, ledger, preflight_run

        book = ledger.Ledger(sweep, folder, options.storage)
        if not book.joined:
            preflight_run.check(sweep)
        _write_specification(folder, sweep)
        with display.Display(book, quiet=options.quiet) as shown:
            finished = _run(options, argv, book, shown.refresh)
    _end(book, finished, options)


def _parser():
    parser = app.parser(__doc__)
    add = parser.add_argument
    add("--sweep", required=True, help="configs/sweeps/<name>.py, or just <name>")
    add("--workdir", help="folder of the sweep; default runs/sweep_<name>")
    add("--executor", default="process", help=" | ".join(_EXECUTORS))
    add("--workers", type=int, default=1, help="trials at a time; default 1")
    add("--storage", default="", help="database URL; default a file in the workdir")
    add("--slurm", default="", help="key=value,… of submitit's executor")
    add("--json", action="store_true", help="one JSON object as the last line")
    add("--quiet", action="store_true", help="show nothing while it runs")
    for key in ("trials", "minutes", "name"):
        add(f"--{key}", type=type(base.DEFAULTS[key]), help=f"instead of the {key} said")
    return parser
