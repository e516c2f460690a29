"""Runs a sweep with workers that train nothing: FOLDER TRIALS SECONDS [STORAGE]."""

import functools
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from configs.sweeps import base  # noqa: E402
from research.sweeps import handle, ledger, process, specification  # noqa: E402
from scripts import app  # noqa: E402


def main(folder: str, trials: str, seconds: str, url: str = "") -> None:
    """Prints a line per trial, and the best one's number."""
    description = base.sweep(
        name="driven",
        config="lenet_digits:quick",
        space={"optimizer.learning_rate": base.log_uniform(1e-4, 1e-1)},
        sampler="qmc",
        trials=int(trials),
    )
    arguments = ("--config=lenet_digits:quick",)
    config = app.load_config(list(arguments)).to_dict()
    sweep = specification.make(description, config, arguments)
    book = ledger.Ledger(sweep, pathlib.Path(folder), url)
    start = functools.partial(
        handle.Handle,
        env={"FAKE_SECONDS": seconds},
        program=(str(HERE / "fake_worker.py"),),
    )
    assert process.run(book, workers=2, start=start)
    rows = book.rows()
    for row in rows:
        print(row["number"], row["state"], row["value"], row["params"])
    print("best", ledger.best(rows, sweep)[0]["number"])


if __name__ == "__main__":
    main(*sys.argv[1:])
