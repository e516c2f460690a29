"""Tokenizers built from text: ids, exact round trips, and every wrong option."""

import random
import re

import numpy as np
import pytest

from research.data import tokenization

# Accents in two spellings, CJK, joined emoji, control and direction characters, very
# long words, blanks of all kinds, contractions, special tokens in the text.
HARD = (
    "Héllo  wo\u0301rld\n\n\tπ 漢字かな 한국어 🤖👩‍👩‍👧 \x00\x07\u200b\ufeff "
    + "x" * 5000
    + " don't I'LL 12345 ..!!  \r\n end <|endoftext|> x </s> <unk>"
    + "漢" * 300
    + "\u202e a\xa0b\u3000c \n \n  "
)


def _ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def _fails(message, name, texts=("some text",), **options):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        tokenization.create(name, texts, **options)


@pytest.mark.parametrize(
    "name, options",
    [("char", {}), ("byte", {}), ("bpe", {"vocabulary_size": 400})],
)
def test_round_trip_is_exact(name, options):
    built = tokenization.create(name, [HARD], **options)
    ids = _ids(built, HARD)
    assert built.decode(ids, skip_special_tokens=False) == HARD
    again = tokenization.from_str(built.to_str())
    assert _ids(again, HARD) == ids
    assert again.decode(ids, skip_special_tokens=False) == HARD
    assert again.to_str() == built.to_str()


def test_words():
    texts = ["b a b", " c\tb  a<unk>d <eos>\n", "<unk> b"]
    built = tokenization.create("word", texts)
    # By frequency, then by code; special tokens first, also where the text has them.
    order = ["<unk>", "<eos>", "b", "a", "a<unk>d", "c"]
    assert [built.id_to_token(i) for i in range(built.get_vocab_size())] == order
    again = tokenization.from_str(built.to_str())
    for tokenizer in (built, again):
        assert _ids(tokenizer, "c b\nz a<unk>d <eos>") == [5, 2, 0, 4, 1]
    assert built.decode([5, 2, 0], skip_special_tokens=False) == "c b <unk>"


def test_words_agree_with_python():
    rng = random.Random(0)
    words = ["a", "b,", "<unk>", "x<eos>", "é\u0301", "漢", "-", "<eos>", "a.b"]
    lines = [" ".join(rng.choices(words, k=9)) for _ in range(50)]
    built = tokenization.create("word", lines)
    ids, lengths = tokenization.encode(built, lines)
    assert [built.id_to_token(i) for i in ids] == " ".join(lines).split()
    assert lengths.tolist() == [9] * 50


def test_limits_of_the_vocabulary():
    texts = ["a a a b b c c d"]
    sizes = {
        (0, 1): ["<unk>", "<eos>", "a", "b", "c", "d"],
        (4, 1): ["<unk>", "<eos>", "a", "b"],
        (0, 2): ["<unk>", "<eos>", "a", "b", "c"],
    }
    for (size, least), expected in sizes.items():
        built = tokenization.create(
            "word", texts, vocabulary_size=size, min_frequency=least
        )
        assert sorted(built.get_vocab(), key=built.token_to_id) == expected
    built = tokenization.create("char", ["bbaac"], min_frequency=2)
    assert built.get_vocab() == {"<unk>": 0, "a": 1, "b": 2}
    assert _ids(built, "abcd") == [1, 2, 0, 0]
    built = tokenization.create("char", ["bbbaac"], vocabulary_size=2)
    assert built.get_vocab() == {"<unk>": 0, "b": 1}


def test_punctuation():
    built = tokenization.create(
        "word",
        ["Zwei Männer, a T-shirt (3.5 m) o'clock… the man's don't can’t <sos>!"],
        split="punctuation",
        lowercase=True,
        special=("<pad>", "<unk>", "<sos>", "<eos>"),
    )
    words = (
        "zwei männer , a t-shirt ( 3.5 m ) o ' clock … the man 's do n't ca n’t "
        "< sos > !"
    ).split()
    assert set(built.get_vocab()) == {*words, "<pad>", "<unk>", "<sos>", "<eos>"}
    found = built.encode("ZWEI t-shirt!zwei").tokens
    assert found == ["zwei", "t-shirt", "!", "zwei"]
    assert tokenization.special_ids(built)[:4] == (0, 1, 2, 3)


def test_bytes_are_their_own_ids():
    built = tokenization.create("byte")
    assert _ids(built, HARD) == list(HARD.encode())
    assert built.get_vocab_size() == 256
    marked = tokenization.create("byte", special=("<eos>",))
    assert _ids(marked, "a<eos>") == [97, 256]


def test_byte_pairs():
    texts = ["low lower lowest"] * 20
    built = tokenization.create("bpe", texts, vocabulary_size=300)
    assert built.encode("low lowest").tokens == ["low", "Ġlowest"]
    assert tokenization.special_ids(built).eos == 0
    again = tokenization.create("bpe", texts, vocabulary_size=300)
    assert built.to_str() == again.to_str()
    small = tokenization.create("bpe", ["LOW low"], vocabulary_size=300, lowercase=True)
    assert _ids(small, "Low") == _ids(small, "low")


def test_wordpieces():
    texts = ["unaffable unable affable able"] * 20
    built = tokenization.create("wordpiece", texts, vocabulary_size=120)
    encoded = built.encode("unable", "able")
    words = [t for t in encoded.tokens if not t.startswith("[")]
    assert "".join(words).replace("##", "") == "unableable"
    assert encoded.tokens[0] == "[CLS]" and encoded.tokens.count("[SEP]") == 2
    assert encoded.type_ids == sorted(encoded.type_ids)
    assert tokenization.special_ids(built) == (0, 1, None, None, 4, 2, 3)
    assert built.decode(built.encode("[SEP] able").ids) == "able"


@pytest.mark.parametrize("name", ["bpe", "wordpiece"])
def test_the_same_text_gives_the_same_vocabulary(name):
    # Ids that differ from one process to the next would ruin a run that is resumed.
    rng = random.Random(0)
    letters = [chr(97 + k) for k in range(26)] + [chr(0x4E00 + k) for k in range(99)]
    words = ["".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(400)]
    made = {
        tokenization.create(name, [" ".join(words)], vocabulary_size=500).to_str()
        for _ in range(3)
    }
    assert len(made) == 1


def test_encode():
    built = tokenization.create("word", ["a b c"])
    ids, lengths = tokenization.encode(built, ["a b", "", "z c"])
    assert ids.dtype == np.int32
    assert ids.tolist() == [2, 3, 0, 4]
    assert lengths.tolist() == [2, 0, 2]
    ids, lengths = tokenization.encode(built, [])
    assert ids.shape == (0,) and lengths.shape == (0,)


def test_an_unknown_character():
    built = tokenization.create("char", ["abc"])
    with pytest.raises(ValueError) as error:
        tokenization.encode(built, ["ab", "cé"])
    assert str(error.value) == (
        "the tokenizer knows 3 tokens and no <unk>, got 'é', which its training text "
        "lacks; leave it out, or train with the tokenizer 'byte'"
    )


def test_unknown_name():
    kinds = "kinds are: word, char, byte, bpe, wordpiece"
    _fails(
        "tokenizer 'wrod' is neither a file or folder nor a kind; did you mean 'word'? "
        + kinds,
        "wrod",
    )
    _fails(f"tokenizer '/no' is neither a file or folder nor a kind; {kinds}", "/no")


@pytest.mark.parametrize("name", ["word", "char", "bpe", "wordpiece"])
@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_empty_text(name, texts):
    message = f"tokenizer {name!r} needs a text to learn from, got an empty one"
    _fails(message, name, texts, vocabulary_size=500)


@pytest.mark.parametrize(
    "name, option, value",
    [
        ("byte", "lowercase", True),
        ("byte", "min_frequency", 2),
        ("byte", "vocabulary_size", 300),
        ("char", "split", "punctuation"),
        (".", "special", ("<pad>",)),
        (".", "lowercase", True),
    ],
)
def test_options_without_meaning(name, option, value):
    message = f"tokenizer {name!r} has no option {option}, got {value!r}; leave it out"
    _fails(message, name, **{option: value})


def test_bad_values():
    _fails(
        "split must be whitespace or punctuation, got 'x'; use one", "word", split="x"
    )
    _fails(
        "min_frequency must be at least 1, got 0; use 1 to keep all",
        "word",
        min_frequency=0,
    )
    _fails(
        "tokenizer 'bpe' needs a vocabulary_size of at least 257, got 0; set it, for "
        "example to 8000",
        "bpe",
    )
