import copy

import numpy as np
import pytest

from research.reproduction import evidence, opening
from research.training import loop, run, state, tracking
from scripts import app


def _config(**train):
    config = app.read_config("mlp_mnist:quick")
    config.model.variant, config.data.count = "debug", 256
    config.data.batch_size, config.data.eval_batch_size = 32, 128
    config.train.update({"steps": 12, "log_every": 4, "eval_every": 6} | train)
    return config


@pytest.fixture(scope="module")
def first():
    return opening.record(_config(), steps=8, digest_at=6)


def test_it_is_what_the_loop_does(first, tmp_path):
    config = _config()
    loop.train(config, tmp_path, [])
    rows = [r for r in tracking.read(tmp_path / "metrics.jsonl") if "train/loss" in r]
    assert first["log"] == [[row["step"], row["train/loss"]] for row in rows[:2]]
    np.testing.assert_allclose(np.mean(first["losses"][:4]), first["log"][0][1])
    saved = run.open_run(tmp_path, config, "6")
    assert first["digest"] == state.digest(saved.state.params)
    assert first["digest_at"] == 6 and len(first["losses"]) == first["steps"] == 8


def test_several_updates_per_call_are_the_same_steps(first):
    several = opening.record(_config(steps_per_call=2, log_every=8), 7, 6)
    assert several["steps"] == 8
    np.testing.assert_allclose(several["losses"], first["losses"], rtol=1e-5)


def test_the_record_of_a_run_is_equal_to_itself(first):
    log = [{"step": step, "train/loss": loss} for step, loss in first["log"]]
    good, said = opening.compare(first, log, first)
    assert good and said == [
        "the machine is of the same kind: bits are compared",
        "10 losses agree; the largest relative difference is 0.0e+00",
        f"the parameters after step 6 are equal: SHA-256 {first['digest']}",
    ]


def test_the_last_bit_of_a_loss_is_noticed_and_the_code_named(first):
    again = copy.deepcopy(first)
    again["losses"][3] = float(np.nextafter(again["losses"][3], 9))
    again["environment"]["commit"] = "f" * 40
    good, said = opening.compare(first, [], again)
    assert not good
    assert said[1].startswith(f"the loss of step 4 was {first['losses'][3]!r}, now ")
    assert said[2].startswith("the code was ") and "f" * 40 in said[2]


def test_elsewhere_values_are_compared_within_the_tolerance(first):
    again = copy.deepcopy(first)
    again["environment"]["devices"] = ["NVIDIA H100"]
    again["losses"][3] *= 1 + opening.TOLERANCE / 2
    again["digest"] = "other"
    good, said = opening.compare(first, [], again)
    assert good and "devices: " in said[0] and said[0].endswith("within 0.01")
    again["losses"][3] *= 1 + opening.TOLERANCE
    assert not opening.compare(first, [], again)[0]


def test_a_gpu_gives_the_same_bits_only_where_it_is_told_to():
    place = {
        **{"devices": ["NVIDIA H100"], "cpu_cores": 8, "processor": "a CPU"},
        **{"processes": 1, "xla_flags": "", "packages": {}},
    }
    assert opening.same_hardware(place, place) == [
        "NVIDIA H100 without XLA_FLAGS=--xla_gpu_deterministic_ops=true"
    ]
    place["xla_flags"] = "--xla_gpu_deterministic_ops=true"
    assert opening.same_hardware(place, place) == []


def test_other_parameters_are_noticed(first):
    again = copy.deepcopy(first) | {"digest": "0" * 64}
    good, said = opening.compare(first, [], again)
    assert not good and said[-2] == (
        f"the parameters after step 6 are DIFFERENT: SHA-256 {'0' * 64}"
    )
    assert said[-1] == "the code is the same"


def test_a_run_that_is_not_evaluated_leaves_no_record(tmp_path):
    config = _config(eval_every=12)
    done = loop.train(config, tmp_path, [], watch=lambda step, metrics: True)
    assert done["finished"]
    record = evidence.of_run(tmp_path, "a command", None)
    # Trained to its end, but the test split was not read: that is not finished.
    assert record["step"] == record["total"] == 12 and not record["finished"]
    assert record["metrics"] == {} and record["best_step"] == 12
    assert set(record["curves"]) >= {"train/loss", "validation/accuracy"}
    assert record["training_seconds"] > 0
    (tmp_path / "metrics.jsonl").write_text('{"step": 4, "train/loss": 1.0}\n')
    assert evidence.of_run(tmp_path, "a command", None) is None
