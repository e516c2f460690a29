"""Measures how good the images of a generator are, by a classifier's features.

  python scripts/sample_quality.py --workdir=runs/dcgan --classifier=runs/lenet
  … --samples=10000            images to make, and to compare with at most
  … --checkpoint=all           every kept checkpoint: does it get better?
  … --steps=10,20,50           of diffusion, each; also --sampler, --guidance
  … --truncation=0.7           of StyleGAN2's styles
  … --config.data.path=FOLDER  the data has moved since

It writes evaluation/samples.json and the report. Where the generator was told a class,
`agreement` is the share of its images that the classifier gives that class. The numbers
compare generators that were measured with the same classifier, and with nothing else.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import importlib
import inspect
import json
import pathlib
import re

from scripts import app

_HOW = {"steps": int, "sampler": str, "guidance": float, "truncation": float}


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="run directory")
    parser.add_argument(
        "--classifier", required=True, help="run directory of a classifier"
    )
    parser.add_argument("--samples", type=int, default=10_000, help="images to make")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument(
        "--split", default="test", choices=("train", "validation", "test")
    )
    parser.add_argument(
        "--checkpoint", default="best", help="best, latest, a step, or all that exist"
    )
    parser.add_argument("--steps", help="of the sampler; several by commas")
    parser.add_argument("--sampler", help="of diffusion; several by commas")
    parser.add_argument("--guidance", help="of diffusion; several by commas")
    parser.add_argument("--truncation", help="of the noise; several by commas")
    parser.add_argument("--json", action="store_true", help="metrics as the last line")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        values = measure(options, config_argv)
    if options.json:
        print(json.dumps(values["metrics"]))


def measure(options, config_argv=()) -> dict:
    """Makes images, compares them, and stores the result; returns what it stored."""
    import numpy as np

    from research.reports import evaluations
    from research.reports import run as run_report
    from research.training import features, programs, run

    if options.samples < 4:
        raise ValueError(
            f"--samples={options.samples} must be at least 4; some thousands are usual"
        )
    programs.enable_compile_cache()
    folder = pathlib.Path(options.workdir)
    config = app.override_run_config(run.read_config(folder), config_argv)
    draw = _drawing(config.task.name)
    ways = _ways(draw, config.task.name, options)
    classifier = features.open_classifier(pathlib.Path(options.classifier))
    real = _real(config, options, classifier)
    history = []
    for which in _checkpoints(folder, options.checkpoint):
        opened = run.open_run(folder, config, which)
        for how in ways:
            parts = list(draw(opened, options.samples, options.seed, **how))
            made = features.see(classifier, (part["image"] for part in parts))
            metrics = features.compare(made, real)
            if parts[0].get("label") is not None:
                asked = np.concatenate([part["label"] for part in parts])
                metrics["agreement"] = float((made.label == asked).mean())
            metrics = {f"samples/{name}": value for name, value in metrics.items()}
            row = dict(step=int(opened.step), images=options.samples, how=how)
            history.append(row | dict(seed=options.seed, metrics=metrics))
            shown = " ".join(f"{k} {v:.5g}" for k, v in metrics.items())
            told = "".join(f", {name} {value}" for name, value in how.items())
            print(f"step {opened.step}{told}: {shown}")
    names = classifier.programs.experiment.spec.class_names
    values = evaluations.record(
        "samples",
        metrics=history[-1]["metrics"],
        examples=options.samples,
        step=history[-1]["step"],
        checkpoint=options.checkpoint,
    ) | {
        "seed": options.seed,
        "reference": f"the {options.split} split",
        "features": f"the last layer's inputs in {options.classifier}",
        "class_names": list(names),
        "made": _histogram(made.label, len(names)),
        "real": _histogram(real.label, len(names)),
    }
    values["history"] = [*_earlier(folder, values, history), *history]
    evaluations.write(folder, values)
    counts = ", ".join(
        f"{name} {count}" for name, count in zip(names, values["made"], strict=True)
    )
    print(f"classes of {options.samples} images: {counts}")
    print(f"report: {run_report.write(folder)}")
    return values


def _earlier(folder: pathlib.Path, values: dict, history: list[dict]) -> list[dict]:
    """Reads what was measured by the same features before, and is not measured anew."""
    from research.reports import quality
    from research.training import workdir

    if not (folder / quality.FILE).exists():
        return []
    stored = workdir.read_json(folder / quality.FILE)
    if any(stored[name] != values[name] for name in ("reference", "features")):
        return []

    def asked(row):
        return {name: value for name, value in row.items() if name != "metrics"}

    anew = [asked(row) for row in history]
    return [row for row in stored["history"] if asked(row) not in anew]


def _drawing(task: str):
    """Finds the function that makes a run's images: (run, count, seed) -> batches."""
    folder = app.ROOT / "research" / "prediction"
    able = [
        file.stem
        for file in sorted(folder.glob("*.py"))
        if re.search(r"^def draw\(\s*opened", file.read_text("utf-8"), re.MULTILINE)
    ]
    if task not in able:
        raise ValueError(
            f"a run of the task {task} makes no images to measure; use one of "
            + ", ".join(able)
        )
    return importlib.import_module(f"research.prediction.{task}").draw


def _ways(draw, task: str, options) -> list[dict]:
    """Lists what `draw` is to be told, one for each combination that is asked for."""
    ways, able = [{}], inspect.signature(draw).parameters
    for name, read in _HOW.items():
        asked = getattr(options, name)
        if asked is None:
            continue
        if name not in able:
            raise ValueError(f"--{name}={asked} is no option of {task}; leave it out")
        try:
            values = [read(value) for value in asked.split(",")]
        except ValueError:
            raise ValueError(
                f"--{name} must be numbers separated by commas, got {asked!r}; "
                "correct it"
            ) from None
        ways = [way | {name: value} for way in ways for value in values]
    return ways


def _real(config, options, classifier):
    """Shows the classifier as many real images as are made, at most."""
    import numpy as np

    from research.training import experiment, features

    examples = experiment.open_data(config, (options.split,))[options.split]
    chosen = np.arange(min(len(examples), options.samples))
    parts = np.array_split(chosen, -(-len(chosen) // 500))
    return features.see(classifier, (examples.gather(p)["image"] for p in parts))


def _checkpoints(folder: pathlib.Path, which: str) -> list[str]:
    from research.training import checkpoint

    if which != "all":
        return [which]
    with checkpoint.Checkpoints(checkpoint.folder_of(folder), read_only=True) as saved:
        steps = saved.steps()
    if not steps:
        raise ValueError(f"{folder} has no checkpoint yet; train further")
    return [str(step) for step in steps]


def _histogram(labels, count: int) -> list[int]:
    import numpy as np

    return np.bincount(labels, minlength=count).tolist()


if __name__ == "__main__":
    app.run(main)
