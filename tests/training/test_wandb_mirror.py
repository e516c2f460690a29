"""The W&B mirror against the real package, offline, and against one that fails."""

import json
import logging
import struct
import time
import types

import pytest
from PIL import Image

from configs import base
from research.training import loop
from research.training.wandb_mirror import WandbMirror

wandb = pytest.importorskip("wandb", reason="the extra [wandb] is not installed")

_ROWS = [
    {"step": 2, "train/loss": 1.5, "time/examples_per_second": 100.0},
    {"step": 4, "train/loss": 0.75, "time/examples_per_second": 120.0},
    {"step": 4, "validation/accuracy": 0.5},
]


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    """Keeps W&B's caches, logs and settings inside the test's folder."""
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_MODE", "WANDB_RUN_ID", "WANDB_API_KEY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "run"
    made.mkdir()
    return made


def _settings(mode="offline"):
    return types.SimpleNamespace(
        mode=mode, project="menagerie", group="seeds", tags=("a", "b")
    )


def _config() -> dict:
    return {"seed": 3, "model": {"name": "lenet"}, "data": {"mean": (0.5,)}}


def _records(file):
    """Reads a .wandb file: a LevelDB log of protobuf records."""
    from wandb.proto import wandb_internal_pb2

    data, at, payload = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if kind == 0 and length == 0:
            return
        payload += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(payload)
            payload = b""
            yield record


def _read(folder) -> list[dict]:
    """Reads back every offline run; W&B's own process may still be writing them."""
    deadline = time.monotonic() + 10
    while True:
        runs = _read_now(folder)
        if all("exit_code" in run for run in runs) or time.monotonic() > deadline:
            return runs
        time.sleep(0.05)


def _read_now(folder) -> list[dict]:
    """Reads the runs of a run directory as they are, oldest first."""
    runs = []
    files = folder.glob("wandb/offline-run-*/*.wandb")
    for file in sorted(files, key=lambda f: f.stat().st_mtime_ns):
        run = {"history": [], "config": {}}
        for record in _records(file):
            kind = record.WhichOneof("record_type")
            if kind == "history":
                items = record.history.item
                run["history"].append(
                    {
                        item.key or ".".join(item.nested_key): json.loads(
                            item.value_json
                        )
                        for item in items
                    }
                )
            elif kind == "run":
                run["id"], run["name"] = record.run.run_id, record.run.display_name
                run["group"], run["tags"] = record.run.run_group, list(record.run.tags)
                for item in record.run.config.update:
                    run["config"][item.key] = json.loads(item.value_json)
            elif kind == "exit":
                run["exit_code"] = record.exit.exit_code
        runs.append(run)
    return runs


def test_offline_run_can_be_read_back(folder):
    mirror = WandbMirror(_settings(), _config(), "lenet_digits", folder)
    for row in _ROWS:
        mirror.log(row)
    mirror.close()
    (run,) = _read(folder)
    named = [{k: v for k, v in row.items() if k[0] != "_"} for row in run["history"]]
    # W&B joins rows of equal step.
    assert named == [
        {"train/loss": 1.5, "time/examples_per_second": 100.0},
        {
            "train/loss": 0.75,
            "time/examples_per_second": 120.0,
            "validation/accuracy": 0.5,
        },
    ]
    assert [row["_step"] for row in run["history"]] == [2, 4]
    own = {key: run["config"][key] for key in _config()}
    assert own == {"seed": 3, "model": {"name": "lenet"}, "data": {"mean": [0.5]}}
    assert (run["name"], run["group"], run["tags"]) == (
        "lenet_digits",
        "seeds",
        ["a", "b"],
    )
    assert run["exit_code"] == 0


def test_picture_is_mirrored(folder):
    Image.new("RGB", (3, 2), "red").save(folder / "wrong.png")
    mirror = WandbMirror(_settings(), _config(), "name", folder)
    mirror.image("test/wrong", folder / "wrong.png", 4)
    mirror.close()
    (run,) = _read(folder)
    (row,) = run["history"]
    assert (row["test/wrong.width"], row["test/wrong.height"]) == (3, 2)
    (copy,) = folder.glob(f"wandb/offline-run-*/files/{row['test/wrong.path']}")
    assert copy.read_bytes() == (folder / "wrong.png").read_bytes()


def test_resumed_run_keeps_its_id(folder):
    for row in _ROWS[:2]:
        mirror = WandbMirror(_settings(), _config(), "name", folder)
        mirror.log(row)
        mirror.close(exit_code=1)
    first, second = _read(folder)
    stored = json.loads((folder / "wandb.json").read_text())
    assert first["id"] == second["id"] == stored["id"]
    assert first["exit_code"] == 1
    assert [row["_step"] for row in second["history"]] == [4]


@pytest.mark.parametrize("mode, active", [("disabled", True), ("offline", False)])
def test_switched_off_mirror_leaves_nothing(folder, mode, active):
    mirror = WandbMirror(_settings(mode), _config(), "name", folder, active=active)
    mirror.log(_ROWS[0])
    mirror.close()
    assert list(folder.iterdir()) == []


def test_failing_start_warns_once(folder, monkeypatch, caplog):
    def fail(**_):
        raise wandb.errors.UsageError("no API key")

    monkeypatch.setattr(wandb, "init", fail)
    mirror = WandbMirror(_settings("online"), _config(), "name", folder)
    for row in _ROWS:
        mirror.log(row)
    mirror.image("test/wrong", folder / "none.png", 4)
    mirror.close()
    assert _warnings(caplog) == ["W&B is switched off for this run: no API key"]


def test_damaged_id_file_does_not_stop_the_run(folder, caplog):
    (folder / "wandb.json").write_text("")
    WandbMirror(_settings(), _config(), "name", folder).log(_ROWS[0])
    (warning,) = _warnings(caplog)
    assert warning.startswith("W&B is switched off for this run: ")
    assert "wandb.json is damaged" in warning


def test_training_goes_on_when_logging_fails(folder, monkeypatch, caplog):
    class Failing:
        id = "abc"

        def log(self, *_, **__):
            raise ConnectionError("the server is gone")

    monkeypatch.setattr(wandb, "init", lambda **_: Failing())
    config = base.get_config()
    config.name = "mirrored"
    config.data.update(count=64, image_shape=(4, 4, 1), num_classes=2)
    config.data.update(batch_size=16, eval_batch_size=16)
    config.train.update(steps=4, log_every=2)
    config.wandb.mode = "online"
    outcome = loop.train(config, folder, ["scripts/train.py"])
    assert outcome["finished"] and outcome["step"] == 4
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3
    assert _warnings(caplog) == [
        "W&B failed and is switched off for this run: the server is gone"
    ]


def _warnings(caplog) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and "W&B" in record.getMessage()
    ]
