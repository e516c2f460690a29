"""Trains LeNet-5 on real handwritten digits and shows all that a run gives.

  make quickstart      or: python scripts/quickstart.py

1,797 images that scikit-learn carries, no download: trains on 1,079 of them, chooses
the checkpoint on 359 others, and reads the 359 of the test split once, at the end.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import datetime
import pathlib
import time

from scripts import app, evaluate, predict, train


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument(
        "--workdir", help="run directory; default runs/quickstart_<time>"
    )
    options, config_argv = app.parse(parser, argv)
    now = datetime.datetime.now().strftime("%Y%m%d_%H%M%S")
    folder = pathlib.Path(options.workdir or f"runs/quickstart_{now}")
    config = ["--config=configs/lenet_digits.py", *config_argv]

    print(f"1. Training (python scripts/train.py {config[0]} --workdir={folder})")
    began = time.perf_counter()
    if not train.main([*config, f"--workdir={folder}"]):
        return
    seconds = time.perf_counter() - began

    print(f"\n2. Testing (python scripts/evaluate.py --workdir={folder} --split=test)")
    metrics = evaluate.measure(folder, "test", "best")

    image = _held_out_image(folder)
    print(f"\n3. Predicting (python scripts/predict.py --workdir={folder} {image})")
    predict.main([f"--workdir={folder}", str(image)])

    accuracy = f"{metrics['test/accuracy']:.2%}"
    print(f"\nTest accuracy {accuracy} after {seconds:.0f} s of training.")
    print(f"Everything is in {folder}; open {folder / 'report.html'} in a browser.")


def _held_out_image(folder: pathlib.Path) -> pathlib.Path:
    """Writes the first image of the test split as a PNG named after its label."""
    from PIL import Image

    from research.training import experiment, run

    config = run.read_config(folder)
    examples = experiment.open_data(config, ("test",))["test"]
    first = {name: value[0] for name, value in examples.gather([0]).items()}
    label = examples.spec.class_names[int(first["label"])]
    path = folder / "samples" / f"held_out_digit_{label}.png"
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(first["image"][..., 0]).save(path)
    return path


if __name__ == "__main__":
    app.run(main)
