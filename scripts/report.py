"""Makes the page of a run again, at any time: also of one that goes on or was broken.

python scripts/report.py --workdir=runs/lenet_digits
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import pathlib

from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="run directory")
    options = parser.parse_args(argv)
    with app.one_sentence_errors():
        from research.reports import run

        print(run.write(pathlib.Path(options.workdir)))


if __name__ == "__main__":
    main(sys.argv[1:])
