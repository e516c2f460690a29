"""From a text to a classifier: pre-training, fine-tuning with its words, answers."""

import argparse
import json

import numpy as np
import pytest

from research.prediction import masked_language_modeling, text_classification
from research.training import evaluation, experiment, loop, run, settings
from scripts import app

pytestmark = pytest.mark.slow  # half a minute

PLACES = {"farm": "cow hen pig".split(), "ship": "sail mast deck".split()}


def _sentence(rng, place: str) -> str:
    return f"the {rng.choice(PLACES[place])} of the {place} ."


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Documents about two places, and sentences to tell apart without naming them."""
    folder, rng = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    for name, count in (("train.txt", 48), ("valid.txt", 8)):
        documents = [
            "\n".join(_sentence(rng, place) for _ in range(6))
            for place in rng.choice(list(PLACES), count)
        ]
        (folder / name).write_text("\n\n".join(documents))
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        rows = [
            f"the {thing} .\t{place}"
            for place, things in PLACES.items()
            for thing in things * 12
        ]
        (folder / name).write_text("\n".join(["sentence\tlabel", *rows]))
    return folder


def _train(name: str, folder, texts, *more: str):
    config = app.load_config(
        [
            f"--config={name}",
            f"--config.data.path={texts}",
            "--config.model.variant=debug",
            "--config.model.max_length=32",
            "--config.data.length=16",
            "--config.data.batch_size=8",
            "--config.data.eval_batch_size=8",
            "--config.schedule.warmup_steps=1",
            "--config.train.log_every=5",
            *more,
        ]
    )
    settings.check(config)
    loop.train(config, folder, ["train"])
    return run.open_run(folder, run.read_config(folder), "latest")


@pytest.fixture(scope="module")
def pretrained(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    _train(
        "bert_nano_wikitext2",
        folder,
        texts,
        "--config.data.format=plain",
        "--config.data.vocabulary_size=120",
        "--config.data.passes=1",
        "--config.model.num_classes=0",
        "--config.train.steps=10",
        "--config.train.eval_every=10",
        "--config.optimizer.learning_rate=0.01",
    )
    return folder


def test_the_classifier_begins_where_the_language_model_ended(
    texts, pretrained, tmp_path
):
    argv = (
        f"--config.init.weights={pretrained}",
        f"--config.data.tokenizer={pretrained}",
        "--config.data.files=(('train','train.tsv'),('validation','dev.tsv'))",
        "--config.data.holdout=0.0",
        "--config.model.mlm_head=False",
        "--config.model.nsp_head=False",
        "--config.task.widths=2",
        "--config.train.steps=80",
        "--config.train.eval_every=40",
        "--config.optimizer.learning_rate=0.003",
    )
    opened = _train("bert_nano_sst2", tmp_path, texts, *argv)
    stored = [json.loads((f / "data.json").read_text()) for f in (pretrained, tmp_path)]
    assert stored[0]["sizes"]["vocab_size"] == stored[1]["sizes"]["vocab_size"]
    config = run.read_config(tmp_path)
    examples = experiment.open_data(config, ("validation",))["validation"]
    metrics, _ = evaluation.measure(opened.programs, opened.state, examples)
    assert metrics["accuracy"] == 1 and metrics["matthews"] == 1
    options = argparse.Namespace(
        inputs=["The hen."], second=[], file=None, top=1, class_names=None
    )
    (row,) = text_classification.of_run(opened, options)
    assert row["classes"][0]["class"] == "farm"


def test_the_language_model_fills_in(pretrained):
    opened = run.open_run(pretrained, run.read_config(pretrained), "latest")
    options = argparse.Namespace(
        inputs=[], fill_mask=["the [MASK] of the farm."], top=3, embed=None
    )
    (row,) = masked_language_modeling.of_run(opened, options)
    (words,) = row["masks"]
    assert len(words) == 3 and 0 < sum(w["probability"] for w in words) <= 1


def test_another_vocabulary_is_told(texts, pretrained, tmp_path):
    with pytest.raises(ValueError, match="does not fit this model") as error:
        _train(
            "bert_nano_sst2",
            tmp_path,
            texts,
            f"--config.init.weights={pretrained}",
            "--config.data.tokenizer=word",
            "--config.data.files=()",
            "--config.model.mlm_head=False",
            "--config.model.nsp_head=False",
            "--config.train.steps=2",
        )
    assert "token_embedding/embedding: (" in str(error.value)
