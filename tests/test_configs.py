"""Every config: it resolves, its keys are guarded, its values survive JSON."""

import functools
import importlib
import json
import subprocess
import sys

import pytest
from ml_collections import ConfigDict

from configs import base
from research.training import experiment, fields, run, settings
from scripts import app

NAMES = app.config_names()
ARGUMENTS = ("", "quick")
# Sources that a classifier may read as well.
NOT_IMAGES = ("adding", "fsdd", "speech_commands", "text_table")


def _leaves(config, prefix=""):
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _misspell(key: str) -> str:
    """Doubles the last letter: the nearest legal key is the one that was meant."""
    return key + key[-1]


def _one_of_each() -> list:
    """Lists the configs; of one model, task and source all but the first are slow."""
    listed, seen = [], set()
    for name in NAMES:
        config = app.read_config(name)
        kind = config.model.name, config.task.name, config.data.name
        marks = [pytest.mark.slow] if kind in seen else []
        listed.append(pytest.param(name, marks=marks))
        seen.add(kind)
    return listed


ONE_OF_EACH = _one_of_each()


def test_there_are_configs():
    assert {"lenet_digits", "lenet_mnist", "mlp_mnist"} <= set(NAMES)


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("name", NAMES)
def test_it_resolves_and_passes_its_checks(name, argument):
    config = app.load_config([f"--config={name}:{argument}".rstrip(":")])
    settings.check(config)
    assert config.is_locked
    assert config.name == (f"{name}_{argument}" if argument else name)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_argument_is_refused(name):
    with pytest.raises(ValueError) as error:
        app.read_config(f"{name}:fast")
    assert str(error.value) == "config argument 'fast' is unknown; use none or quick"


@pytest.mark.parametrize("name", NAMES)
def test_json_round_trip(name, tmp_path):
    config = app.load_config([f"--config={name}"])
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    assert run.read_config(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_misspelt_key_on_the_command_line_names_the_right_one(name):
    for key, value in _own(name):
        group, _, last = key.rpartition(".")
        wrong = f"{group}.{_misspell(last)}".lstrip(".")
        argv = [f"--config={name}", f"--config.{wrong}={value}"]
        with pytest.raises(ValueError) as error:
            _build(app.load_config(argv), name)
        meant = (f"did you mean {last!r}?", f"did you mean {key!r}?")
        assert any(words in str(error.value) for words in meant), key


def _own(name: str):
    """Lists the keys of a config that are its own; those that all have, of one."""
    for key, value in _leaves(app.read_config(name)):
        group, _, last = key.rpartition(".")
        common = last in fields.FRAMEWORK_KEYS.get(group, (last,))
        if not common or name == NAMES[0]:
            yield key, value


def _write(tmp_path, line: str):
    file = tmp_path / "experiment.py"
    file.write_text(
        "from configs import base\n"
        "def get_config(arg=''):\n"
        "    config = base.get_config()\n"
        f"    {line}\n"
        "    return config\n"
    )
    return file


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "config.optimiser.name = 'sgd'",
            "unknown config key 'optimiser'; did you mean 'optimizer'?",
        ),
        (
            "config.seeds = 3",
            "unknown config key 'seeds'; did you mean 'seed'?",
        ),
    ],
)
def test_a_misspelt_group_in_a_file_names_the_right_one(line, message, tmp_path):
    file = _write(tmp_path, line)
    with pytest.raises(ValueError) as error:
        app.load_config([f"--config={file}"])
    assert str(error.value) == f"{file}: {message}"


def test_a_value_of_another_type_in_a_file_is_one_sentence(tmp_path):
    file = _write(tmp_path, "config.optimizer.learning_rate = 'fast'")
    with pytest.raises(ValueError) as error:
        app.load_config([f"--config={file}"])
    assert str(error.value).startswith(f"{file}: ")
    assert str(error.value).endswith("; correct the value or its type")


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_misspelt_key_in_a_file_names_the_right_one(name, tmp_path):
    for key, value in _own(name):
        group, _, last = key.rpartition(".")
        wrong = ".".join(part for part in (group, _misspell(last)) if part)
        file = tmp_path / "experiment.py"
        file.write_text(
            f"from configs import {name} as parent\n"
            "def get_config(arg=''):\n"
            "    config = parent.get_config(arg)\n"
            f"    config.{wrong} = {value!r}\n"
            "    return config\n"
        )
        with pytest.raises(ValueError) as error:
            _build(app.load_config([f"--config={file}"]), name)
        assert f"did you mean {last!r}?" in str(error.value), key


def _build(config, name):
    """Goes as far as a run does before it reads any data."""
    experiment.check_data_fields(config)
    image = experiment.source.Feature((64, 64, len(config.data.mean)), "uint8")
    label = experiment.source.Feature((), "int32")
    spec = experiment.source.Spec({"image": image, "label": label})
    if config.task.name != "classification" or config.data.name in NOT_IMAGES:
        spec = _quick_spec(name)
    experiment.build(config, spec, 10_000_000)


@functools.cache
def _quick_spec(name):
    """The form of a config's data, by its quick twin, which needs no files."""
    quick = app.load_config([f"--config={name}:quick"])
    return experiment.open_data(quick, ("train",))["train"].spec


def test_configs_load_without_jax():
    code = (
        "import sys\n"
        "from scripts import app\n"
        f"[app.read_config(name) for name in {NAMES!r}]\n"
        "print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "train.remat=foo",
            "unknown config.train.remat 'foo'; use one of none, dots, full",
        ),
        (
            "optimizer.name=adamW",
            "unknown config.optimizer.name 'adamW'; did you mean 'adamw'? use one of "
            "sgd, momentum, nesterov, adam, adagrad, rmsprop, adamw, lamb, lion, muon",
        ),
        (
            "data.batch_size=0",
            "config.data.batch_size must be at least 1, got 0; correct it in the "
            "config or on the command line",
        ),
        (
            "data.holdout=1.5",
            "config.data.holdout must be in 0.0..0.9, got 1.5; correct it in the "
            "config or on the command line",
        ),
        (
            "train.accumulate=3",
            "train.accumulate=3 must divide data.batch_size=32; change one of them",
        ),
        (
            "train.steps_per_call=7",
            "train.log_every=100 must be a multiple of train.steps_per_call=7; "
            "round it",
        ),
        (
            "train.epochs=0",
            "train.steps and train.epochs are both 0, which trains nothing; set one",
        ),
        (
            "train.epochs=inf",
            "config.train.epochs must be at least 0.0, got inf; correct it in the "
            "config or on the command line",
        ),
        (
            "data.std=('a',)",
            "config.data.std must hold numbers, got ('a',); correct it",
        ),
        (
            "data.std=(0.0,)",
            "data.mean and data.std need one value per channel each, std above 0, got "
            "(0.0,) and (0.0,); correct them",
        ),
    ],
)
def test_a_bad_value_is_one_sentence(override, message):
    with pytest.raises(ValueError) as error:
        settings.check(
            app.load_config(["--config=lenet_digits", f"--config.{override}"])
        )
    assert str(error.value) == message


def test_a_value_of_another_type():
    with pytest.raises(ValueError) as error:
        app.load_config(["--config=lenet_digits", "--config.seed=abc"])
    assert str(error.value) == (
        "config.seed=abc: invalid literal for int() with base 10: 'abc'; give a value "
        "of the key's type"
    )


def test_an_unknown_config_lists_the_known_ones():
    with pytest.raises(ValueError) as error:
        app.load_config(["--config=configs/lenett.py"])
    known = ", ".join(NAMES)
    assert str(error.value) == (
        f"there is no config 'configs/lenett.py'; use one of {known}"
    )


def test_base_is_complete():
    """What the framework reads of an open group is declared in configs/base.py."""
    for group, keys in fields.FRAMEWORK_KEYS.items():
        assert keys == set(base.get_config()[group]), group


def test_the_docstring_gives_the_command():
    for name in NAMES:
        doc = importlib.import_module(f"configs.{name}").__doc__
        assert f"configs/{name}.py" in doc, name
