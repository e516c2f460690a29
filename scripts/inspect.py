"""Says what a training run will take, before it starts; or which one to start.

  python scripts/inspect.py --config=configs/lenet_mnist.py [--config.key=value …]
  … --json                the same as one JSON object, last line
  … --augmented=FILE.png  also a picture of training examples before and after
                          augmentation, in five epochs

Data (present, or how to get it), length of the run, parameters per module, operations
per step, bytes of state and checkpoint, compiled peak memory, and the fields that the
config's model, task and data take.

  python scripts/inspect.py --choose                    inputs and tasks that are known
  python scripts/inspect.py --choose --input=images --task=classification \\
    --examples=5000 --device=cpu                        what fits, in order, and why
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import inspect
import json
import pathlib

from configs import base
from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    parser.add_argument("--augmented", help="PNG to write: what augmentation does")
    parser.add_argument("--choose", action="store_true", help="the guide")
    parser.add_argument("--input", help="of --choose: what an example is")
    parser.add_argument("--task", help="of --choose: what is wanted")
    parser.add_argument("--examples", type=int, help="of --choose: for training")
    parser.add_argument("--device", default="gpu", help="of --choose: cpu, gpu, tpu")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        if options.choose:
            _choose(options)
            return
        if options.augmented and not options.augmented.lower().endswith(".png"):
            raise ValueError(
                f"--augmented={options.augmented} must end in .png; name a PNG file"
            )
        config = app.load_config(config_argv)
        facts = examine(config, config_argv)
        if options.augmented:
            _show_augmented(config, pathlib.Path(options.augmented))
    if options.json:
        print(json.dumps(facts))
        return
    for title, values in facts.items():
        print(title)
        for name, value in values.items():
            print(f"  {name:32s} {_shown(name, value)}")


def _choose(options) -> None:
    """Prints what fits an input and a task, with numbers and costs."""
    from research.reproduction import architectures, guide, tables
    from scripts import reproduce

    if not options.input:
        for each in architectures.ROWS:
            names = ", ".join(choice.name for choice in each.choices)
            print(f"--input={each.input} --task={each.task:16s} {names or 'none'}")
        return
    if not options.task:
        raise ValueError(
            f"--input={options.input} needs --task, what is wanted; --choose alone "
            "lists both"
        )
    found = guide.row(options.input, options.task)
    entries = {entry.name: entry for entry in reproduce.entries()}
    ranked = guide.ranked(found, options.examples, options.device)
    for number, (choice, against) in enumerate(ranked, 1):
        print(f"{number}. {choice.name}: configs/{choice.config}.py")
        print(f"   {choice.reason}")
        if against:
            print(f"   but {against}")
        if entry := entries.get(choice.config):
            print(f"   published {tables.published(entry.claim)}")
            print(f"   reached   {entry.verdict.reached}: {entry.verdict.words}")
            print(f"   cost      {entry.claim.cost}")
    if found.baseline:
        print(f"Before any network: {found.baseline}")


def examine(config, config_argv: list[str]) -> dict[str, dict]:
    """Collects the facts, group by group; trains nothing.

    Raises:
      ValueError: the config contradicts itself.
    """
    from research.training import experiment, programs, settings

    settings.check(config)
    programs.enable_compile_cache()
    spec, sizes, data = _data(config, config_argv)
    built = experiment.build(config, spec, sizes["train"])
    compiled = programs.Programs(built)
    plan = built.plan
    return {
        "data": data,
        "run": {
            "steps": plan.total,
            "epochs": plan.total / plan.per_epoch,
            "examples per step": config.data.batch_size,
            "evaluation every (steps)": plan.eval_every,
            "checkpoint every (steps)": plan.save_every,
            "devices": len(compiled.mesh.devices.flat),
        },
        "parameters": _parameters(compiled.abstract_state.params),
        "cost": _cost(compiled),
        "fields": _fields(config),
    }


def _data(config, config_argv):
    """Opens the data, or stands in for it with the quick twin's form.

    Returns:
      (spec, examples per split, what to print)
    """
    from research.training import experiment

    experiment.check_data_fields(config)
    try:
        opened = experiment.open_data(config, ("train", "validation"))
        said = {"source": config.data.name, "present": True}
    except FileNotFoundError as error:
        missing = str(error)
    except ValueError as error:
        if config.data.path:
            raise
        missing = str(error)  # the source needs a path
    else:
        sizes = {name: len(examples) for name, examples in opened.items()}
        features = opened["train"].spec.features
        said |= {f"{name} examples": size for name, size in sizes.items()}
        said |= {k: f"{v.shape} {v.dtype}" for k, v in features.items()}
        return opened["train"].spec, sizes, said
    named = [
        a.split("=", 1)[1] for a in config_argv if a.lstrip("-").startswith("config=")
    ]
    twin = app.read_config(f"{named[0].partition(':')[0]}:quick")
    opened = experiment.open_data(twin, ("train", "validation"))
    said = {
        "source": config.data.name,
        "present": False,
        "how to get it": missing,
        "shown below": "shapes and length of the quick twin's synthetic data",
    }
    sizes = {name: len(examples) for name, examples in opened.items()}
    return opened["train"].spec, sizes, said


def _show_augmented(config, file: pathlib.Path) -> None:
    from research.reports import augmented
    from research.training import experiment

    examples = experiment.open_data(config, ("train",))["train"]
    built = experiment.build(config, examples.spec, len(examples))
    augmented.write(file, built, examples)


def _parameters(params) -> dict[str, int]:
    """Counts parameters per module, two levels deep, and in all."""
    from research.training import state

    counts = {}
    for path, leaf in state.named_leaves(params):
        module = "/".join(path.split("/")[:-1][:2]) or path
        counts[module] = counts.get(module, 0) + leaf.size
    return counts | {"all": sum(counts.values())}


def _cost(compiled) -> dict[str, float]:
    """Compiles one training call and reads what XLA says of it."""
    import jax

    def size(tree) -> int:
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))

    program = compiled.lower_train().compile()
    memory, cost = program.memory_analysis(), program.cost_analysis()
    held = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    held += memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "operations per device call": cost["flops"],
        "parameter bytes": size(compiled.abstract_state.params),
        "state bytes": size(compiled.abstract_state),
        "checkpoint bytes (uncompressed)": size(compiled.abstract_state),
        "peak bytes per device": held,
    }


def _fields(config) -> dict[str, str]:
    """Lists what the open groups of the config take beside configs/base.py."""
    import dataclasses

    from research import lookup

    known = base.get_config()
    model = lookup.module("models", config.model.name)
    fields = {"config.model.variant": f"one of {', '.join(model.VARIANTS)}"}
    for field in dataclasses.fields(model.build(config.model.variant)):
        if field.init and field.name not in ("parent", "name", *known.model):
            value = getattr(model.build(config.model.variant), field.name)
            fields[f"config.model.{field.name}"] = f"default {value!r}"
    for group, kind, entry in (("task", "tasks", "build"), ("data", "data", "load")):
        function = getattr(lookup.module(kind, config[group].name), entry)
        for p in inspect.signature(function).parameters.values():
            if p.kind is p.KEYWORD_ONLY and p.name not in known[group]:
                fields[f"config.{group}.{p.name}"] = f"default {p.default!r}"
    return fields


def _shown(name: str, value) -> str:
    if "bytes" in name:
        return f"{value / 2**20:,.2f} MiB"
    if name.startswith("operations"):
        return f"{value / 1e9:,.3f} GFLOP"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    app.run(main)
