"""Applies a network to what you give it: images, sounds, text, … as its task does.

  python scripts/predict.py --workdir=runs/lenet_digits digit.png folder_of_images/
  python scripts/predict.py --weights=resnet50 photo.jpg --picture=answer.png
  … --help       with --workdir or --weights: the options of that network's task
  … --json       one JSON list of the answers as the last line

With --workdir, the best checkpoint of a run answers; with --weights, published weights
(a file, a folder, or a name to fetch), their input prepared as their publisher says.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import importlib
import json
import pathlib

from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--workdir", help="run directory")
    network.add_argument("--weights", help="published weights: file, folder or name")
    parser.add_argument("inputs", nargs="*", help="files, folders or texts: the input")
    parser.add_argument(
        "--checkpoint", default="best", help="best, latest, average:K or a step"
    )
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    task = None
    if any(a.startswith(("--workdir", "--weights")) for a in argv):
        asked = [a for a in argv if a not in ("-h", "--help")]
        with app.one_sentence_errors():
            task = _task(*parser.parse_known_args(asked))
        task.add_arguments(parser)
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        rows = _answer(task, options, config_argv)
        if options.json:
            print(json.dumps(list(rows)))
        else:
            task.show(rows, options)


def _task(options, rest):
    """Finds the file of research/prediction that answers for the network."""
    from research import lookup, weights
    from research.training import run

    config = [a for a in rest if a.startswith(("--config", "-config"))]
    if options.weights and config:
        raise ValueError(f"--weights takes no config, got {config[0]}; leave it out")
    if options.weights:
        name = weights.task(options.weights)
    else:
        name = run.read_config(pathlib.Path(options.workdir)).task.name
    folder = app.ROOT / "research" / "prediction"
    known = sorted(
        f.stem for f in folder.glob("*.py") if "\ndef of_run(" in f.read_text("utf-8")
    )
    if name not in known:
        raise ValueError(lookup.unknown("task that predicts", name, known))
    return importlib.import_module(f"research.prediction.{name}")


def _answer(task, options, config_argv):
    from research.training import programs, run

    programs.enable_compile_cache()
    if options.workdir:
        folder = pathlib.Path(options.workdir)
        config = app.override_run_config(run.read_config(folder), config_argv)
        return task.of_run(run.open_run(folder, config, options.checkpoint), options)
    if not hasattr(task, "of_weights"):
        raise ValueError(
            f"--weights={options.weights} holds a network for "
            f"{task.__name__.rpartition('.')[2]}, which answers as part of a run only; "
            "give the --workdir of one"
        )
    return task.of_weights(options)


if __name__ == "__main__":
    app.run(main)
