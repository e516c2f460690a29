"""Classifying texts: by a run, by published weights, and the mistakes."""

import argparse
import types

import numpy as np
import pytest
from ml_collections import ConfigDict

from research.data import sentences
from research.prediction import text_classification


def _options(*argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--weights")
    text_classification.add_arguments(parser)
    return parser.parse_args(argv)


@pytest.fixture
def opened():
    """A run whose answer is the share of tokens of the second segment."""

    def make(pairs, names=("one", "two")):
        made = sentences.make_tokenizer(
            "word", ["a b c d"], length=8, pairs=pairs, words="whitespace"
        )
        arrays = sentences.encode(made, [["a"], ["b"]][: 1 + pairs])
        spec = sentences.examples(arrays, names, made).spec
        columns = ("x", "y")[: 1 + pairs]
        config = ConfigDict({"data": {"text": columns, "eval_batch_size": 2}})

        def predict(state, batch):
            assert len(batch["token"]) == 8  # a multiple of the simulated devices
            share = batch["type"].sum(1) / batch["length"]
            if not names:
                return {"score": share}
            return {"probability": np.stack([1 - share, share], axis=1)}

        experiment = types.SimpleNamespace(spec=spec, config=config)
        programs = types.SimpleNamespace(experiment=experiment, predict=predict)
        return types.SimpleNamespace(programs=programs, state=None, folder="runs/x")

    return make


def test_texts_one_by_one(opened, capsys):
    options = _options("a b", "c", "--top=1")
    options_all = _options("a b", "c")
    opened = opened(False)
    opened.programs.experiment.config.data.eval_batch_size = 16
    rows = list(text_classification.of_run(opened, options_all))
    assert [row["text"] for row in rows] == ["a b", "c"]
    assert rows[0]["classes"] == [
        {"class": "one", "probability": 1.0},
        {"class": "two", "probability": 0.0},
    ]
    text_classification.show(text_classification.of_run(opened, options), options)
    assert capsys.readouterr().out == "a b: one 100.0%\nc: one 100.0%\n"


def test_pairs_and_scores_from_a_file(opened, tmp_path, capsys):
    file = tmp_path / "pairs.txt"
    file.write_text("a b c\td\na\tb c d\n")
    options = _options("d", "--second", "a", f"--file={file}")
    opened = opened(True, names=())
    opened.programs.experiment.config.data.eval_batch_size = 16
    rows = list(text_classification.of_run(opened, options))
    assert [(r["text"], r["second"]) for r in rows] == [
        ("d", "a"),
        ("a b c", "d"),
        ("a", "b c d"),
    ]
    assert [r["score"] for r in rows] == pytest.approx([1 / 3, 1 / 5, 3 / 5])
    text_classification.show(rows, options)
    assert capsys.readouterr().out.splitlines()[0] == "d | a: 0.333"


@pytest.mark.parametrize(
    ("argv", "pairs", "sentence"),
    [
        ((), False, "predict needs texts, got none; write them behind the options"),
        (("a", "--top=0"), False, "--top must be at least 1, got 0; use 5"),
        (
            ("a", "b", "--second=c"),
            True,
            "pairs need as many second texts as first ones, got 1 for 2; give one "
            "--second for each",
        ),
        (
            ("a",),
            True,
            "runs/x was trained on pairs, got single texts; --second gives the second "
            "text of a pair",
        ),
        (
            ("a", "--class-names=f.txt"),
            False,
            "--class-names goes with --weights; a run knows its classes",
        ),
    ],
)
def test_a_mistake_is_one_sentence(opened, argv, pairs, sentence):
    with pytest.raises(ValueError) as error:
        text_classification.of_run(opened(pairs), _options(*argv))
    assert str(error.value) == sentence


VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] good bad film plot the"


@pytest.fixture
def folder(tmp_path):
    """A published classifier of transformers, with its vocabulary."""
    torch = pytest.importorskip("torch", reason="the references are PyTorch's")
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=10,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.5,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
    )
    module = transformers.BertForSequenceClassification(config).eval()
    module.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY.split()) + "\n")
    return tmp_path, module


def test_published_weights_answer_as_their_publisher(folder):
    torch = pytest.importorskip("torch")
    path, module = folder
    options = _options("the good film", "bad", f"--weights={path}")
    rows = list(text_classification.of_weights(options))
    for row, ids in zip(rows, ([2, 9, 5, 7, 3], [2, 6, 3]), strict=True):
        with torch.no_grad():
            p = module(torch.tensor([ids])).logits.softmax(-1)[0].numpy()
        found = {c["class"]: c["probability"] for c in row["classes"]}
        assert found == pytest.approx({"NEGATIVE": p[0], "POSITIVE": p[1]}, abs=1e-4)
