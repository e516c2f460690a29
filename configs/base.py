"""Every key of an experiment, once: its default, unit and meaning.

The groups `model`, `task` and `data` also take the fields of what their `name`
names (`config.model.dropout`, `config.task.label_smoothing`, `config.data.image_size`);
`scripts/inspect.py` prints them. All other keys are exactly the ones below.
"""

from ml_collections import ConfigDict, config_dict

# Groups that take further fields, checked against the thing that `name` names.
OPEN_GROUPS = ("model", "task", "data")


def get_config() -> ConfigDict:
    """Returns the defaults, locked: a misspelt key fails where it is written."""
    config = ConfigDict()
    config.name = ""  # of the run; empty: the config file's name
    config.seed = 0  # of parameters, data order and every random draw
    _add_experiment(config)
    _add_augment(config)
    _add_training(config)
    _add_machinery(config)
    _add_claim(config)
    config.lock()
    for group in OPEN_GROUPS:
        config[group].unlock()
    return config


def _add_experiment(config: ConfigDict) -> None:
    """Adds what is learned: model, task and data."""
    config.model = ConfigDict()
    config.model.name = "mlp"  # research/models/<name>.py
    config.model.variant = "debug"  # a row of that file's VARIANTS
    config.model.dtype = "float32"  # of the computation: float32 | bfloat16
    config.model.kernels = "auto"  # auto: fastest per platform | native | flash (GPU)

    config.task = ConfigDict()
    config.task.name = "classification"  # research/tasks/<name>.py

    config.init = ConfigDict()  # what the parameters start from
    config.init.weights = ""  # run directory, published weights (file, folder, name)
    config.init.fresh = ("^head/",)  # regexes of parameters that are drawn all the same

    config.data = ConfigDict()
    config.data.name = "synthetic"  # research/data/<name>.py
    config.data.path = ""  # folder or file of the data, where it has one
    config.data.batch_size = 64  # examples per step, over all devices and hosts
    config.data.eval_batch_size = 500  # examples per evaluation step, likewise
    config.data.holdout = 0.1  # share of train kept apart where data lacks a split
    config.data.pad = 0  # pixels of background added on each side
    config.data.mean = (0.0,)  # per channel, on the scale where white is 1
    config.data.std = (1.0,)  # per channel: x = (pixel / 255 - mean) / std
    config.data.placement = "auto"  # where examples wait: auto | host | device
    config.data.cache = "auto"  # auto: decode once into ~/.cache/menagerie | none
    config.data.cache_limit = 8.0  # GiB decoded; larger data is streamed instead
    config.data.sort_pool = 0  # batches sorted by length together; 0: unsorted
    config.data.workers = 0  # decoding processes for streamed data (Grain)


def _add_augment(config: ConfigDict) -> None:
    """Adds what happens to training examples, in this order; by default nothing."""
    config.augment = ConfigDict()
    config.augment.random_resized_crop = ()  # (least, most) share of the area, or ()
    config.augment.crop_ratio = (3 / 4, 4 / 3)  # its (least, most) width / height
    config.augment.zoom = ()  # (least, most) factor of pictures with boxes, or ()
    config.augment.visible = 0.5  # share of a box left for it to count (zoom)
    config.augment.pad_crop = 0  # pixels of a random shift, by padding and cropping
    config.augment.pad_mode = "zero"  # what pad_crop adds: zero | reflect | edge
    config.augment.flip = "none"  # left to right: none | random | alternating
    config.augment.flip_vertical = False  # top to bottom, every other time
    config.augment.policy = "none"  # none | randaugment | autoaugment_cifar10
    config.augment.layers = 2  # operations per image (randaugment)
    config.augment.magnitude = 9.0  # of the operations, 0..30 (randaugment)
    config.augment.jitter = (0.0,) * 4  # of brightness, contrast, saturation, hue
    config.augment.erase = 0.0  # share of the images that lose a random box
    config.augment.cutout = 0  # side in pixels of a square that every image loses
    config.augment.mixup = 0.0  # alpha of Beta(alpha, alpha), the share of a pair
    config.augment.cutmix = 0.0  # likewise, of the area
    config.augment.mix_probability = 1.0  # share of the examples that are mixed
    config.augment.mix_switch = 0.5  # share of them by cutmix, where both are on
    config.augment.mosaic = 0.0  # share of the pictures with boxes made of four

    config.augment.shift = 0.0  # sounds: longest shift, as a share of their length
    config.augment.gain = 0.0  # sounds: largest change of loudness, in dB
    config.augment.noise = 0.0  # sounds: most white noise, over the sound's own RMS


def _add_training(config: ConfigDict) -> None:
    """Adds how it is learned: optimizer, schedule, loop."""
    config.optimizer = ConfigDict()
    config.optimizer.name = "adamw"  # research/training/optimizers.py lists them
    config.optimizer.learning_rate = 1e-3  # the schedule's peak
    config.optimizer.weight_decay = 0.0  # decoupled (adamw, lamb, lion, muon), or L2
    config.optimizer.decay_mask = "matrices"  # leaves that decay: matrices | all
    config.optimizer.momentum = 0.9  # momentum, nesterov, rmsprop, muon
    config.optimizer.b1 = 0.9  # adam family: decay of the first moment
    config.optimizer.b2 = 0.999  # adam family, rmsprop: of the second moment
    config.optimizer.eps = 1e-8  # added to the root of the second moment
    config.optimizer.clip_norm = 0.0  # global norm of the gradient; 0: no clipping
    config.optimizer.multipliers = ()  # (("regex of a parameter path", factor), …)
    config.optimizer.layer_decay = 1.0  # rate of a layer over that of the next one
    config.optimizer.freeze = ()  # ("regex of a parameter path", …) that stay as is

    config.schedule = ConfigDict()
    config.schedule.name = "constant"  # research/training/schedules.py lists them
    config.schedule.warmup_steps = 0  # linear from 0 to the peak
    config.schedule.end_factor = 0.0  # last rate over peak (cosine, linear)
    config.schedule.boundaries = ()  # step: fractions of the run where the rate falls
    config.schedule.factor = 0.1  # step: what each boundary multiplies the rate by

    config.train = ConfigDict()
    config.train.epochs = 10.0  # passes over the training split
    config.train.steps = 0  # updates; 0: as many as `epochs` gives
    config.train.log_every = 50  # steps averaged in a line of metrics.jsonl
    config.train.eval_every = 0  # steps; 0: every epoch
    config.train.steps_per_call = 1  # updates per device call
    config.train.accumulate = 1  # micro-batches per update
    config.train.ema_decay = 0.0  # of averaged parameters, used to evaluate; 0: off
    config.train.average_after = 0  # NT-ASGD: evaluations without progress; 0: off
    # Of products of float32 matrices: default (of the platform) | highest (float32) |
    # BF16_BF16_F32 (rounded to bfloat16, added up in float32).
    config.train.matmul_precision = "default"
    config.train.remat = "none"  # recompute in the backward pass: none | dots | full
    config.train.on_nan = "stop"  # non-finite loss: stop | continue


def _add_machinery(config: ConfigDict) -> None:
    """Adds what a run leaves behind and where it runs."""
    config.checkpoint = ConfigDict()
    config.checkpoint.every = 0  # steps; 0: at every evaluation
    config.checkpoint.keep = 2  # newest checkpoints kept
    config.checkpoint.keep_best = 1  # best checkpoints kept beside them
    config.checkpoint.metric = "validation/accuracy"  # what "best" means
    config.checkpoint.mode = "max"  # max | min

    config.mesh = ConfigDict()  # devices per axis; one axis may be -1: all the rest
    config.mesh.data = -1  # batch split, parameters copied
    config.mesh.fsdp = 1  # batch split, parameters split as well
    config.mesh.tensor = 1  # parameters split by `rules`
    config.mesh.rules = ()  # (("regex of a parameter path", (axis or None, …)), …)

    config.distributed = ConfigDict()  # several processes; see jax.distributed
    config.distributed.coordinator = ""  # host:port of process 0 | auto (SLURM, TPU)
    config.distributed.num_processes = 1
    config.distributed.process_id = 0
    config.distributed.timeout = 60  # seconds of silence after which a peer is dead

    config.wandb = ConfigDict()
    config.wandb.mode = "disabled"  # disabled | offline | online
    config.wandb.project = "menagerie"
    config.wandb.group = ""  # runs of one sweep or of one experiment's seeds
    config.wandb.tags = ()


def _add_claim(config: ConfigDict) -> None:
    """Adds what the experiment reproduces; scripts/reproduce.py judges it."""
    config.claim = ConfigDict()
    config.claim.paper = ""  # authors: title; empty: nothing is claimed
    config.claim.year = 0
    config.claim.link = ""
    config.claim.table = ""  # where in the paper the number stands
    config.claim.metric = "test/accuracy"  # or test/error, which is 1 - accuracy
    config.claim.mode = "max"  # max: higher is better | min
    config.claim.protocol = ""  # data, and how the checkpoint and the number are read
    config.claim.published = config_dict.placeholder(float)  # None: no number
    config.claim.tolerance = 0.0  # how much worse the mean of the seeds may be
    config.claim.reason = ""  # for that tolerance
    config.claim.seeds = 3  # seed, seed + 1, …
    config.claim.hardware = ""  # class of machine that the next line is of
    config.claim.wall_time = ""  # of one seed there


def no_argument(arg: str, legal: tuple[str, ...] = ("quick",)) -> None:
    """Refuses an argument (`--config=file.py:arg`) that a config does not take.

    Raises:
      ValueError: `arg` is neither empty nor one of `legal`.
    """
    if arg not in ("", *legal):
        raise ValueError(
            f"config argument {arg!r} is unknown; use none or {' or '.join(legal)}"
        )


def use_synthetic(config: ConfigDict, **fields) -> None:
    """Replaces the data by learnable synthetic data of the same form, in place.

    Args:
      config: an experiment's config.
      **fields: of research/data/synthetic.py: image_shape, num_classes, …
    """
    for key in set(config.data) - set(get_config().data):
        del config.data[key]
    config.data.name, config.data.path = "synthetic", ""
    config.data.update(fields)


def use_synthetic_text(config: ConfigDict, **fields) -> None:
    """Replaces a text by learnable synthetic text that is read alike, in place.

    Args:
      config: an experiment's config.
      **fields: of research/data/synthetic_text.py, where they differ from the config's.
    """
    kept = ("tokenizer", "vocabulary_size", "min_frequency", "lowercase", "length")
    _use(config, "synthetic_text", (*kept, "stride", "contiguous"), fields)


def use_synthetic_objects(config: ConfigDict, **fields) -> None:
    """Replaces pictures with boxes by learnable synthetic ones, in place.

    Args:
      config: an experiment's config.
      **fields: of research/data/synthetic_objects.py: image_shape, num_classes, …
    """
    use_synthetic(config, **fields)
    config.data.name = "synthetic_objects"


def use_synthetic_pairs(config: ConfigDict, **fields) -> None:
    """Replaces translation pairs by learnable synthetic ones, in place.

    Args:
      config: an experiment's config.
      **fields: of research/data/synthetic_pairs.py, where they differ.
    """
    kept = ("tokenizer", "vocabulary_size", "min_frequency", "lowercase")
    _use(config, "synthetic_pairs", (*kept, "source_length", "target_length"), fields)


def use_synthetic_time_series(config: ConfigDict, **fields) -> None:
    """Replaces a series by a learnable synthetic one, in place.

    Args:
      config: an experiment's config.
      **fields: of research/data/synthetic_time_series.py, where they differ.
    """
    _use(config, "synthetic_time_series", ("length", "horizon", "calendar"), fields)


def _use(config: ConfigDict, name: str, kept: tuple[str, ...], fields) -> None:
    """Replaces the data, keeping the fields in `kept` as far as the config has them."""
    old = {key: config.data[key] for key in kept if key in config.data}
    use_synthetic(config, **{**old, **fields})
    config.data.name = name
