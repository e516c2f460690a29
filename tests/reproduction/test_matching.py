import copy

import pytest

from configs import base
from research.reproduction import matching
from research.training import settings, workdir
from scripts import app

DEFAULTS = base.get_config().to_dict()


@pytest.fixture
def stored():
    config = app.read_config("mlp_mnist").to_dict()
    return matching.computed(config), matching.changed(config, DEFAULTS)


def _now(change):
    config, defaults = app.read_config("mlp_mnist").to_dict(), copy.deepcopy(DEFAULTS)
    change(config, defaults)
    return config, defaults


def test_the_same_config_matches_whatever_the_machine_and_seed(stored):
    def change(config, defaults):
        config["data"]["path"] = "/elsewhere"
        config["seed"], config["claim"]["published"] = 7, 0.5
        config["mesh"]["fsdp"] = 8

    assert matching.differences(*stored, *_now(change)) == []


def test_a_new_key_with_its_default_matches(stored):
    def change(config, defaults):
        for each in (config, defaults):
            each["train"]["patience"] = 0
            each["novelty"] = {"depth": {"inner": 1.5}}

    assert matching.differences(*stored, *_now(change)) == []


def test_a_new_key_with_another_value_does_not(stored):
    def change(config, defaults):
        config["train"]["patience"], defaults["train"]["patience"] = 3, 0
        config["model"]["dropout"] = 0.1  # a field that base does not declare

    assert matching.differences(*stored, *_now(change)) == [
        "model.dropout: (absent) -> 0.1",
        "train.patience: (absent) -> 3",
    ]


def test_a_key_that_is_gone_must_have_held_its_default(stored):
    def change(config, defaults):
        for each in (config, defaults):
            del each["optimizer"]["clip_norm"]  # held its default
            del each["optimizer"]["b2"]  # did not

    assert matching.differences(*stored, *_now(change)) == [
        "optimizer.b2: 0.9 -> (gone)"
    ]


def test_a_changed_default_is_a_change(stored):
    def change(config, defaults):
        for each in (config, defaults):
            each["optimizer"]["eps"] = 1e-7

    assert matching.differences(*stored, *_now(change)) == [
        "optimizer.eps: 1e-08 -> 1e-07"
    ]


def test_a_run_from_before_a_claim_was_edited_still_resumes(tmp_path):
    config = app.read_config("mlp_mnist").to_dict()
    edited = config | {"claim": config["claim"] | {"published": 0.5}}
    before = {key: value for key, value in config.items() if key != "claim"}
    digests = {settings.digest(each) for each in (config, edited, before)}
    assert len(digests) == 1
    workdir.claim(tmp_path, before)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "train/loss": 1.0}\n')
    (tmp_path / "data.json").write_text("{}")
    workdir.claim(tmp_path, edited)
    assert workdir.read_json(tmp_path / "config.json")["claim"]["published"] == 0.5


def test_what_is_computed_holds_no_path_and_no_seed(stored):
    config, changed = stored
    assert "path" not in config["data"] and "seed" not in config
    assert "wandb" not in config and "claim" not in config
    assert "optimizer.b2" in changed and "optimizer.b1" not in changed
