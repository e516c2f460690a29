"""Every script as a user starts it: as a subprocess, from another folder."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from research import lookup
from research.training import settings
from scripts import app
from tests import flags

SCRIPTS = sorted(
    file.stem
    for file in (app.ROOT / "scripts").glob("*.py")
    if file.stem not in ("__init__", "app")
)


def start(script: str, *argv, cwd=None, **env):
    """Runs scripts/<script>.py on one device, as outside of the tests."""
    return subprocess.run(
        [sys.executable, str(app.ROOT / "scripts" / f"{script}.py"), *map(str, argv)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"XLA_FLAGS": flags.QUICK_COMPILATION} | env,
    )


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    done = start("train", "--config=lenet_digits:quick", f"--workdir={folder}")
    assert done.returncode == 0, done.stderr
    assert f"report: {folder}/report.html" in done.stdout
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_comes_in_under_two_seconds(script, tmp_path):
    began = time.perf_counter()
    done = start(script, "--help", cwd=tmp_path)
    assert time.perf_counter() - began < 2
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {script}.py")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("script", "option"), [("inspect", "--choose"), ("reproduce", "--list")]
)
def test_a_reader_that_leaves_ends_a_script_quietly(script, option, unbuffered):
    read, write = os.pipe()
    os.close(read)  # as `| head` does once it has seen enough
    try:
        done = subprocess.run(
            [sys.executable, str(app.ROOT / "scripts" / f"{script}.py"), option],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    finally:
        os.close(write)
    assert done.stderr == ""
    assert done.returncode == 128 + signal.SIGPIPE


def test_another_broken_pipe_is_a_bug():
    code = (
        "import os\nfrom scripts import app\n"
        "def main(argv):\n    read, write = os.pipe()\n    os.close(read)\n"
        "    os.write(write, b'text')\n"
        "app.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=app.ROOT
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "BrokenPipeError: [Errno 32] Broken pipe"


@pytest.fixture(scope="module")
def forked():
    """Runs scripts in forks of one process; see tests/driver.py."""
    driver = subprocess.Popen(
        [sys.executable, str(app.ROOT / "tests" / "driver.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(cwd, *commands, kill_after=None):
        commands = [list(map(str, command)) for command in commands]
        job = {"cwd": str(cwd), "commands": commands, "kill_after": kill_after}
        driver.stdin.write(json.dumps(job) + "\n")
        driver.stdin.flush()
        return json.loads(driver.stdout.readline())

    yield run
    driver.stdin.close()
    driver.stdout.close()
    driver.wait(timeout=30)


# Of a task the config that compiles quickest. The others are slow, and so are all of
# the tasks that are not here, whose programs take long to compile.
_BRIEF = (
    *("lenet_digits", "lstm_shakespeare", "dlinear_etth1"),
    *("lstm_adding", "anomaly_series"),
)


def _distinct() -> list:
    """Lists the configs, of those with the same quick form one."""
    forms = {}
    for name in (*_BRIEF, *app.config_names()):
        quick = app.read_config(f"{name}:quick").to_dict()
        forms.setdefault(settings.digest(quick), name)
    return [
        name if name in _BRIEF else pytest.param(name, marks=pytest.mark.slow)
        for name in forms.values()
    ]


@pytest.mark.parametrize("name", _distinct())
def test_every_config_is_killed_resumes_evaluates_and_reports(name, tmp_path, forked):
    folder = tmp_path / "run"
    argv = (f"--config={name}:quick", "--config.train.steps=4", f"--workdir={folder}")
    argv += ("--config.checkpoint.every=2", "--config.schedule.warmup_steps=1")
    train = ("train", *argv)
    killed = forked(tmp_path, train, kill_after=2)
    assert killed["status"] == -signal.SIGKILL, killed["output"]
    evaluate = ("evaluate", f"--workdir={folder}", "--json")
    done = forked(tmp_path, train, evaluate)
    assert done["status"] == 0, done["output"]
    starts = json.loads((folder / "environment.json").read_text())
    assert [start["from_step"] for start in starts] == [0, 2]
    metrics = json.loads(done["output"].splitlines()[-1])
    chosen = app.read_config(f"{name}:quick").checkpoint.metric.partition("/")[2]
    assert set(metrics) >= {"test/loss", f"test/{chosen}"}
    assert chosen in (folder / "report.html").read_text()


def test_evaluation_says_errors_and_enters_the_report(digits_run):
    done = start("evaluate", f"--workdir={digits_run}", "--split=test")
    assert done.returncode == 0, done.stderr
    assert "359 examples" in done.stdout and "errors " in done.stdout
    stored = json.loads((digits_run / "evaluation" / "test.json").read_text())
    assert stored["metrics"]["test/accuracy"] > 0.8
    assert (digits_run / "report.html").stat().st_size > 10_000


def test_a_run_of_an_older_version_is_opened(digits_run, tmp_path):
    """Keys that were added since hold what changes nothing."""
    old = tmp_path / "old"
    shutil.copytree(digits_run, old)
    config = json.loads((old / "config.json").read_text())
    del config["train"]["average_after"], config["data"]["sort_pool"]
    (old / "config.json").write_text(json.dumps(config))
    data = json.loads((old / "data.json").read_text())
    for key in ("sizes", "tokenizers", "contiguous"):
        del data[key]
    (old / "data.json").write_text(json.dumps(data))
    done = start("evaluate", f"--workdir={old}", "--split=test", "--json")
    assert done.returncode == 0, done.stderr
    expected = json.loads((digits_run / "evaluation" / "test.json").read_text())
    assert json.loads(done.stdout.splitlines()[-1]) == expected["metrics"]


def test_training_again_does_nothing_more(digits_run):
    before = (digits_run / "metrics.jsonl").read_text()
    done = start("train", "--config=lenet_digits:quick", f"--workdir={digits_run}")
    assert done.returncode == 0, done.stderr
    assert (digits_run / "metrics.jsonl").read_text() == before


def test_predict_names_a_digit(digits_run, tmp_path):
    from research.data import digits

    example = {
        k: v[0] for k, v in digits.load("test", image_size=28).gather([0]).items()
    }
    file = tmp_path / "digit.png"
    Image.fromarray(example["image"][..., 0]).save(file)
    done = start("predict", f"--workdir={digits_run}", file, "--json", "--top=10")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])
    assert row["file"] == str(file)
    assert sum(c["probability"] for c in row["classes"]) == pytest.approx(1, abs=1e-5)
    assert row["classes"][0]["class"] == str(example["label"])


def test_predict_reads_folders_and_refuses_what_is_no_image(digits_run, tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((9, 13), np.uint8)).save(tmp_path / name)
    done = start("predict", f"--workdir={digits_run}", tmp_path)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        str(tmp_path / "a.png"),
        str(tmp_path / "b.png"),
    ]
    (tmp_path / "c.png").write_bytes(b"\x89PNG cut short")
    done = start("predict", f"--workdir={digits_run}", tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr.count("\n") == 1 and "c.png is not a readable image" in done.stderr
    )


def test_inspect_counts_before_training():
    done = start("inspect", "--config=lenet_mnist", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["parameters"]["all"] == 60_000
    assert facts["data"]["present"] is False
    assert "config.data.path" in facts["data"]["how to get it"]
    assert facts["cost"]["operations per device call"] > 1e6
    # parameters and two moments (float32 each), counters and the seed
    assert facts["cost"]["state bytes"] == pytest.approx(3 * 4 * 60_000, abs=64)
    assert facts["cost"]["peak bytes per device"] > facts["cost"]["state bytes"]


def test_verify_resume_after_a_real_kill():
    done = start("verify", "resume", "--config=mlp_mnist:quick", "--steps=30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal: resume is bit-exact over 30 steps" in done.stdout


@pytest.mark.parametrize("config", ["lenet_digits", "lstm_ptb:quick"])
def test_verify_data_prints_one_digest(config):
    """Of permuted examples, and of streams of a text."""
    done = start("verify", "data", f"--config={config}")
    assert done.returncode == 0, done.stderr
    digests = {line.split()[-1] for line in done.stdout.splitlines()[:4]}
    assert len(digests) == 1


@pytest.mark.slow
def test_verify_mesh_agrees():
    done = start("verify", "mesh", "--config=mlp_mnist:quick", "--steps=16")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("equal: ")


@pytest.mark.slow
def test_replay_names_the_operation(tmp_path):
    folder = tmp_path / "run"
    done = start(
        "train",
        "--config=lenet_digits:quick",
        f"--workdir={folder}",
        "--config.optimizer.name=sgd",
        "--config.optimizer.learning_rate=1e20",
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the loss became nan at step ")
    done = start("verify", "replay", f"--workdir={folder}", "--step=3")
    assert done.returncode == 0, done.stderr
    assert "first bad operation: " in done.stdout


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ["--config.optimizer.learning_rte=1"],
            "unknown config key 'optimizer.learning_rte'; did you mean "
            "'optimizer.learning_rate'?",
        ),
        (
            ["--config.model.name=lenett"],
            "unknown model 'lenett'; did you mean 'lenet'? use one of "
            + ", ".join(lookup.names("models")),
        ),
        (
            ["--config.data.name=image_folder", "--config.data.path=nowhere"],
            "data folder nowhere does not exist; set config.data.path to a folder with "
            "one folder of images per class",
        ),
        (
            ["--config.mesh.data=3"],
            "config.mesh must multiply to the 1 devices here, got data 3 x fsdp 1 x "
            "tensor 1; set one axis to -1 to take the rest",
        ),
        (
            ["--config.data.batch_size=5000"],
            "data.batch_size must be in 1..1079, the size of the training split, got "
            "5000; use a smaller batch",
        ),
        (
            ["--config.model.num_classes=7"],
            "config.model.num_classes=7, but that of the data is 10; leave it out to "
            "follow the data",
        ),
    ],
    ids=lambda value: value[0].split("=")[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence_and_exit_code_2(argv, sentence, tmp_path):
    base = ("--config=lenet_digits", f"--workdir={tmp_path}")
    if "image_folder" in argv[0]:
        base = ("--config=mlp_mnist", f"--workdir={tmp_path}")
    done = start("train", *base, *argv, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: {sentence}\n"


def test_a_bug_keeps_its_traceback():
    code = (
        "from scripts import app\nwith app.one_sentence_errors():\n    int('a bug')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "invalid literal for int()" in done.stderr


@pytest.mark.parametrize("typed", [True, False])
def test_a_path_that_leads_nowhere_is_a_mistake_where_it_was_typed(typed, tmp_path):
    file = tmp_path / "missing" / "codes.npz"
    code = (
        "import numpy as np\nfrom scripts import app\n"
        f"with app.one_sentence_errors():\n    np.savez({str(file)!r}, x=1)\n"
    )
    command = [sys.executable, "-c", code] + [f"--to={file}"] * typed
    done = subprocess.run(command, capture_output=True, text=True, cwd=app.ROOT)
    if typed:
        assert done.returncode == 2
        assert done.stderr == (
            f"error: {file} cannot be opened (No such file or directory); correct the "
            "path\n"
        )
    else:
        assert done.returncode == 1 and "Traceback" in done.stderr


def test_an_error_of_a_library_inside_the_project_folder_is_a_bug(tmp_path):
    library = app.ROOT / ".venv" / "library.py"  # where `make` puts the packages
    code = compile("raise ValueError('a bug')", str(library), "exec")
    with pytest.raises(ValueError, match="a bug"), app.one_sentence_errors():
        exec(code)


def test_an_unwritable_workdir_is_one_sentence(tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = start("train", "--config=lenet_digits", f"--workdir={file}/run")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the run directory {file}/run cannot be written (Not a directory); "
        "choose another --workdir\n"
    )


def test_a_full_disk_is_one_sentence(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    try:
        done = start("train", "--config=lenet_digits:quick", f"--workdir={disk}/run")
        assert done.returncode == 2, done.stderr
        sentence = done.stderr.splitlines()[-1]
        assert sentence.startswith(f"error: {disk}/run")
        assert "cannot be written (No space left on device); make room" in sentence
        assert "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_is_no_run_is_one_sentence(tmp_path):
    for script in ("evaluate", "report"):
        done = start(script, f"--workdir={tmp_path}")
        assert done.returncode == 2
        assert done.stderr == (
            f"error: {tmp_path} holds no config.json, so it is no run directory; give "
            "the --workdir of a training run\n"
        )


@pytest.mark.slow
def test_lenet_on_real_mnist_starts(research_data, tmp_path):
    done = start(
        "train",
        "--config=lenet_mnist",
        f"--config.data.path={pathlib.Path(research_data) / 'mnist'}",
        "--config.data.holdout=0.01",  # 600 images, which are soon evaluated
        "--config.train.steps=20",
        "--config.train.log_every=10",
        f"--workdir={tmp_path}",
        XLA_FLAGS="",  # so much data is read sooner by optimised programs
    )
    assert done.returncode == 0, done.stderr
    assert "validation/accuracy" in done.stdout
