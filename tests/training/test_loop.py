"""One run after another: resume, stop, refusal, damage, divergence."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from research.training import checkpoint, loop, run, settings, tracking, workdir
from research.training import state as states
from scripts import app

TINY = (
    "--config=mlp_mnist:quick",
    "--config.data.count=256",
    "--config.data.batch_size=32",
    "--config.data.eval_batch_size=64",
    "--config.model.variant=debug",
    "--config.train.steps=12",
    "--config.train.log_every=3",
    "--config.train.eval_every=6",
    "--config.checkpoint.every=2",
)


def tiny(*more: str):
    config = app.load_config([*TINY, *more])
    settings.check(config)
    return config


def digests(folder):
    opened = run.open_run(folder, run.read_config(folder), "latest")
    rows = tracking.read(folder / "metrics.jsonl")
    return opened.step, states.digest(opened.state), tracking.digest(rows)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    outcome = loop.train(tiny(), folder, ["train"])
    assert outcome["finished"] and outcome["step"] == 12
    return folder


def test_a_run_directory_holds_everything(unbroken):
    names = {file.name for file in unbroken.iterdir()}
    assert {"config.json", "data.json", "environment.json", "metrics.jsonl"} <= names
    rows = tracking.read(unbroken / "metrics.jsonl")
    assert [row["step"] for row in rows] == [3, 6, 6, 9, 12, 12]
    again = loop.train(tiny(), unbroken, ["train"])  # makes no step more
    assert again["metrics"]["validation/loss"] == rows[-1]["validation/loss"]
    assert "train/norm/grad" in rows[0] and "validation/accuracy" in rows[2]
    start = json.loads((unbroken / "environment.json").read_text())[0]
    assert start["packages"]["jax"] and start["cpu_cores"] >= 1


def test_it_learns(tmp_path):
    outcome = loop.train(
        tiny(
            "--config.train.steps=60",
            "--config.checkpoint.every=60",
            "--config.data.count=1024",
            "--config.model.features=(64,)",
            "--config.model.dropout=0.0",
            "--config.optimizer.name=adamw",
            "--config.optimizer.learning_rate=0.003",
        ),
        tmp_path,
        ["train"],
    )
    assert outcome["metrics"]["validation/accuracy"] > 0.8  # by chance: 0.1


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("at", [1, 5, 7, 11])
def test_a_run_stopped_anywhere_resumes_bit_for_bit(
    at, unbroken, tmp_path, monkeypatch
):
    """Dies without any clean-up between two steps, as kill -9 does."""
    made = 0
    train = loop.Programs.train

    def dying(self, *args):
        nonlocal made
        if made == at:
            raise _Stopped
        made += 1
        return train(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Programs, "train", dying)
        with pytest.raises(_Stopped):
            loop.train(tiny(), tmp_path, ["train"])
    outcome = loop.train(tiny(), tmp_path, ["train"])
    assert outcome["finished"]
    assert digests(tmp_path) == digests(unbroken)


def test_the_digest_notices_one_bit(unbroken):
    opened = run.open_run(unbroken, run.read_config(unbroken), "latest")
    leaves = states.named_leaves(opened.state.params)
    path, leaf = leaves[0]
    other = np.array(leaf)
    other.reshape(-1).view(np.uint32)[0] ^= 1
    assert states.digest({path: leaf}) != states.digest({path: other})


def test_another_seed_gives_another_run(unbroken, tmp_path):
    loop.train(tiny("--config.seed=1"), tmp_path, ["train"])
    assert digests(tmp_path)[1] != digests(unbroken)[1]


def test_several_steps_per_call_make_the_same_run(unbroken, tmp_path):
    loop.train(tiny("--config.train.steps_per_call=1"), tmp_path / "one", ["train"])
    three = tiny(
        "--config.train.steps_per_call=3",
        "--config.checkpoint.every=3",
    )
    loop.train(three, tmp_path / "three", ["train"])
    rows = [tracking.read(tmp_path / n / "metrics.jsonl") for n in ("one", "three")]
    for one, other in zip(*rows, strict=True):
        assert one["step"] == other["step"]
        for name in one:
            if not name.startswith("time/"):
                assert one[name] == pytest.approx(other[name], rel=1e-4, abs=1e-6), name


def test_data_on_the_device_makes_the_same_run(unbroken, tmp_path):
    loop.train(tiny("--config.data.placement=device"), tmp_path, ["train"])
    assert digests(tmp_path) == digests(unbroken)


def test_a_directory_of_another_config_is_refused_with_the_difference(unbroken):
    with pytest.raises(ValueError) as error:
        loop.train(tiny("--config.optimizer.learning_rate=0.5"), unbroken, ["train"])
    assert str(error.value) == (
        f"the run directory {unbroken} holds a run of another config "
        "(optimizer.learning_rate: 0.001 -> 0.5); choose another --workdir or the old "
        "values"
    )


def test_resuming_on_other_data_is_refused(unbroken):
    described = workdir.read_json(unbroken / "data.json")
    workdir.claim_data(unbroken, described)
    other = described | {"train_examples": 7, "sizes": {"num_classes": 3}}
    with pytest.raises(ValueError) as error:
        workdir.claim_data(unbroken, other)
    assert str(error.value) == (
        f"the run in {unbroken} was trained on other data than config.data names now "
        "(its sizes, train_examples: see its data.json); name the same data or choose "
        "another --workdir"
    )
    assert workdir.read_json(unbroken / "data.json") == described
    workdir.claim_data(unbroken, described | {"varies": True})  # without its cache
    workdir.claim_data(unbroken, described)


def test_machine_settings_may_change(unbroken):
    outcome = loop.train(tiny("--config.checkpoint.keep=3"), unbroken, ["train"])
    assert outcome["finished"]


def test_a_start_that_failed_before_training_claims_nothing(tmp_path):
    with pytest.raises(ValueError, match="data.batch_size must be in 1..256"):
        loop.train(tiny("--config.data.batch_size=4096"), tmp_path, ["train"])
    assert loop.train(tiny(), tmp_path, ["train"])["finished"]


def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_used(
    tmp_path, caplog
):
    loop.train(tiny(), tmp_path, ["train"])
    before = digests(tmp_path)
    newest = max(int(f.name) for f in (tmp_path / "checkpoints").iterdir())
    for file in (tmp_path / "checkpoints" / str(newest) / "packed").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    outcome = loop.train(tiny(), tmp_path, ["train"])
    assert outcome["finished"]
    assert digests(tmp_path) == before
    assert f"checkpoint {newest} in" in caplog.text
    assert "using the one before it" in caplog.text
    assert (tmp_path / "damaged" / str(newest)).is_dir()


def test_when_all_checkpoints_are_damaged_nothing_is_lost(tmp_path):
    loop.train(tiny(), tmp_path, ["train"])
    for file in (tmp_path / "checkpoints").rglob("packed/*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="can be read; they are kept under damaged/"):
        loop.train(tiny(), tmp_path, ["train"])
    assert list((tmp_path / "damaged").iterdir())


def test_reading_leaves_a_save_in_progress_alone(tmp_path):
    loop.train(tiny(), tmp_path, ["train"])
    writing = tmp_path / "checkpoints" / "14.orbax-checkpoint-tmp"
    writing.mkdir()
    run.open_run(tmp_path, run.read_config(tmp_path), "latest")
    assert writing.is_dir()


def test_a_metric_that_never_comes_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(ValueError) as error:
        loop.train(
            tiny("--config.checkpoint.metric=validation/acuracy"), tmp_path, ["train"]
        )
    assert str(error.value).startswith(
        "unknown checkpoint.metric 'validation/acuracy'; did you mean "
        "'validation/accuracy'? use one of "
    )
    assert not (tmp_path / "metrics.jsonl").exists(), "before the first step"


def test_an_early_end_keeps_what_was_evaluated_there(tmp_path):
    config = tiny("--config.checkpoint.every=8", "--config.checkpoint.keep_best=0")
    outcome = loop.train(
        config, tmp_path, ["train"], watch=lambda step, metrics: step == 6
    )
    assert outcome["step"] == 6 and not outcome["finished"]
    metric = config.checkpoint.metric
    with checkpoint.Checkpoints(checkpoint.folder_of(tmp_path), metric=metric) as saved:
        assert saved._manager.metrics(6)[metric] == outcome["metrics"][metric]


def test_checkpoints_of_another_config_are_refused(unbroken, tmp_path):
    loop.train(tiny(), tmp_path, ["train"])
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="are of another config than its config.json"):
        loop.train(tiny("--config.optimizer.b2=0.5"), tmp_path, ["train"])


def test_a_config_file_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError) as error:
        loop.train(tiny(), tmp_path, ["train"])
    assert str(error.value) == (
        f"{tmp_path / 'config.json'} is there but of no run; choose another --workdir "
        "or move it away"
    )
    assert (tmp_path / "config.json").read_text() == "{}"


def test_checkpoints_keep_the_newest_and_the_best(tmp_path):
    state = {"w": np.arange(3.0)}
    with checkpoint.Checkpoints(
        tmp_path / "checkpoints", keep=2, keep_best=1, metric="a"
    ) as saved:
        for step, a in ((1, 0.1), (2, 0.9), (3, None), (4, 0.3), (5, None), (6, None)):
            saved.save(step, state, {}, None if a is None else {"a": a})
        saved.wait()
        assert saved.steps() == [2, 5, 6]
        assert saved.best_step() == 2


def test_a_loss_that_diverges_stops_the_run_and_says_how_to_see_it(tmp_path):
    config = tiny(
        "--config.optimizer.name=sgd", "--config.optimizer.learning_rate=1e30"
    )
    with pytest.raises(FloatingPointError) as error:
        loop.train(config, tmp_path, ["train"])
    message = str(error.value)
    assert message.startswith("the loss became nan at step ")
    assert f"python scripts/verify.py replay --workdir={tmp_path} --step=" in message
    assert "params/" not in message  # paths start inside the parameters
    with checkpoint.Checkpoints(tmp_path / "checkpoints") as saved:
        for step in saved.steps():  # none was written after the divergence
            assert step < int(message.split("at step ")[1].split(",")[0].split(";")[0])


def test_a_second_run_in_one_directory_is_refused(tmp_path):
    code = (
        "import pathlib, sys, time\n"
        "from research.training import workdir\n"
        f"with workdir.locked(pathlib.Path({str(tmp_path)!r})):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError) as error:
            with workdir.locked(tmp_path):
                pass
        assert str(error.value) == (
            f"the run directory {tmp_path} is in use by process {holder.pid}; wait for "
            "it to end or choose another --workdir"
        )
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with workdir.locked(tmp_path):  # the lock died with its process
        pass


def test_sigterm_saves_and_leaves_and_the_run_resumes(unbroken, tmp_path):
    long = "--config.train.log_every=1"
    timer = threading.Thread(target=_signal_after_first_row, args=(tmp_path,))
    timer.start()
    outcome = loop.train(
        tiny("--config.train.steps=4000", long, "--config.checkpoint.every=4000"),
        tmp_path,
        ["train"],
    )
    timer.join()
    assert not outcome["finished"]
    with checkpoint.Checkpoints(tmp_path / "checkpoints") as saved:
        assert saved.steps() == [outcome["step"]]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def _signal_after_first_row(folder):
    deadline = time.monotonic() + 60
    while not tracking.read(folder / "metrics.jsonl") and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
