"""Writes a data set of decoded codes, for training a classifier on few labels.

  python scripts/augment.py --workdir=runs/vae --to=runs/augmented --labels=100 \\
    --copies=9 --kind=interpolate
  python scripts/train.py --config=configs/mlp_mnist.py --config.data.name=arrays \\
    --config.data.path=runs/augmented --workdir=runs/few_labels

TO gets train.npz with `--labels` examples of the run's training split, evenly over the
classes, and `--copies` decoded ones of each: its code with Gaussian noise (perturb), or
a point between its code and another's of its class (interpolate). validation.npz and
test.npz are those of the run's data. --copies=0 writes the baseline to compare with.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import pathlib

from scripts import app

_KINDS = ("perturb", "interpolate")


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="run of an autoencoder")
    parser.add_argument("--to", required=True, help="folder to write")
    parser.add_argument("--labels", type=int, default=100, help="labelled examples")
    parser.add_argument("--copies", type=int, default=9, help="decoded ones of each")
    parser.add_argument("--kind", default="perturb", choices=_KINDS)
    parser.add_argument(
        "--scale",
        type=float,
        default=0.3,
        help="of the noise, in standard deviations of each number of the codes",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        counts = _write(options, config_argv)
    for split, count in counts.items():
        print(f"{options.to}/{split}.npz: {count:,} examples")


def _write(options, config_argv) -> dict[str, int]:
    import numpy as np

    from research.training import experiment, programs, run

    _check_draws(options)
    programs.enable_compile_cache()
    source = pathlib.Path(options.workdir)
    config = app.override_run_config(run.read_config(source), config_argv)
    opened = run.open_run(source, config)
    _check(opened, options, source)
    to = pathlib.Path(options.to)
    if any((to / f"{s}.npz").exists() for s in ("train", "validation", "test")):
        raise ValueError(
            f"--to={to} holds a data set already, which is not overwritten; name "
            "another folder"
        )
    splits = experiment.open_data(config, ("train", "validation", "test"))
    names = np.array(splits["train"].spec.class_names)
    rng = np.random.default_rng(options.seed)
    chosen = _choose(splits["train"].labels(), options.labels, len(names), rng)
    rows = splits["train"].gather(chosen)
    sets = {"train": _with_copies(opened, rows, options, rng)}
    for split in ("validation", "test"):
        sets[split] = splits[split].gather(np.arange(len(splits[split])))
    to.mkdir(parents=True, exist_ok=True)
    for split, arrays in sets.items():
        kept = {name: arrays[name] for name in ("image", "label")}
        np.savez(to / f"{split}.npz", class_names=names, **kept)
    return {split: len(arrays["label"]) for split, arrays in sets.items()}


def _check(opened, options, source) -> None:
    experiment = opened.programs.experiment
    fits = hasattr(experiment.task, "decode") and experiment.task.input == "image"
    if not fits or not experiment.spec.class_names:
        raise ValueError(
            f"augment needs the run of an autoencoder on images with classes, but "
            f"{source} was trained on {', '.join(experiment.spec.features)} by task "
            f"{experiment.config.task.name!r}; name another run"
        )
    if experiment.config.data.pad:
        raise ValueError(
            "augment decodes pictures of the stored size, but the run adds "
            f"config.data.pad={experiment.config.data.pad} pixels; train without"
        )
    if options.labels < experiment.spec.num_classes or options.copies < 0:
        raise ValueError(
            f"augment needs --labels of at least {experiment.spec.num_classes}, one "
            f"per class, and --copies of at least 0, got {options.labels} and "
            f"{options.copies}; correct them"
        )


def _check_draws(options) -> None:
    if not options.scale >= 0 or options.seed < 0:
        raise ValueError(
            "augment needs --scale and --seed of at least 0, got "
            f"{options.scale} and {options.seed}; correct them"
        )


def _choose(label, count: int, classes: int, rng):
    """Chooses examples evenly over the classes.

    Raises:
      ValueError: a class has too few.
    """
    import numpy as np

    parts = []
    for number in range(classes):
        wanted = count // classes + (number < count % classes)
        own = np.flatnonzero(label == number)
        if len(own) < wanted:
            raise ValueError(
                f"class {number} has {len(own)} training examples, fewer than its "
                f"share of --labels={count}, which is {wanted}; ask for fewer"
            )
        parts.append(rng.permutation(own)[:wanted])
    return np.concatenate(parts)


def _with_copies(opened, rows, options, rng) -> dict:
    """Adds decoded neighbours of the codes; (n (1 + copies), ...) uint8 and labels."""
    import jax
    import numpy as np

    from research.prediction import reconstruction
    from research.reports import strips

    image, label = rows["image"], rows["label"]
    if not options.copies:
        return {"image": image, "label": label}
    given = reconstruction.Inputs([], "image", image)
    code = reconstruction.predicted(opened, given)["code"]
    task, data = opened.programs.experiment.task, opened.programs.experiment.config.data
    decode = jax.jit(lambda state, z: task.decode(state, z, image.shape[1:]))
    images = [image]
    for _ in range(options.copies):
        if options.kind == "perturb":
            moved = code + options.scale * code.std(0) * rng.normal(size=code.shape)
        else:
            mates = _mates(label, rng)
            share = rng.uniform(size=(len(code), 1))
            moved = (1 - share) * code + share * code[mates]
        made = np.asarray(decode(opened.state, moved.astype(np.float32)))
        images.append(strips.to_pixels(made, data.mean, data.std))
    labels = np.tile(label, 1 + options.copies)
    return {"image": np.concatenate(images), "label": labels}


def _mates(label, rng):
    """Draws for each example another of its class, itself where it is alone."""
    import numpy as np

    mates = np.arange(len(label))
    for number in np.unique(label):
        own = np.flatnonzero(label == number)
        order = rng.permutation(own)
        mates[order] = np.roll(order, 1)
    return mates


if __name__ == "__main__":
    app.run(main)
