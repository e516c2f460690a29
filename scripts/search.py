"""Compresses a table of vectors to an autoencoder's codes and searches both.

  python scripts/search.py --workdir=runs/autoencoder
  … --table=embeddings.npz     your own table, the array of the run's input feature;
                               without it, the run's training split is searched and
                               its test split asks
  … --k=10 --queries=1000 --candidates=100 --json

Prints, for each kind of vectors, bytes, recall@k against exact search in full vectors,
and time per query; a PCA of the same size is searched alike. Writes
WORKDIR/search.json, which the run's report shows.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import json
import pathlib
import time
from functools import partial

from scripts import app

_VISITS = (1, 2, 4, 8, 16, 32)  # cells of the inverted files


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="run directory")
    parser.add_argument("--table", help="NPZ of vectors to search")
    parser.add_argument("--k", type=int, default=10, help="neighbours")
    parser.add_argument("--queries", type=int, default=1000, help="how many are asked")
    parser.add_argument(
        "--candidates", type=int, default=100, help="of codes, scored again in full"
    )
    parser.add_argument("--json", action="store_true", help="JSON, last line")
    options, config_argv = app.parse(parser, argv)
    folder = pathlib.Path(options.workdir)
    with app.one_sentence_errors():
        base, queries = _vectors(folder, options, config_argv)
        _check(options, len(base["full"]))
        rows = _measure(base, queries, options.k, options.candidates)
        found = {
            "k": options.k,
            "rows": len(base["full"]),
            "queries": len(queries["full"]),
            "methods": rows,
        }
        (folder / "search.json").write_text(json.dumps(found, indent=1))
        from research.reports import run as run_report

        run_report.write(folder)
    for row in rows:
        print(
            f"{row['method']:44s} {row['bytes']:5d} bytes  recall@{options.k} "
            f"{row['recall']:.3f}  {row['milliseconds']:.3f} ms  "
            f"{row['speed_up']:.1f}x"
        )
    if options.json:
        print(json.dumps(found))


def _check(options, rows: int) -> None:
    if not 1 <= options.k <= options.candidates <= rows:
        raise ValueError(
            f"search needs 1 <= k <= candidates <= {rows}, the rows of the table, got "
            f"k={options.k} and candidates={options.candidates}; correct them"
        )
    if options.queries < 1:
        raise ValueError(
            f"--queries must be at least 1, got {options.queries}; raise it"
        )


def _vectors(folder, options, config_argv):
    """Reads full vectors and codes of base and queries: name -> (n, d) float32."""
    import numpy as np

    from research.data import source
    from research.metrics import baselines
    from research.prediction import reconstruction
    from research.training import evaluation, experiment, programs, run

    programs.enable_compile_cache()
    config = app.override_run_config(run.read_config(folder), config_argv)
    opened = run.open_run(folder, config)
    task = opened.programs.experiment.task
    if not hasattr(task, "decode"):
        raise ValueError(
            f"search needs the run of an autoencoder, got task {config.task.name!r}; "
            "train one, such as configs/autoencoder_mnist.py"
        )
    if options.table:
        given = reconstruction.read(opened, [options.table])
        whole = source.Arrays({given.feature: given.stored})
        order = np.random.default_rng(0).permutation(len(whole))
        count = min(options.queries, len(whole) // 2)
        parts = [
            source.Subset(whole, order[count:]),
            source.Subset(whole, order[:count]),
        ]
    else:
        splits = experiment.open_data(config, ("train", "test"))
        asked = np.arange(min(options.queries, len(splits["test"])))
        parts = [splits["train"], source.Subset(splits["test"], asked)]
    read = []
    for examples in parts:
        reading = evaluation.Reading(opened.programs, opened.state, examples)
        full = reading.inputs(task.input).reshape(len(examples), -1)
        given = reconstruction.Inputs(
            [], task.input, examples.gather(np.arange(len(examples)))[task.input]
        )
        code = reconstruction.predicted(opened, given)["code"]
        read.append({"full": full, "code": code.reshape(len(full), -1)})
    pca = baselines.Pca(read[0]["full"], read[0]["code"].shape[1])
    for part in read:
        part["pca"] = pca.encode(part["full"]).astype(np.float32)
    return read


def _measure(base, queries, k: int, candidates: int) -> list[dict]:
    """Searches in every way; each row has method, bytes, recall, time, speed-up."""
    import numpy as np

    from research.metrics import search

    parts = (base, queries)
    full, asked = (np.ascontiguousarray(part["full"], np.float32) for part in parts)
    whole = search.exact(full)
    true, slowest = _timed(lambda: search.nearest(whole, asked, k), len(asked))
    rows = [_row("full vectors, exact", full.shape[1] * 4, 1.0, slowest, slowest)]

    def add(method: str, size: int, found) -> None:
        answer, spent = _timed(found, len(asked))
        recall = search.recall(answer, true)
        rows.append(_row(method, size, recall, spent, slowest))

    cells = max(1, round(len(full) ** 0.5))
    visits = [v for v in _VISITS if v < cells] or [cells]
    for kind, title in (("code", "autoencoder"), ("pca", "PCA")):
        x, q = (np.ascontiguousarray(part[kind], np.float32) for part in parts)

        def look(index, count, visited=1, q=q):
            return search.nearest(index, q, count, visited)

        def again(index, visited=1, look=look):
            found = look(index, candidates, visited)
            return search.rescored(full, asked, found, k)

        size = x.shape[1]
        for int8, unit, width in ((False, "floats", 4 * size), (True, "int8", size)):
            name, index = f"{title}, {size} {unit}", search.exact(x, int8)
            add(f"{name}, exact", width, partial(look, index, k))
            add(
                f"{name}, exact, {candidates} scored in full",
                width,
                partial(again, index),
            )
            index = search.inverted_file(x, cells, int8)
            for visited in visits:
                add(
                    f"{name}, {visited} of {cells} cells, scored in full",
                    width,
                    partial(again, index, visited),
                )
    return rows


def _row(method: str, size: int, recall: float, spent: float, slowest: float) -> dict:
    return {
        "method": method,
        "bytes": size,
        "recall": recall,
        "milliseconds": 1e3 * spent,
        "speed_up": slowest / spent,
    }


def _timed(work, count: int):
    """Returns (the result, seconds per query: the best of three)."""
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        result = work()
        spent.append((time.perf_counter() - began) / count)
    return result, min(spent)


if __name__ == "__main__":
    app.run(main)
