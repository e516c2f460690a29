"""Measures a run on a whole split, exactly, and adds the result to its report.

python scripts/evaluate.py --workdir=runs/lenet_digits --split=test
… --split=test --json         prints one JSON object of the metrics as its last line
… --config.data.path=FOLDER   the data has moved since
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import json
import pathlib

from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="run directory")
    parser.add_argument(
        "--split", default="test", choices=("train", "validation", "test")
    )
    parser.add_argument(
        "--checkpoint",
        default="best",
        help="best (by the validation metric), latest, a step, or average:K: the mean "
        "of the newest K",
    )
    parser.add_argument(
        "--json", action="store_true", help="metrics as JSON, last line"
    )
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        metrics = measure(
            pathlib.Path(options.workdir),
            options.split,
            options.checkpoint,
            config_argv,
            quiet=options.json,
        )
    if options.json:
        print(json.dumps(metrics))


def measure(folder, split, which, config_argv=(), quiet=False) -> dict[str, float]:
    """Evaluates, writes evaluation/<split>.json and report.html, says the result."""
    from research.reports import run as run_report
    from research.training import evaluation, experiment, programs, run, workdir

    programs.enable_compile_cache()
    config = app.override_run_config(run.read_config(folder), config_argv)
    opened = run.open_run(folder, config, which)
    examples = experiment.open_data(config, (split,))[split]
    found, expected = examples.spec, opened.programs.experiment.spec
    if found != expected:
        this, other = _form(found), _form(expected)
        raise ValueError(
            f"the data at {config.data.path!r} has {this}, but the run was trained on "
            f"{other if this != other else 'other words or class names'}; name the "
            "same data with --config.data.path=FOLDER"
        )
    measured = evaluation.measure(opened.programs, opened.state, examples)
    metrics = {f"{split}/{name}": value for name, value in measured[0].items()}
    run_report.write_evaluation(
        folder,
        split,
        spec=examples.spec,
        examples=examples,
        predictions=measured[1],
        metrics=metrics,
        step=opened.step,
        checkpoint=which,
    )
    page = run_report.write(folder)
    if not quiet:
        print(f"{which} checkpoint (step {opened.step}), {len(examples)} examples")
        for name, value in metrics.items():
            print(f"{name} {value:.5g}")
        stored = workdir.read_json(folder / "evaluation" / f"{split}.json")
        if "errors" in stored:
            wrong, count = stored["errors"], len(examples)
            print(f"errors {wrong} of {count} ({wrong / count:.2%})")
        for name, signature in stored.get("signatures", {}).items():
            print(f"{name}: {signature}")
        print(f"report: {page}")
    return metrics


def _form(spec) -> str:
    features = (f"{name} {f.shape} {f.dtype}" for name, f in spec.features.items())
    sizes = [f"{name} {n}" for name, n in spec.sizes.items() if name != "num_classes"]
    classes = f"{spec.num_classes} classes"
    return f"{', '.join(features)} and {', '.join(sizes) or classes}"


if __name__ == "__main__":
    app.run(main)
