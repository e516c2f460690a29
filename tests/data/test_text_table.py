"""Sentences from tables: features, vocabularies, labels, and a sentence per mistake."""

import json

import numpy as np
import pytest

from research.data import splits, text_table, tokenization

TRAIN = "sentence\tlabel\nthe cat sat\t1\nthe dog ran\t0\nThe end\t1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.tsv").write_text(TRAIN)
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\na dog sat\t0\n")
    return tmp_path


def test_words_become_ids_padded_behind(folder):
    train = text_table.load("train", str(folder), length=5, lowercase=True)
    found = train.gather(np.array([0, 2]))
    tokenizer = tokenization.from_str(train.spec.tokenizers["token"])
    assert [tokenizer.id_to_token(i) for i in found["token"][0]] == [
        *("the", "cat", "sat", "<pad>", "<pad>")
    ]
    assert found["token"][1].tolist()[2:] == [0, 0, 0]
    assert found["length"].tolist() == [3, 2]
    assert found["label"].tolist() == [1, 1] and found["label"].dtype == np.int32
    assert not found["type"].any()
    assert train.spec.class_names == ("0", "1")
    assert train.spec.sizes == {"num_classes": 2, "vocab_size": 9}


def test_other_splits_share_the_vocabulary_of_train(folder):
    train, dev = (text_table.load(s, str(folder)) for s in ("train", "validation"))
    assert dev.spec == train.spec
    unknown, _, _ = dev.gather(np.array([0]))["token"][0, :3]
    assert (
        unknown
        == tokenization.special_ids(
            tokenization.from_str(dev.spec.tokenizers["token"])
        ).unk
    )
    assert text_table.splits(str(folder)) == ("train", "validation")


def test_rare_words_are_unknown(folder):
    train = text_table.load("train", str(folder), min_frequency=2)
    assert train.spec.sizes["vocab_size"] == 4  # <pad> <unk> <sep> the


@pytest.fixture
def vocabulary(tmp_path):
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c d e f g h ##x".split()
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(words) + "\n")
    return str(file)


def test_pairs_are_cut_from_the_longer_one(tmp_path, vocabulary):
    rows = [{"p": "a b c d e f", "h": "ax", "y": 2.5}, {"p": "a b", "h": "c", "y": 0}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    train = text_table.load(
        "train",
        str(tmp_path),
        text=("p", "h"),
        label="y",
        regression=True,
        length=8,
        tokenizer=vocabulary,
    )
    found = train.gather(np.arange(2))
    # [CLS] a b c [SEP] a ##x [SEP]
    assert found["token"][0].tolist() == [2, 5, 6, 7, 3, 5, 13, 3]
    assert found["type"].tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 0, 0],
    ]
    assert found["length"].tolist() == [8, 6]
    assert found["label"].tolist() == [2.5, 0] and found["label"].dtype == np.float32
    assert train.spec.class_names == () and train.spec.sizes["num_classes"] == 1


def test_pairs_of_words_have_a_separator(tmp_path):
    (tmp_path / "train.csv").write_text("p,h,y\na b,c,no\nc,a,yes\n")
    options = dict(text=("p", "h"), label="y", length=6)
    train = text_table.load("train", str(tmp_path), **options)
    found = train.gather(np.array([0]))
    sep = tokenization.from_str(train.spec.tokenizers["token"]).token_to_id("<sep>")
    assert found["token"][0, 2] == sep
    assert found["type"][0].tolist() == [0, 0, 0, 1, 0, 0]
    assert train.spec.class_names == ("no", "yes")


def test_named_classes_keep_their_order(folder):
    train = text_table.load("train", str(folder), class_names=("1", "0"))
    assert train.labels().tolist() == [0, 1, 0]


def test_a_run_lends_its_tokenizer(folder, tmp_path):
    train = text_table.load("train", str(folder))
    run = tmp_path / "run"
    run.mkdir()
    stored = {"tokenizers": dict(train.spec.tokenizers)}
    (run / "data.json").write_text(json.dumps(stored))
    again = text_table.load("validation", str(folder), tokenizer=str(run))
    assert again.spec == train.spec
    (run / "data.json").write_text("{}")
    with pytest.raises(ValueError) as error:
        text_table.load("train", str(folder), tokenizer=str(run))
    assert str(error.value) == (
        f"the run {run} was not trained on text, so that it has no tokenizer; name "
        "another in config.data.tokenizer"
    )


def test_a_missing_split_is_held_out(folder):
    opened = splits.open_splits(
        text_table, ("train", "test"), str(folder), holdout=0.34, length=4
    )
    assert (len(opened["train"]), len(opened["test"])) == (2, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            dict(text=("text",)),
            "{folder}/dev.tsv has no column 'text', it has: sentence, label; correct "
            "the column's name in config.data",
        ),
        (
            dict(class_names=("1", "2")),
            "column 'label' of {folder}/dev.tsv must hold one of 1, 2, got '0' in "
            "example 0; correct it, or name all classes in config.data.class_names",
        ),
        (
            dict(regression=True, label="sentence"),
            "column 'sentence' of {folder}/dev.tsv must hold numbers, got 'a dog sat' "
            "in example 0; correct it, or leave out config.data.regression",
        ),
        (
            dict(length=4, text=("sentence", "label"), overlong="refuse"),
            "example 0 of {folder}/dev.tsv has more than 4 tokens; raise "
            "config.data.length or set config.data.overlong to 'cut'",
        ),
        (
            dict(text="sentence"),
            "config.data.text must name one column, or two for pairs, got 'sentence'; "
            "write for example ('sentence',)",
        ),
        (dict(length=2), "config.data.length must be at least 4, got 2; use 128"),
        (
            dict(overlong="split"),
            "config.data.overlong must be cut or refuse, got 'split'; correct it",
        ),
        (
            dict(files=(("dev", "dev.tsv"),)),
            "config.data.files must hold (split, file name) pairs of the splits train, "
            "validation, test, got ('dev', 'dev.tsv'); correct it",
        ),
    ],
)
def test_a_mistake_is_one_sentence(folder, options, sentence):
    with pytest.raises(ValueError) as error:
        text_table.load("validation", str(folder), **options)
    assert str(error.value) == sentence.format(folder=folder)


def test_empty_text_is_one_sentence(folder):
    (folder / "dev.tsv").write_text("sentence\tlabel\nwell\t0\n \t1\n")
    with pytest.raises(ValueError) as error:
        text_table.load("validation", str(folder))
    assert str(error.value) == (
        f"example 1 of {folder}/dev.tsv is empty text; remove it or fill it in"
    )


def test_a_folder_without_tables_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        text_table.splits(str(tmp_path))
    assert str(error.value).startswith(f"no table of a split is in {tmp_path}; set ")


GLUE = {
    "SST-2": (dict(), 872, 2),
    "CoLA": (
        dict(
            header=("source", "label", "original", "sentence"),
            files=(
                ("train", "in_domain_train.tsv"),
                ("validation", "in_domain_dev.tsv"),
            ),
        ),
        527,
        2,
    ),
    "RTE": (dict(text=("sentence1", "sentence2")), 277, 2),
    "STS-B": (
        dict(
            text=("sentence1", "sentence2"),
            label="score",
            header=("sentence1", "sentence2", "score"),
            regression=True,
        ),
        1500,
        1,
    ),
}


@pytest.mark.parametrize("name", GLUE)
def test_glue_is_read(research_data, name):
    options, examples, classes = GLUE[name]
    vocabulary = str(research_data / "tokenizers" / "bert-base-uncased-vocab.txt")
    found = text_table.load(
        "validation",
        str(research_data / "glue" / name),
        tokenizer=vocabulary,
        **options,
    )
    assert len(found) == examples
    assert found.spec.sizes == {"vocab_size": 30522, "num_classes": classes}
    batch = found.gather(np.arange(len(found)))
    assert (batch["token"][:, 0] == 101).all()  # [CLS]
    last = np.take_along_axis(batch["token"], batch["length"][:, None] - 1, axis=1)
    assert (last == 102).all()  # [SEP]
    assert batch["type"].any() == (len(options.get("text", ())) == 2)
