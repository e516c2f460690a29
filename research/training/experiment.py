"""Builds what a config describes: data, model, optimizer, task."""

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from research import lookup
from research.data import augment, cache, pipeline, preprocess, source, splits
from research.models import layers
from research.tasks import gradient
from research.training import depth, fields, optimizers, schedules, settings, state


@dataclass(frozen=True)
class Experiment:
    """A config, built. Holds no arrays and no state.

    Attributes:
      config: checked and resolved.
      spec: of one example as stored.
      plan: the run in steps.
      model: a linen module.
      schedule: step -> learning rate.
      task: init, train_step, eval_step, predict.
      preprocess: stored batch -> what the task reads; pure, runs on the device.
      preprocess_train: (batch of `train_batch`, seed) -> the same, augmented.
      augment: (batch, seed) -> batch, the middle of `preprocess_train`, or None.
    """

    config: Any
    spec: source.Spec
    plan: settings.Plan
    model: Any
    schedule: Any
    task: Any
    preprocess: Any
    preprocess_train: Any
    augment: Any

    def example_batch(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns shapes and dtypes of a stored batch of `size` examples."""
        return {
            name: jax.ShapeDtypeStruct((size, *feature.shape), feature.dtype)
            for name, feature in self.spec.features.items()
        }

    @property
    def augments(self) -> bool:
        """Whether training batches need the features `epoch` and `example`."""
        return self.augment is not None

    @property
    def added(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The features of one training example beside the stored ones."""
        position = jax.ShapeDtypeStruct((), jnp.int32)
        added = {"example": position, "epoch": position} if self.augments else {}
        if self.spec.contiguous:
            added["start"] = jax.ShapeDtypeStruct((), jnp.bool_)
        return added

    def train_batch(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns shapes and dtypes of a training batch of `size` examples."""
        return self.example_batch(size) | {
            name: jax.ShapeDtypeStruct((size, *x.shape), x.dtype)
            for name, x in self.added.items()
        }

    def training_batches(
        self, examples: source.Source, rows=slice(None)
    ) -> pipeline.TrainBatches:
        """Returns the training batches by step, or these rows of them."""
        config = self.config
        count, size = len(examples), config.data.batch_size
        if self.spec.contiguous:
            order = pipeline.Streams(count, size)
        elif config.data.sort_pool:
            lengths = _token_counts(examples, config.data)
            pool = config.data.sort_pool
            order = pipeline.ByLength(lengths, size, config.seed, pool)
        else:
            order = pipeline.Order(count, size, config.seed)
        crop = augment.host_crop(config.augment, examples.spec, config.seed)
        return pipeline.TrainBatches(examples, order, rows, self.augments, crop)

    def precision(self) -> contextlib.AbstractContextManager:
        """Sets the precision of the products that are traced within, as asked."""
        asked = self.config.train.matmul_precision
        if asked == "default":
            return contextlib.nullcontext()
        return jax.default_matmul_precision(asked)

    def init(self, seed) -> Any:
        """Draws the initial TrainState; pure."""
        shapes = self.example_batch(self.config.data.batch_size)
        batch = {k: jnp.zeros(x.shape, x.dtype) for k, x in shapes.items()}
        return self.task.init(seed, self.preprocess(batch))

    def input_shape(self) -> tuple[int, ...]:
        """Returns the shape of one input of the task as the model reads it."""
        prepared = jax.eval_shape(self.preprocess, self.example_batch(1))
        return prepared[self.task.input].shape[1:]

    def image_size(self) -> tuple[int, int] | None:
        """Returns (height, width) of the images that the model reads, if it does."""
        if "image" not in self.spec.features:
            return None
        batch = jax.eval_shape(self.preprocess, self.example_batch(1))
        return batch["image"].shape[1:3]

    def abstract_state(self) -> Any:
        """Returns the shapes and dtypes of the TrainState without computing it."""
        return jax.eval_shape(self.init, jnp.uint32(0))

    def eval_batch(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns shapes and dtypes of an evaluation's batch of `size` examples."""
        added = {"mask": jax.ShapeDtypeStruct((size,), jnp.float32)}
        if self.spec.contiguous:
            added["start"] = jax.ShapeDtypeStruct((size,), jnp.bool_)
        return self.example_batch(size) | added

    def told(self, metrics) -> list[str]:
        """Names what an evaluation tells that measures these metrics."""
        return sorted(self.task.derive(dict.fromkeys(metrics, 1.0)))


def build(config, spec: source.Spec, train_examples: int) -> Experiment:
    """Builds an experiment.

    Args:
      config: a whole config.
      spec: of its data.
      train_examples: size of the training split, which fixes the schedule's length.

    Raises:
      ValueError: the config contradicts itself or the data.
    """
    settings.check(config)
    _check_channels(config.data, spec)
    count = read_per_epoch(spec, train_examples, config.data.batch_size)
    experiment = assemble(config, spec, settings.plan(config, count))
    _check_labels(experiment.model, spec)
    _check_patterns(experiment)
    return experiment


def read_per_epoch(spec: source.Spec, examples: int, batch_size: int) -> int:
    """Returns how many of the training examples an epoch reads.

    Streams of contiguous examples are of equal length; all other data is read whole.
    """
    return examples - examples % batch_size if spec.contiguous else examples


def assemble(config, spec: source.Spec, plan: settings.Plan) -> Experiment:
    """Builds an experiment from a checked config, in which numbers may be traced.

    Args:
      config: a whole config; the values of fields.TRACEABLE may be traced.
      spec: of its data.
      plan: of the run.
    """
    model = build_model(config.model, spec)
    schedule = schedules.make(
        config.schedule.name,
        config.optimizer.learning_rate,
        plan.total,
        **{k: v for k, v in config.schedule.items() if k != "name"},
    )
    options = gradient.Options(
        accumulate=config.train.accumulate,
        ema_decay=config.train.ema_decay,
        average_after=config.train.average_after,
        norms_every=config.train.log_every,
        remat=config.train.remat,
        freeze=config.optimizer.freeze,
    )
    task_module = lookup.module("tasks", config.task.name)
    own = fields.own(config.task, "task", fields.of_function(task_module.build))

    scale = {key: config.data[key] for key in ("pad", "mean", "std")}
    augmentation = augment.make(config.augment, spec, scale["mean"], scale["pad"])

    def built(tx) -> Experiment:
        return Experiment(
            config=config,
            spec=spec,
            plan=plan,
            model=model,
            schedule=schedule,
            task=task_module.build(model, tx, options, **own),
            preprocess=preprocess.make(**scale),
            preprocess_train=preprocess.make(**scale, augment=augmentation),
            augment=augmentation,
        )

    order = ()
    if config.optimizer.layer_decay != 1.0:
        order = depth.layers(built(optax.identity()).init)
    return built(optimizers.make(config.optimizer, schedule, order))


def _check_patterns(experiment: Experiment) -> None:
    """Checks that what names parameters to freeze or scale finds some."""
    optimizer = experiment.config.optimizer
    asked = [("freeze", pattern) for pattern in optimizer.freeze]
    asked += [("multipliers", pattern) for pattern, _ in optimizer.multipliers]
    if not asked:
        return
    names = [n for n, _ in state.named_leaves(experiment.abstract_state().params)]
    for key, pattern in asked:
        if not any(state.matches(name, (pattern,)) for name in names):
            raise ValueError(
                f"config.optimizer.{key}: {pattern!r} matches no parameter; "
                "scripts/inspect.py lists them"
            )
    if all(state.matches(name, optimizer.freeze) for name in names):
        raise ValueError(
            f"config.optimizer.freeze={optimizer.freeze} leaves nothing to train; "
            "leave some parameters out"
        )


def _token_counts(examples: source.Source, data):
    counts = source.token_counts(examples)
    if counts is None:
        raise ValueError(
            f"config.data.sort_pool={data.sort_pool} needs sentences, which "
            f"{data.name!r} has none of; set it to 0"
        )
    return counts


def _check_channels(data, spec: source.Spec) -> None:
    channels = spec.features["image"].shape[-1] if "image" in spec.features else 1
    if len(data.mean) not in (1, channels):
        raise ValueError(
            f"config.data.mean and std have {len(data.mean)} values, but the images "
            f"have {channels} channels; give one value or {channels}"
        )


def _check_labels(model, spec: source.Spec) -> None:
    """Checks that a network that is given labels knows all of the data."""
    classes = getattr(model, "classes", 0)
    if classes and not spec.num_classes:
        raise ValueError(
            f"config.model.classes={classes} needs data with labels, got only "
            f"{', '.join(spec.features)}; set it to 0"
        )
    if 0 < classes < spec.num_classes:
        raise ValueError(
            f"config.model.classes={classes} must be at least the data's "
            f"{spec.num_classes}, or 0 to read no labels; correct it"
        )


def build_model(config, spec: source.Spec):
    """Builds the model of the group `config.model` for data of the given spec.

    Raises:
      ValueError: unknown variant or field, or a size unlike the data's.
    """
    module = lookup.module("models", config.name)
    if config.variant not in module.VARIANTS:
        raise ValueError(
            lookup.unknown("config.model.variant", config.variant, module.VARIANTS)
        )
    known = {
        field.name: float if field.type == layers.Rate else field.type
        for field in dataclasses.fields(module.build(config.variant))
        if field.init and field.name not in ("parent", "name")
    }
    chosen = fields.own(config, "model", known)
    for name, size in spec.sizes.items():
        if name in known and chosen.setdefault(name, size) != size:
            raise ValueError(
                f"config.model.{name}={chosen[name]}, but that of the data is {size}; "
                "leave it out to follow the data"
            )
    return module.build(
        config.variant,
        dtype=jnp.dtype(config.dtype),
        kernels=config.kernels,
        **chosen,
    )


def has_split(config, name: str) -> bool:
    """Tells whether the data that the group `config.data` names has a split."""
    data = config.data
    module, options = _source(data)
    return splits.exists(
        module, name, data.path or None, holdout=data.holdout, **options
    )


def open_data(config, names: Sequence[str]) -> dict[str, source.Source]:
    """Opens splits of the data that the group `config.data` names.

    Args:
      config: the whole config.
      names: any of "train", "validation" and "test"; training never asks for test.

    Raises:
      ValueError: an unknown option, or data that is not as it should be.
      FileNotFoundError: the data is not there; the sentence says how to get it.
    """
    data = config.data
    module, options = _source(data)
    opened = splits.open_splits(
        module, names, data.path or None, holdout=data.holdout, **options
    )
    if data.cache == "none":
        return opened
    limit = int(data.cache_limit * 2**30)
    random = {"train"} if config.augment.random_resized_crop else set()
    return {
        name: examples
        if name in random and examples.spec.varies
        else cache.decode_once(examples, limit_bytes=limit)
        for name, examples in opened.items()
    }


def check_data_fields(config) -> None:
    """Checks the names and types of the data source's fields, reading no data.

    Raises:
      ValueError: an unknown field or a value of another type.
    """
    _source(config.data)


def _source(group) -> tuple:
    module = lookup.module("data", group.name)
    return module, fields.own(group, "data", fields.of_function(module.load))


def spec_to_json(spec: source.Spec, train_examples: int) -> dict:
    """Describes the data in plain values, for `data.json` of a run directory."""
    return dataclasses.asdict(spec) | {"train_examples": train_examples}


def spec_from_json(values: dict) -> tuple[source.Spec, int]:
    """Reads back what `spec_to_json` wrote: (spec, train_examples)."""
    features = {
        name: source.Feature(tuple(f["shape"]), f["dtype"])
        for name, f in values["features"].items()
    }
    # A run of an older version lacks some.
    later = ("varies", "sizes", "tokenizers", "contiguous")
    rest = {name: values[name] for name in later if name in values}
    scales = {
        name: tuple(map(tuple, columns))
        for name, columns in values.get("scales", {}).items()
    }
    names = tuple(values["class_names"])
    spec = source.Spec(features, names, **rest, scales=scales)
    return spec, values["train_examples"]
