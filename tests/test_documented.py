"""Everything documented is executed: the commands of README, CONTRIBUTING and configs.

What scripts, flags, configs, keys and files the text names is always checked. The
commands themselves run in their quick form, in the order of the text, with generated
images in place of the reader's: a few by default, the others with `-m slow`.
"""

import ast
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from configs import base
from research.training import settings
from scripts import app
from tests import flags

PAGES = ("README.md", "CONTRIBUTING.md")
CONFIGS = app.config_names()

# Part of a command -> why it is not run here.
NOT_RUN = {
    "make ": "sets up an environment from the network; CI runs it",
    ".ci/run": "is what runs this test",
    "pytest": "is what runs this test",
    "activate": "belongs to the reader's shell",
    "--weights=resnet50": "fetches weights from the network",
    "prepare_data.py": "fetches data from the network",
    "import_weights.py": "reads a file that the reader brings; see tests/weights",
    "--config.distributed.": "needs two processes; see tests/training",
    "--config.model.name=net": "is of a model that the reader writes",
    "--executor=slurm": "needs a cluster",
    "--storage=postgresql": "needs a database; see tests/sweeps",
    "sample_quality.py": "needs a trained classifier; see tests/prediction",
    "wandb ": "needs an account",
    "benchmark.py": "takes minutes and is run for the README's numbers",
    "--rerun=": "needs MNIST; see tests/reproduction",
    "SERIES.csv": "reads a series that the reader brings; see tests/prediction",
    "one_class.py": "trains a network per class; see tests/data",
    "ROMEO:": "needs Shakespeare's characters; see tests/prediction",
    "NAME": "stands for any config; the configs are run by themselves",
}
# Run by default; the others are slow.
BRIEF = (
    *("runs/lenet --split=test", "runs/lenet some.png", "report.py --workdir"),
    *("report.py   --workdir", "report.py compare", "--check", "--list"),
)


# What the reader brings, which the quick form of a config does without.
_READERS = (
    *("--config.data.path", "--config.data.tokenizer", "--config.init.weights"),
)


@dataclass(frozen=True)
class Command:
    """A command and where it stands."""

    where: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def script(self) -> str | None:
        """The name of the script that it starts, if it starts one of ours."""
        found = re.search(r"scripts/(\w+)\.py", self.text)
        return found[1] if found else None


def _of_page(name: str) -> list[Command]:
    text = (app.ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    commands = re.compile(r"(python |make |\.ci/|scripts/\w+\.py )")
    lines += [span for span in spans if commands.match(span)]
    return [Command(name, line.strip()) for line in lines if _is_command(line)]


def _is_command(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("#")


def _of_config(name: str) -> list[Command]:
    """Reads "python scripts/…" lines of a docstring, and what continues them."""
    text = (app.ROOT / "configs" / f"{name}.py").read_text(encoding="utf-8")
    lines = ast.get_docstring(ast.parse(text)).splitlines()
    found = []
    for number, line in enumerate(lines):
        if line.startswith("python scripts/"):
            for more in lines[number + 1 :]:
                if not more.startswith("--"):
                    break
                line += f" {more}"
            # Prose may follow in parentheses.
            found.append(Command(f"configs/{name}.py", line.partition(" (")[0]))
    return found


README = [command for page in PAGES for command in _of_page(page)]
IN_CONFIGS = {name: _of_config(name) for name in CONFIGS}
ALL = README + [command for commands in IN_CONFIGS.values() for command in commands]


def test_commands_are_found():
    scripts = {command.script for command in README}
    assert {"train", "evaluate", "predict", "verify", "report", "reproduce"} <= scripts
    assert all(IN_CONFIGS.values()), "every config's docstring gives its command"


@pytest.mark.parametrize("command", ALL, ids=lambda c: f"{c.where}: {c.text[:60]}")
def test_scripts_flags_configs_and_keys_exist(command):
    if command.text.startswith("make "):
        assert f"\n{command.words[1]}:" in (app.ROOT / "Makefile").read_text()
    if command.text.startswith(".ci/"):
        assert (app.ROOT / command.words[0]).is_file()
    if command.script is None:
        return
    file = app.ROOT / "scripts" / f"{command.script}.py"
    assert file.is_file(), f"there is no {file.name}"
    source = file.read_text()
    if command.script == "predict":  # each task has options of its own
        tasks = (app.ROOT / "research" / "prediction").glob("*.py")
        source += "".join(each.read_text() for each in tasks)
    for word in command.words:
        flag = re.match(r"--(?!config[.=])(?:no)?([\w-]+)", word)
        if flag:
            assert f'"--{flag[1]}"' in source, f"{file.name} has no --{flag[1]}"
    if command.script == "reproduce":
        named = [word for word in command.words[2:] if not word.startswith("--")]
        assert {*named} <= {*CONFIGS, "NAME"}, f"there is no config {named}"
    argv = [word for word in command.words if re.match(r"--config[.=]", word)]
    argv = [w for w in argv if "…" not in w and not w.startswith("--config.key=")]
    if any(word.startswith("--config=") for word in argv):
        config = app.load_config(argv)
        if "--config.model.name=net" not in argv:
            settings.check(config)
    for word in command.words:
        if re.match(r"--(sweep|config)=[^<…]+$", word):
            named = word.partition("=")[2].partition(":")[0]
            assert (app.ROOT / named).is_file(), f"there is no {named}"


@pytest.mark.parametrize("page", PAGES)
def test_keys_and_files_that_the_text_names_exist(page):
    text = (app.ROOT / page).read_text(encoding="utf-8")
    for key in set(re.findall(r"\bconfig\.([a-z][\w.]*\w)", text)) - {"json", "key"}:
        group = base.get_config()
        for part in key.split("."):
            open_group = key.split(".")[0] in base.OPEN_GROUPS and group is not None
            if isinstance(group, ConfigDict) and part in group:
                group = group[part]
            else:
                assert open_group, f"{page} names config.{key}, which is no key"
                break
    names = re.findall(r"`((?:configs|research|scripts|tests|docs)/[\w/.-]+)`", text)
    for name in names:
        assert (app.ROOT / name).exists(), f"{page} names {name}, which is not there"


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_gives_its_own_command(name):
    """Its quick form is run by tests/test_scripts.py."""
    trained = [c for c in IN_CONFIGS[name] if c.script == "train"]
    assert any(f"--config=configs/{name}.py" in c.words for c in trained)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with what the text supposes that the reader has."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "a_folder").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    for name in ("some.png", "a_folder/one.png", "holiday.jpg", "photo.jpg"):
        Image.fromarray(pixels).save(folder / name)
    return folder


def _quick(command: Command) -> list[str]:
    """Rewrites a command: quick configs, few steps, this Python, no reader's data."""
    words = [word for word in command.words if not word.startswith(_READERS)]
    words = [re.sub(r"^(--config=[^:]+)$", r"\1:quick", word) for word in words]
    words = [re.sub(r"^\./", "", word) for word in words]
    first = next(i for i, word in enumerate(words) if word.startswith("scripts/"))
    words = [sys.executable, str(app.ROOT / words[first]), *words[first + 1 :]]
    if command.script == "train":
        words.append("--config.train.steps=20")
    if command.script == "verify" and "resume" in words:
        words.append("--steps=24")
    if command.script == "reproduce" and "--check" not in words:
        words = [f"{word}:quick" if word in CONFIGS else word for word in words]
        words += ["--root=."]  # what it writes stays here
    return words


def _reason(command: Command) -> str | None:
    if command.script is None and "python" not in command.text:
        return NOT_RUN.get(next((k for k in NOT_RUN if k in command.text), ""), "prose")
    return next((why for part, why in NOT_RUN.items() if part in command.text), None)


def _run(command: Command, folder: pathlib.Path) -> None:
    done = subprocess.run(
        _quick(command),
        cwd=folder,
        env=os.environ | {"XLA_FLAGS": flags.QUICK_COMPILATION},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command.text}\n{done.stdout}{done.stderr}"


RUN = [c for c in README if _reason(c) is None and "…" not in c.text]
TRAINED = next(c for c in RUN if c.script == "train")


def _is_brief(command: Command) -> bool:
    return any(part in command.text for part in BRIEF)


def test_the_brief_commands_run(reader):
    commands = [c for c in RUN if _is_brief(c)]
    assert {c.script for c in commands} >= {"evaluate", "report", "predict"}
    _run(TRAINED, reader)
    for name in ("a", "b"):  # what the text compares
        shutil.copytree(reader / "runs" / "lenet", reader / "runs" / name)
    for command in dict.fromkeys(commands):
        _run(command, reader)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_commands_run(reader):
    for command in dict.fromkeys(RUN):
        if command is TRAINED or not _is_brief(command):
            _run(command, reader)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_in_a_config_runs(tmp_path):
    for commands in IN_CONFIGS.values():
        for command in commands:
            if _reason(command) is None:
                _run(command, tmp_path)


def test_a_command_that_is_gone_is_noticed():
    for text, said in (
        ("python scripts/trian.py --config=configs/mlp_mnist.py", "no trian.py"),
        ("python scripts/train.py --confg=configs/mlp_mnist.py", "no --confg"),
        ("python scripts/report.py compare a b --pge=x.html", "no --pge"),
    ):
        with pytest.raises(AssertionError, match=said):
            test_scripts_flags_configs_and_keys_exist(Command("README.md", text))
    with pytest.raises(ValueError, match="did you mean 'train.epochs'"):
        test_scripts_flags_configs_and_keys_exist(
            Command(
                "README.md",
                "python scripts/train.py --config=configs/mlp_mnist.py "
                "--config.train.epoch=3",
            )
        )
