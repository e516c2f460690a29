"""Makes the page of a run again, at any time: also of one that goes on or was broken.

python scripts/report.py --workdir=runs/lenet_digits
python scripts/report.py compare runs/a runs/b …     config, code, environment, metrics
    over seeds, curves; and where two runs of one config and seed part
… --page=FILE.html       where the page of a comparison goes; default comparison.html
                         beside the first run
python scripts/report.py gradients runs/elman_adding runs/lstm_adding …     how far
    back in a sequence the loss of recurrent networks still has a gradient
… --page=FILE.svg        where that figure goes; default gradients.svg beside the first
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import pathlib

from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("what", nargs="*", help="nothing, or: compare RUN_A RUN_B …")
    parser.add_argument("--workdir", help="run directory")
    parser.add_argument("--page", help="compare: the page to write")
    options, rest = app.parse(parser, argv)
    if rest:
        parser.error(f"a report takes no config, got {' '.join(rest)}")
    with app.one_sentence_errors():
        if options.what:
            _several(options)
            return
        if not options.workdir:
            raise ValueError(
                "give --workdir=RUN for its page, or: compare RUN_A RUN_B …"
            )
        from research.reports import run

        print(run.write(pathlib.Path(options.workdir)))


def _several(options) -> None:
    what, *folders = options.what
    folders = [pathlib.Path(folder) for folder in folders]
    commands = {"compare": _compare, "gradients": _gradients}
    if what not in commands:
        raise ValueError(
            f"unknown command {what!r}; use: compare RUN_A RUN_B …, gradients RUN …, "
            "or --workdir=RUN"
        )
    commands[what](folders, options.page)


def _gradients(folders: list[pathlib.Path], page: str | None) -> None:
    from research.reports import gradient_flow
    from research.training import programs

    if not folders:
        raise ValueError("gradients needs run directories, got none; name some")
    programs.enable_compile_cache()
    file = pathlib.Path(page or folders[0].parent / "gradients.svg")
    for name, curve in gradient_flow.write(folders, file).items():
        wanted = {1, 10, 100, len(curve)}
        told = (f"{norm:.2g} at {d}" for d, norm in curve if d in wanted)
        print(f"{name}: {', '.join(told)} steps")
    print(f"figure: {file}")


def _compare(folders: list[pathlib.Path], page: str | None) -> None:
    from research.reports import comparison, comparison_page

    runs = comparison.read(folders)
    beside = runs[0].folder.parent / "comparison.html"
    parted = comparison.divergences(runs)
    page = comparison_page.write(runs, parted, pathlib.Path(page or beside))
    print(comparison_page.text(runs, parted))
    print(f"\npage: {page}")


if __name__ == "__main__":
    app.run(main)
