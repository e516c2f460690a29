"""Names what image files show.

  python scripts/predict.py --workdir=runs/lenet_digits digit.png folder_of_images/
  python scripts/predict.py --weights=resnet50 photo.jpg --picture=answer.png
  … --top=5      how many classes per file
  … --json       one JSON list with a probability per class, last line

With --workdir, the best checkpoint of a run answers; with --weights, published weights
(a file, a folder, or a name to fetch), prepared as their publisher says. Files are
PNG, JPEG, WebP or BMP; each is resized as the network's evaluation does.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import json
import pathlib

from scripts import app

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--workdir", help="run directory")
    network.add_argument("--weights", help="published weights: file, folder or name")
    parser.add_argument("inputs", nargs="+", help="image files, or folders of them")
    parser.add_argument("--top", type=int, default=5, help="classes shown per file")
    parser.add_argument(
        "--checkpoint", default="best", help="best, latest, or a step of the run"
    )
    parser.add_argument(
        "--class-names", help="file of names, where the weights have none"
    )
    parser.add_argument("--picture", help="PNG to write: the images and their classes")
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        if options.top < 1:
            raise ValueError(f"--top must be at least 1, got {options.top}; use 5")
        files = _files(options.inputs)
        rows = _predict(options, config_argv, files)
        if options.picture:
            _draw(pathlib.Path(options.picture), rows)
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        best = "  ".join(f"{c['class']} {c['probability']:.1%}" for c in row["classes"])
        print(f"{row['file']}: {best}")
    if options.picture:
        print(f"picture: {options.picture}")


def _files(inputs: list[str]) -> list[pathlib.Path]:
    """Lists the files, folders opened, in a stable order."""
    files = []
    for name in inputs:
        path = pathlib.Path(name)
        if path.is_dir():
            inside = sorted(f for f in path.rglob("*") if f.suffix.lower() in _SUFFIXES)
            if not inside:
                raise ValueError(f"{name} holds no image file; give PNG or JPEG files")
            files += inside
        else:
            files.append(path)
    return files


def _predict(options, config_argv, files) -> list[dict]:
    import numpy as np

    from research.training import programs

    programs.enable_compile_cache()
    classifier = _classifier(options, config_argv)
    rows = []
    for file, p in zip(files, classifier(files), strict=True):
        best = np.argsort(-p, kind="stable")[: options.top]
        classes = [
            {"class": classifier.class_names[i], "probability": float(p[i])}
            for i in best
        ]
        rows.append({"file": str(file), "classes": classes})
    return rows


def _classifier(options, config_argv):
    from research.training import prediction, run

    if options.weights:
        if config_argv:
            raise ValueError(
                f"--weights takes no config, got {config_argv[0]}; leave it out"
            )
        return prediction.of_weights(options.weights, options.class_names)
    if options.class_names:
        raise ValueError("--class-names goes with --weights; a run knows its classes")
    folder = pathlib.Path(options.workdir)
    config = app.override_run_config(run.read_config(folder), config_argv)
    return prediction.of_run(run.open_run(folder, config, options.checkpoint))


def _draw(file: pathlib.Path, rows: list[dict]) -> None:
    from research.data import images
    from research.reports import predictions

    if file.suffix.lower() != ".png":
        raise ValueError(f"--picture={file} must end in .png; name a PNG file")
    predictions.write_sheet(
        file,
        [images.open_image(row["file"], channels=3) for row in rows],
        [pathlib.Path(row["file"]).name for row in rows],
        [[(c["class"], c["probability"]) for c in row["classes"]] for row in rows],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
