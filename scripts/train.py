"""Trains an experiment, or resumes it: the same command does both.

  python scripts/train.py --config=configs/lenet_digits.py --workdir=runs/lenet_digits
  … --config=configs/lenet_digits.py:quick        the same experiment in seconds
  … --config.optimizer.learning_rate=0.01         any key of configs/base.py

SIGTERM or Ctrl-C saves a checkpoint and leaves; a second one leaves at once.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import contextlib
import pathlib

from scripts import app


def main(argv: list[str]) -> bool:
    """Trains; returns whether the run came to its end, and was not stopped."""
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", help="run directory; default runs/<config's name>")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        config = app.load_config(config_argv)
        from research.training import distributed

        distributed.guard(config.distributed)  # must precede the import of JAX
        from research.reports import run as run_report
        from research.training import loop, programs, settings, workdir

        settings.check(config)
        folder = pathlib.Path(options.workdir or f"runs/{config.name}")
        programs.enable_compile_cache()
        with distributed.joined(config.distributed) as first, app.one_sentence_errors():
            with workdir.locked(folder) if first else contextlib.nullcontext():
                command = ["scripts/train.py", *argv]
                outcome = loop.train(config, folder, command, _show_into(folder))
                if first and outcome["finished"]:
                    run_report.write(folder)
    if first:
        _say(outcome, folder, config)
    return outcome["finished"]


def _show_into(folder: pathlib.Path):
    """Makes what the loop calls at the end: pictures of the validation split."""
    from research.reports import run as run_report
    from research.training import evaluation

    def show(programs, state, examples, metrics, step):
        predictions = evaluation.predictions(programs, state, examples)
        scores = evaluation.scores(programs, state, examples, predictions)
        return run_report.write_evaluation(
            folder,
            "validation",
            spec=examples.spec,
            examples=examples,
            predictions=predictions,
            metrics=metrics | {f"validation/{k}": v for k, v in scores.items()},
            step=step,
            checkpoint="latest",
        )

    return show


def _say(outcome: dict, folder: pathlib.Path, config) -> None:
    from research.training import experiment

    if not outcome["finished"]:
        print(f"stopped at step {outcome['step']}; the same command goes on from there")
        return
    for name, value in outcome["metrics"].items():
        if name.startswith("validation/"):
            print(f"{name} {value:.5g}")
    print(f"report: {folder / 'report.html'}")
    if experiment.has_split(config, "test"):
        print(f"test it: python scripts/evaluate.py --workdir={folder} --split=test")


if __name__ == "__main__":
    app.run(main)
