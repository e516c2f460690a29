"""scripts/train.py as the program of a W&B sweep: its command line as the agent's."""

import os
import stat
import subprocess

import pytest
import yaml

from scripts import app

pytest.importorskip("wandb", reason="the agent is W&B's")

FILE = app.ROOT / "configs" / "sweeps" / "wandb_lenet_digits.yaml"


def _agent_command(values):
    """Fills the command in as W&B's agent does (wandb_agent.py, `_command_run`)."""
    from wandb.sdk.launch.sweeps import utils

    config = yaml.safe_load(FILE.read_text())
    template = utils.create_sweep_command(config["command"])
    filled = utils.create_sweep_command_args(
        {"args": {key: {"value": value} for key, value in values.items()}}
    )
    filled |= {"program": [config["program"]], "env": ["/usr/bin/env"]}
    command = []
    for part in map(str, template):
        whole = part.startswith("${") and part.endswith("}")
        command += filled[part[2:-1]] if whole else [part]
    return config, command


def test_the_agent_s_command_line_is_ours(tmp_path):
    values = {
        "config.optimizer.learning_rate": 0.0123,
        "config.optimizer.name": "momentum",
        "config.train.epochs": 10.0,
    }
    config, command = _agent_command(values)
    assert set(config["parameters"]) == set(values)
    # A `python` that prints what it was given, in the shell that the agent starts.
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    env = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "WANDB_SWEEP_ID": "sweep7",
        "WANDB_RUN_ID": "run1",
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    program, *argv = done.stdout.splitlines()
    assert program == "scripts/train.py" and (app.ROOT / program).exists()
    assert "--workdir=runs/sweep7/run1" in argv
    trained = app.load_config([a for a in argv if a.startswith("--config")])
    assert trained.optimizer.learning_rate == 0.0123
    assert trained.optimizer.name == "momentum"
    assert trained.wandb.group == "sweep7" and trained.wandb.mode == "online"
    assert trained.name == "lenet_digits"


def test_the_metric_is_one_that_training_logs():
    config, _ = _agent_command({})
    assert config["metric"] == {"name": "validation/accuracy", "goal": "maximize"}
    trained = app.load_config(["--config=lenet_digits"])
    assert trained.checkpoint.metric == config["metric"]["name"]
