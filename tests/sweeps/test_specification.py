"""What a sweep is made of, and one sentence for each mistake before it starts."""

import subprocess
import sys

import pytest
from ml_collections import ConfigDict

from configs.sweeps import base
from research.sweeps import checks, preflight, table
from research.sweeps.contract import Check
from scripts import app, sweep

RATE = "optimizer.learning_rate"


def _file(tmp_path, **keys):
    """Writes a sweep's file; values as Python text."""
    keys = {
        "config": "'lenet_digits:quick'",
        "space": "{'optimizer.learning_rate': base.log_uniform(1e-4, 1e-1)}",
        "trials": "4",
    } | keys
    body = ", ".join(f"{key}={value}" for key, value in keys.items())
    file = tmp_path / "mine.py"
    file.write_text(
        "from configs.sweeps import base\n"
        f"def get_sweep():\n    return base.sweep({body})\n"
    )
    return file


def test_every_sweep_of_the_project_is_legal():
    files = [f.stem for f in (app.ROOT / "configs" / "sweeps").glob("*.py")]
    for name in set(files) - {"__init__", "base"}:
        options, argv = app.parse(sweep._parser(), [f"--sweep={name}"])
        made = sweep._specify(options, argv)
        assert made.name == name and made.trials > 0


def test_what_was_typed_goes_before_overrides():
    argv = ["--sweep=lenet_digits", "--config.train.eval_every=20"]
    made = sweep._specify(*app.parse(sweep._parser(), argv))
    assert (made.base["train"]["eval_every"], made.base["train"]["log_every"]) == (
        20,
        40,
    )
    assert "--config.train.eval_every=20" in made.arguments
    assert "--config.train.eval_every=40" not in made.arguments


def test_a_run_of_a_trial_carries_all_that_was_fixed(new_sweep):
    made = new_sweep(
        space={RATE: base.grid(1, 2), "model.dtype": base.choice("float32")},
        sampler="grid",
        trials=0,
        steps=70,
        overrides={"train.log_every": 7, "seed": 5},
        metric="validation/loss",
        direction="minimize",
    )
    assert made.trials == 2
    config = ConfigDict(made.config({RATE: 2, "model.dtype": "float32"}, 1, 0))
    assert config.optimizer.learning_rate == 2.0
    assert isinstance(config.optimizer.learning_rate, float)
    assert config.train.steps == 70 and config.train.log_every == 7
    assert config.seed == 5 and config.name == "test-1"
    assert (config.checkpoint.metric, config.checkpoint.mode) == (
        "validation/loss",
        "min",
    )
    assert config.wandb.group == "test"
    app.check_keys(config)


def test_the_winner_s_command_trains_the_winner_in_full(new_sweep):
    made = new_sweep(
        space={
            RATE: base.grid(0.1),
            "augment.jitter": base.choice((0.1, 0.0, 0.0, 0.0)),
        },
        sampler="grid",
        trials=0,
        steps=70,
        overrides={"train.log_every": 7},
    )
    (point,) = made.space.points()
    row = {"state": "complete", "value": 0.5, "number": 0}
    row["params"] = made.space.sets(point)
    command = table.winner_command([row], made)
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True
    ).stdout.splitlines()
    assert words[:2] == ["python", "scripts/train.py"]
    config = app.load_config([w for w in words if w.startswith("--config")])
    trained = made.config(point, 0, 0)
    assert config.train.steps == 0 and trained["train"]["steps"] == 70
    assert config.optimizer.to_dict() == trained["optimizer"]
    assert config.augment.to_dict() == trained["augment"]
    assert config.train.log_every == 7


MISTAKES = [
    (
        {"space": "{'optimizer.learning_rte': base.uniform(0, 1)}"},
        "unknown config key 'optimizer.learning_rte'; did you mean "
        "'optimizer.learning_rate'?",
    ),
    (
        {"space": "{'optimiser.learning_rate': base.uniform(0, 1)}"},
        "unknown config key 'optimiser'; did you mean 'optimizer'?",
    ),
    (
        {"overrides": "{'train.stepz': 3}"},
        "unknown config key 'train.stepz'; did you mean 'train.steps'?",
    ),
    (
        {"space": "{'optimizer.learning_rate': base.choice('high')}"},
        "config.optimizer.learning_rate is float, got 'high'; give a value of its type",
    ),
    (
        {"space": "{'data.batch_size': base.uniform(8, 64)}"},
        "config.data.batch_size is int, got 8.0; give a value of its type",
    ),
    (
        {"space": "{'optimizer': base.choice(1)}"},
        "config.optimizer is a group, got 1; give a value of its type",
    ),
    (
        {"space": "{'optimizer.learning_rate': base.grid()}"},
        "space['optimizer.learning_rate']: grid has no values; give at least one, or "
        "leave the key out",
    ),
    (
        {"metric": "'train/loss'"},
        "metric='train/loss' is not measured at evaluations; use one of the split "
        "validation, such as validation/accuracy",
    ),
    (
        {"trial": "4"},
        "unknown sweep key 'trial'; did you mean 'trials'? use one of "
        + ", ".join(base.DEFAULTS),
    ),
    ({"sampler": "'tpee'"}, "unknown sampler 'tpee'; did you mean 'tpe'? use one of "
     "grid, random, qmc, tpe, cmaes, gp"),
    ({"seeds": "0"}, "seeds must be a whole number, at least 1, got 0"),
    (
        {"trials": "0"},
        "trials=0 means the whole grid, but sampler is 'tpe'; give the number of "
        "trials",
    ),
    (
        {"sampler": "'grid'", "space": "{'seed': base.grid(1, 2)}"},
        "trials=4, but the grid has 2 points; give 0 for all of them",
    ),
    (
        {"sampler": "'cmaes'", "space": "{'optimizer.name': base.choice('sgd')}"},
        "sampler 'cmaes' searches numbers only, but optimizer.name has listed values; "
        "use tpe or gp, or a range",
    ),
    (
        {"seeds": "3", "space": "{'seed': base.grid(1, 2)}"},
        "'seed' is set by both space and seeds; leave it out of one",
    ),
    (
        {"steps": "9", "overrides": "{'train.steps': 9}"},
        "'train.steps' is set by both overrides and steps; leave it out of one",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "sentence"),
    MISTAKES,
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_a_mistake_in_the_file_is_one_sentence(keys, sentence, tmp_path):
    file = _file(tmp_path, **keys)
    options, argv = app.parse(sweep._parser(), [f"--sweep={file}"])
    with pytest.raises(ValueError) as error:
        sweep._specify(options, argv)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ["--sweep=lenet_digit"],
            "there is no sweep 'lenet_digit'; use one of lenet_digits, mlp_mnist",
        ),
        (
            ["--sweep=lenet_digits", "--executor=threads"],
            "unknown --executor=threads; use one of process, population, slurm",
        ),
        (
            ["--sweep=lenet_digits", "--workers=0"],
            "--workers must be at least 1, got 0",
        ),
        (
            ["--sweep=lenet_digits", "--config=mlp_mnist"],
            "a sweep names its config itself; leave --config out, single keys can be "
            "fixed by --config.key=value",
        ),
        (
            ["--sweep=lenet_digits", "--config.optimizer.name=sgd"],
            "'optimizer.name' is set by both space and the command line; leave it out "
            "of one",
        ),
        (
            ["--sweep=lenet_digits", "--config.train.steps=100"],
            "'train.steps' is set by both the command line and steps; leave it out of "
            "one",
        ),
    ],
    ids=lambda x: x[-1] if isinstance(x, list) else "",
)
def test_a_mistake_on_the_command_line_is_one_sentence(argv, sentence):
    options, rest = app.parse(sweep._parser(), argv)
    with pytest.raises(ValueError) as error:
        sweep._specify(options, rest)
    assert str(error.value).startswith(sentence.split("; use one of lenet")[0])


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"space": {"optimizer.name": base.choice("adamw", "momentun")}},
            "trials with optimizer.name=momentun cannot run: unknown "
            "config.optimizer.name 'momentun'; did you mean 'momentum'? use one of ",
        ),
        (
            {"space": {"model.dropuot": base.uniform(0, 0.5)}},
            "trials with model.dropuot=0.0 cannot run: unknown key in config.model "
            "(model 'lenet') 'dropuot'; ",
        ),
        (
            {"space": {"data.batch_size": base.integer(16, 4000)}},
            "trials with data.batch_size=4000 cannot run: data.batch_size must be in "
            "1..1079, the size of the training split, got 4000; use a smaller batch",
        ),
        (
            {"metric": "validation/acuracy"},
            "unknown metric 'validation/acuracy'; did you mean 'validation/accuracy'? "
            "use one of validation/accuracy, validation/accuracy_top5, validation/loss",
        ),
        (
            {"overrides": {"distributed.coordinator": "auto"}},
            "a trial is one process, but config.distributed.coordinator is 'auto'; "
            "leave it empty",
        ),
    ],
)
def test_what_only_data_and_models_can_tell_is_checked_before_the_start(
    keys, sentence, new_sweep
):
    told = checks.complaint(preflight.samples(new_sweep(**keys)))
    assert told.startswith(sentence)


def test_a_legal_sweep_has_no_complaint(new_sweep):
    assert checks.complaint(preflight.samples(new_sweep())) is None


def test_a_metric_that_follows_from_others_is_legal():
    """Perplexity, of which an evaluation's steps know the loss alone."""
    config = app.read_config("lstm_ptb:quick").to_dict()
    told = [
        checks.complaint(Check((("", config),), f"validation/{name}"))
        for name in ("perplexity", "perplexty")
    ]
    assert told[0] is None
    assert told[1].startswith(
        "unknown metric 'validation/perplexty'; did you mean 'validation/perplexity'?"
    )


def test_the_script_ends_with_one_sentence_and_starts_nothing(tmp_path):
    file = _file(tmp_path, metric="'validation/acuracy'")
    script = app.ROOT / "scripts" / "sweep.py"
    argv = [f"--sweep={file}", f"--workdir={tmp_path}/work"]
    done = subprocess.run(
        [sys.executable, str(script), *argv], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: unknown metric 'validation/acuracy'; did")
    assert not (tmp_path / "work").exists()
