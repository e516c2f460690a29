"""Finds anomalies with each class of a data set normal in turn, and averages.

  python scripts/one_class.py --config=configs/anomaly_mnist.py \\
    --config.data.path=FOLDER --workdir=runs/one_class
  … --classes=0,1,2      only these; --json: one JSON object as the last line

Trains and tests a run for each class, WORKDIR/normal_<class>; beside the autoencoder
stand a PCA of the same size and an Isolation Forest. The same command resumes.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import contextlib
import io
import json
import pathlib
import statistics

from scripts import app

_METRICS = (
    ("auroc", "AUROC"),
    ("average_precision", "average precision"),
    ("pca_auroc", "PCA"),
    ("isolation_forest_auroc", "Isolation Forest"),
    ("precision", "precision"),
    ("recall", "recall"),
)


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="folder of the runs")
    parser.add_argument("--classes", default="", help="numbers, such as 0,1,2")
    parser.add_argument("--json", action="store_true", help="JSON, last line")
    options, config_argv = app.parse(parser, argv)
    folder = pathlib.Path(options.workdir)
    with app.one_sentence_errors():
        classes = _classes(options.classes, app.load_config(config_argv))
        rows = {}
        for number in classes:
            rows[number] = _measure(number, folder / f"normal_{number}", config_argv)
            said = (f"{title} {rows[number][key]:.4f}" for key, title in _METRICS)
            print(f"normal {number}: {'  '.join(said)}", flush=True)
        means = {
            key: statistics.fmean(row[key] for row in rows.values())
            for key, _ in _METRICS
        }
        said = (f"{title} {means[key]:.4f}" for key, title in _METRICS)
        print(f"mean of {len(rows)}: {'  '.join(said)}")
        found = {"classes": rows, "mean": means}
        (folder / "one_class.json").write_text(json.dumps(found, indent=1))
    if options.json:
        print(json.dumps(found))


def _classes(asked: str, config) -> list[int]:
    from research.training import experiment

    if config.data.name != "one_class":
        raise ValueError(
            "one_class needs a config whose data is one_class, got "
            f"{config.data.name!r}; use configs/anomaly_mnist.py"
        )
    if asked:
        parts = asked.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            raise ValueError(
                f"--classes must be numbers between commas, got {asked!r}; write 0,1,2"
            )
        return [int(part) for part in parts]
    whole = config.copy_and_resolve_references()
    whole.data.unlock()
    whole.data.name = config.data.of
    for name in ("of", "normal", "options"):
        if name in whole.data:
            del whole.data[name]
    for name, value in config.data.get("options", ()):
        whole.data[name] = value
    return list(range(experiment.open_data(whole, ("test",))["test"].spec.num_classes))


def _measure(number: int, folder: pathlib.Path, config_argv: list[str]) -> dict:
    """Trains and tests one run; returns its scores by name."""
    from scripts import evaluate, train

    with contextlib.redirect_stdout(io.StringIO()):
        argv = [*config_argv, f"--config.data.normal={number}", f"--workdir={folder}"]
        finished = train.main(argv)
    if not finished:
        raise ValueError(
            f"training in {folder} was stopped; the same command goes on from there"
        )
    metrics = evaluate.measure(folder, "test", "best", quiet=True)
    return {key: metrics[f"test/{key}"] for key, _ in _METRICS}


if __name__ == "__main__":
    app.run(main)
