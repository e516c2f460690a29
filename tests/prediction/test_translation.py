"""Translating sentences and files with a run, and the mistakes."""

import argparse
import gzip
import types

import jax.numpy as jnp
import optax
import pytest
from ml_collections import ConfigDict
from PIL import Image

from research.data import synthetic_pairs
from research.prediction import translation
from research.tasks import gradient
from research.tasks import translation as tasks
from research.training.state import TrainState


def _options(*argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", nargs="*")
    translation.add_arguments(parser)
    return parser.parse_args(argv)


class _Copies:
    """Takes the place of a model: translates the k-th token to the k-th of a list."""

    answers = [[5, 6, 3], [7, 3], [4, 4, 4, 3]]

    def apply(self, variables, *arguments, method=None, mutable=False, **options):
        if method == "encode":
            # The row of an answer is the number of tokens between the marks, less one.
            return {"row": (arguments[0] != 0).sum(1) - 3}
        if method == "initial_carry":
            return {"at": jnp.zeros_like(arguments[0]["row"])}
        if method == "decode":
            tokens, carry, memory = arguments
            table = jnp.array([[*row, 0, 0][:4] for row in self.answers])
            best = table[memory["row"], carry["at"]]
            return 9.0 * jnp.eye(12)[best][:, None], {"at": carry["at"] + 1}
        source, read = arguments
        share = jnp.ones((*read.shape, source.shape[1])) / source.shape[1]
        return None, {"intermediates": {"attention": (share,)} if self.looks else {}}

    looks = True


@pytest.fixture
def opened():
    examples = synthetic_pairs.load("train", count=200)
    config = ConfigDict({"data": {"eval_batch_size": 2}})
    task = tasks.build(_Copies(), optax.sgd(0.1), gradient.Options())
    experiment = types.SimpleNamespace(spec=examples.spec, config=config, task=task)
    programs = types.SimpleNamespace(experiment=experiment)
    state = TrainState(jnp.int32(0), {}, {}, (), None, jnp.uint32(0))
    return types.SimpleNamespace(programs=programs, state=state, folder="runs/x")


def _answers(opened, number: int) -> str:
    tokenizer = tasks.Tokenizer.from_str(
        opened.programs.experiment.spec.tokenizers["target"]
    )
    return tasks.texts(tokenizer, [_Copies.answers[number]])[0]


def test_sentences_are_translated_in_order_and_empty_ones_stay_empty(opened, capsys):
    options = _options("Anna", "", "Anna sees Ben", "Ben sees")
    rows = list(translation.of_run(opened, options))
    assert [row["source"] for row in rows] == ["Anna", "", "Anna sees Ben", "Ben sees"]
    expected = [_answers(opened, 0), "", _answers(opened, 2), _answers(opened, 1)]
    assert [row["translation"] for row in rows] == expected
    translation.show(rows, options)
    assert capsys.readouterr().out == "\n".join(expected) + "\n"


def test_a_file_has_one_sentence_per_line_and_a_beam_may_search(opened, tmp_path):
    file = tmp_path / "sentences.txt.gz"
    file.write_bytes(gzip.compress(b"Anna\r\n\nBen sees\n"))
    options = _options(str(file), "--beam=3", "--length-penalty=1", "--max-tokens=4")
    rows = list(translation.of_run(opened, options))
    assert [row["translation"] for row in rows] == [
        _answers(opened, 0),
        "",
        _answers(opened, 1),
    ]


def test_attention_is_drawn(opened, tmp_path):
    file = tmp_path / "maps.png"
    list(translation.of_run(opened, _options("Anna", "Ben", f"--attention={file}")))
    with Image.open(file) as picture:
        assert picture.width > picture.height > 100  # two maps side by side


def test_mistakes_are_one_sentence(opened, tmp_path, monkeypatch):
    def mistake(*argv) -> str:
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            list(translation.of_run(opened, _options(*argv)))
        return str(error.value)

    nothing = (
        "predict needs sentences, or a file with one per line, got none; write one in "
        "quotation marks"
    )
    assert mistake() == mistake(" ") == nothing
    assert mistake("nowhere.txt") == (
        "text file nowhere.txt does not exist; correct its path"
    )
    file = tmp_path / "latin.txt"
    file.write_bytes("schläft".encode("latin-1"))
    assert mistake(str(file)) == (
        f"{file} must be UTF-8 text, got byte 0xe4 at offset 4; convert it, for "
        "example with iconv -t UTF-8"
    )
    assert mistake("Anna", "--beam=0") == (
        "beams must be at least 1, got 0; 1 is greedy search"
    )
    assert mistake("Anna", "--attention=maps.jpg") == (
        "--attention=maps.jpg must end in .png; name a PNG file"
    )
    monkeypatch.setattr(_Copies, "looks", False)
    assert mistake("Anna", "--attention=maps.png") == (
        "--attention needs a model with attention, which this one has not; leave it out"
    )
