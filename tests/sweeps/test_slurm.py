"""The SLURM executor, by submitit's executor for one machine."""

import json
import os
import subprocess
import sys

import pytest

from research.sweeps import ledger, slurm
from scripts import app, sweep
from tests import flags

pytest.importorskip("submitit", reason="jobs are submitted by submitit")


def test_parameters_are_read():
    text = "partition=gpu,gpus_per_node=1,constraint=a100"
    assert slurm.read_parameters(text) == {
        "partition": "gpu",
        "gpus_per_node": 1,
        "constraint": "a100",
    }
    with pytest.raises(ValueError) as error:
        slurm.read_parameters("partition")
    assert str(error.value) == (
        "--slurm must be key=value,…, got 'partition'; for example "
        "partition=gpu,gpus_per_node=1,timeout_min=240"
    )


def test_jobs_get_the_command_without_what_submits_them():
    argv = ["--sweep", "mine", "--executor=slurm", "--workers", "4", "--json"]
    argv += ["--slurm", "partition=gpu", "--config.data.path=x", "--trials=9"]
    assert sweep._of_workers(argv) == [
        *("--sweep", "mine", "--config.data.path=x", "--trials=9")
    ]


def test_parameters_of_jobs_need_their_executor(capsys):
    with pytest.raises(SystemExit) as left:
        sweep.main(["--sweep=lenet_digits", "--slurm=partition=gpu"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "error: --slurm=partition=gpu goes with --executor=slurm, got process; leave "
        "it out or add that\n"
    )


def test_a_machine_without_slurm_is_one_sentence(new_sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no sbatch
    book = ledger.Ledger(new_sweep(), tmp_path)
    with pytest.raises(ValueError) as error:
        slurm.run(book, ["true"], workers=1, parameters={})
    assert str(error.value).startswith("the jobs cannot be submitted (")
    assert "\n" not in str(error.value)


def test_a_preempted_job_is_queued_again_with_its_command():
    worker = slurm.Worker([sys.executable, "-c", "pass"], ".")
    again = worker.checkpoint()
    assert again.function() == 0
    with pytest.raises(RuntimeError, match="exit code 3"):
        slurm.Worker([sys.executable, "-c", "raise SystemExit(3)"], ".")()


@pytest.mark.slow
def test_an_array_of_two_makes_every_trial_once(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from configs.sweeps import base\n"
        "def get_sweep():\n"
        "    return base.sweep(\n"
        "        config='mlp_mnist:quick', trials=4, sampler='random', steps=20,\n"
        "        space={'optimizer.learning_rate': base.log_uniform(1e-4, 1e-1)},\n"
        "        overrides={'train.eval_every': 10, 'model.variant': 'debug'})\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            str(app.ROOT / "scripts" / "sweep.py"),
            f"--sweep={file}",
            f"--workdir={tmp_path}/work",
            "--executor=slurm",
            "--slurm=cluster=local",
            "--workers=2",
            "--json",
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"XLA_FLAGS": flags.QUICK_COMPILATION},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["counts"] == {"complete": 4}
    assert [trial["number"] for trial in result["trials"]] == [0, 1, 2, 3]
    assert all(trial["attempts"] == 1 for trial in result["trials"])
