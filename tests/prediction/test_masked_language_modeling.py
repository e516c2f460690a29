"""Filling in masked words and making vectors of sentences, against transformers."""

import argparse
import types

import jax
import numpy as np
import pytest

from research import weights
from research.data import tokenization
from research.prediction import masked_language_modeling

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] good bad film plot the ##s ."


def _options(*argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--weights")
    masked_language_modeling.add_arguments(parser)
    return parser.parse_args(argv)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A network of transformers with its vocabulary: (folder, module, tokenizer)."""
    torch = pytest.importorskip("torch", reason="the references are PyTorch's")
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        initializer_range=0.5,
    )
    folder = tmp_path_factory.mktemp("published")
    module = transformers.BertForPreTraining(config).eval()
    module.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY.split()) + "\n")
    return folder, module, transformers.BertTokenizer(str(folder / "vocab.txt"))


def test_masks_are_filled_as_the_publisher_does(published, capsys):
    torch = pytest.importorskip("torch")
    folder, module, tokenizer = published
    text = "the [MASK] films [MASK]."
    options = _options(f"--fill-mask={text}", "the [MASK]", f"--weights={folder}")
    rows = list(masked_language_modeling.of_weights(options))
    ids = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        p = module(**ids).prediction_logits[0].softmax(-1).numpy()
    places = np.flatnonzero(ids["input_ids"][0] == 4)
    assert len(rows[0]["masks"]) == len(places) == 2 and len(rows[1]["masks"]) == 1
    for words, place in zip(rows[0]["masks"], places, strict=True):
        assert len(words) == 5
        for word in words:
            number = tokenizer.convert_tokens_to_ids(word["token"])
            assert word["probability"] == pytest.approx(p[place, number], abs=1e-4)
        assert words[0]["probability"] == pytest.approx(p[place].max(), abs=1e-4)
    masked_language_modeling.show(rows, options)
    shown = capsys.readouterr().out
    assert rows[0]["filled"] in shown and "\n  2: " in shown


@pytest.mark.parametrize("kind", ["mean", "pooled", "first"])
def test_sentences_become_vectors(published, kind, capsys):
    torch = pytest.importorskip("torch")
    folder, module, tokenizer = published
    texts = ["the good film", "bad"]
    options = _options(*texts, f"--embed={kind}", f"--weights={folder}")
    rows = list(masked_language_modeling.of_weights(options))
    for row, text in zip(rows, texts, strict=True):
        with torch.no_grad():
            there = module.bert(**tokenizer(text, return_tensors="pt"))
        hidden = there.last_hidden_state[0].numpy()
        expected = {
            "mean": hidden.mean(0),
            "first": hidden[0],
            "pooled": there.pooler_output[0].numpy(),
        }[kind]
        np.testing.assert_allclose(row["embedding"], expected, atol=1e-4)
    masked_language_modeling.show(rows, options)
    assert " 1.000 " in capsys.readouterr().out.splitlines()[0]


def test_a_run_answers_with_its_own_words(published):
    folder = published[0]
    model, variables = weights.load(folder)
    made = tokenization.create(str(folder / "vocab.txt"))
    spec = types.SimpleNamespace(tokenizers={"token": made.to_str()})
    experiment = types.SimpleNamespace(spec=spec, model=model)
    state = types.SimpleNamespace(
        model_state={}, eval_params=lambda: variables["params"]
    )
    programs = types.SimpleNamespace(experiment=experiment)
    opened = types.SimpleNamespace(programs=programs, state=state, folder="runs/x")
    text = "a [MASK] plot"
    (here,) = masked_language_modeling.of_run(opened, _options(text))
    options = _options(text, f"--weights={folder}")
    (there,) = masked_language_modeling.of_weights(options)
    assert here == there
    assert jax.tree.leaves(here["masks"])


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), 'predict needs a text, got none; give --fill-mask="… [MASK] …"'),
        (("the film",), "the text 'the film' has no [MASK]; put one into it"),
        (("[MASK]", "--top=0"), "--top must be at least 1, got 0; use 5"),
        (
            ("[MASK] " + "good " * 20,),
            "the model reads at most 16 tokens, got a text of 23; cut it",
        ),
    ],
)
def test_a_mistake_is_one_sentence(published, argv, sentence):
    options = _options(*argv, f"--weights={published[0]}")
    with pytest.raises(ValueError) as error:
        list(masked_language_modeling.of_weights(options))
    assert str(error.value) == sentence
