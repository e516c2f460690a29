"""Predicts files with a trained run: class and probability.

  python scripts/predict.py --workdir=runs/lenet_digits seven.png digits/
  … --json        prints one JSON list as its last line

Image files are cropped and resized to what the run was trained on, and in grey where
that was grey; nothing is inverted: MNIST and digits are white on black.
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
    parser.add_argument("--workdir", required=True, help="run directory")
    parser.add_argument("inputs", nargs="+", help="image files, or folders of them")
    parser.add_argument("--top", type=int, default=3, help="classes shown per file")
    parser.add_argument(
        "--checkpoint", default="best", help="best, latest, or a step of the run"
    )
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        if options.top < 1:
            raise ValueError(f"--top must be at least 1, got {options.top}; use 3")
        files = _files(options.inputs)
        rows = _predict(options, config_argv, files)
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        best = "  ".join(f"{c['class']} {c['probability']:.1%}" for c in row["classes"])
        print(f"{row['file']}: {best}")


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

    from research.data import images
    from research.training import programs, run

    programs.enable_compile_cache()
    folder = pathlib.Path(options.workdir)
    config = app.override_run_config(run.read_config(folder), config_argv)
    opened = run.open_run(folder, config, options.checkpoint)
    spec = opened.programs.experiment.spec
    if "image" not in spec.features:
        raise ValueError(
            f"{folder} was trained on {', '.join(spec.features)}, not on images; "
            "predict takes image files"
        )
    height, width, channels = spec.features["image"].shape
    pixels = [images.decode(file, (height, width), channels) for file in files]
    probability = _in_batches(opened, np.stack(pixels))
    rows = []
    for file, p in zip(files, probability, strict=True):
        best = np.argsort(-p, kind="stable")[: options.top]
        classes = [
            {"class": spec.class_names[i], "probability": float(p[i])} for i in best
        ]
        rows.append({"file": str(file), "classes": classes})
    return rows


def _in_batches(opened, pixels):
    """Predicts (n, h, w, c) images in batches of one shape; returns (n, k)."""
    import jax
    import numpy as np

    devices = jax.device_count()
    limit = opened.programs.experiment.config.data.eval_batch_size
    size = min(limit, -(-len(pixels) // devices) * devices)
    missing = -len(pixels) % size
    padded = np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), np.uint8)])
    parts = [
        opened.programs.predict(opened.state, {"image": padded[i : i + size]})
        for i in range(0, len(padded), size)
    ]
    return np.concatenate([part["probability"] for part in parts])[: len(pixels)]


if __name__ == "__main__":
    main(sys.argv[1:])
