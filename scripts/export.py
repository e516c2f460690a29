"""Exports a trained model as a program that runs without this framework.

  python scripts/export.py --workdir=runs/lenet --to=exported/lenet
  … --platforms=cpu,cuda,tpu     one program for all of them; default: this machine's

The folder holds StableHLO (`jax.export`, any batch size), the parameters as
safetensors, about.json (shapes, class names) and load.py, which needs only jax, numpy,
safetensors and flatbuffers: from load import load; load("exported/lenet")(image=images)
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import pathlib

from scripts import app

# Of probabilities: the exported program may be compiled in another order of operations.
_TOLERANCE = 1e-5


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--workdir", required=True, help="run directory")
    parser.add_argument("--to", required=True, help="folder to make")
    parser.add_argument(
        "--checkpoint", default="best", help="best, latest, or a step of the run"
    )
    parser.add_argument("--platforms", help="comma-separated: cpu, cuda, rocm, tpu")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        _export(options, config_argv)


def _export(options, config_argv) -> None:
    import jax

    from research.training import exporting, programs, run

    programs.enable_compile_cache()
    folder, to = pathlib.Path(options.workdir), pathlib.Path(options.to)
    config = app.override_run_config(run.read_config(folder), config_argv)
    opened = run.open_run(folder, config, options.checkpoint)
    here = {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())
    platforms = tuple(options.platforms.split(",")) if options.platforms else (here,)
    exporting.write(opened, to, platforms)
    for file in sorted(to.iterdir()):
        print(f"{file} {file.stat().st_size / 2**20:.2f} MiB")
    if here not in platforms:
        print(f"not compared: it is for {', '.join(platforms)}, this machine is {here}")
        return
    difference = exporting.largest_difference(opened, to)
    print(f"largest difference from the run's own outputs: {difference:.1e}")
    if not difference <= _TOLERANCE:
        raise ValueError(
            f"the exported program differs by {difference:.1e}, more than "
            f"{_TOLERANCE:.0e}; do not use it, and report it with the run's config"
        )


if __name__ == "__main__":
    app.run(main)
