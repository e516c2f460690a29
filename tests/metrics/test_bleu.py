"""BLEU against a few lines of Python after Papineni et al. (2002)."""

import collections
import math

import pytest

from research.metrics import bleu

REFERENCES = [
    "A man in an orange hat starring at something.",
    "A Boston Terrier is running on lush green grass in front of a white fence.",
    "Two young girls don't play in the sand, by the sea.",
]
TRANSLATIONS = [
    "A man in an orange hat is looking at something.",
    "A terrier is running on green grass in front of a white fence.",
    "Two girls don't play in the sand by the sea .",
]


def _bleu(translations, references) -> float:
    """Computes BLEU-4 of token lists, nothing smoothed, in percent."""

    def counts(tokens, n):
        return collections.Counter(
            tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)
        )

    log_precision = 0.0
    for n in range(1, 5):
        right = total = 0
        for tokens, reference in zip(translations, references, strict=True):
            ours, theirs = counts(tokens, n), counts(reference, n)
            right += sum(min(count, theirs[gram]) for gram, count in ours.items())
            total += sum(ours.values())
        log_precision += math.log(right / total) / 4
    ours, theirs = (sum(map(len, lists)) for lists in (translations, references))
    return 100 * math.exp(log_precision + min(0.0, 1 - theirs / ours))


def test_tokenized_bleu_equals_the_paper_on_lowercase_words():
    cut = [[bleu.words(text) for text in texts] for texts in (TRANSLATIONS, REFERENCES)]
    found = bleu.corpus(TRANSLATIONS, REFERENCES, protocol="tokenized")
    assert found.value == pytest.approx(_bleu(*cut), abs=1e-6)
    assert found.signature.startswith("nrefs:1|case:lc|eff:no|tok:none|smooth:none|")


def test_detokenized_bleu_leaves_case_and_tokens_to_sacrebleu():
    found = bleu.corpus(TRANSLATIONS, REFERENCES)
    assert found.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|")
    # 13a cuts off commas and full stops, and leaves "don't" whole.
    cut = [
        [text.replace(",", " ,").replace(".", " .").split() for text in texts]
        for texts in (TRANSLATIONS, REFERENCES)
    ]
    assert found.value == pytest.approx(_bleu(*cut), abs=1e-6)
    lower = bleu.corpus(TRANSLATIONS, REFERENCES, lowercase=True)
    assert lower.value > found.value and "|case:lc|" in lower.signature


def test_equal_texts_score_100_and_nothing_in_common_scores_0():
    for protocol in bleu.PROTOCOLS:
        same = bleu.corpus(REFERENCES, REFERENCES, protocol=protocol)
        assert same.value == pytest.approx(100)
    other = bleu.corpus(["x"] * 3, REFERENCES, protocol="tokenized")
    assert other.value == 0


def test_words_are_lowercase_with_marks_and_the_unknown_word_apart():
    assert bleu.words("Die T-Shirts, <unk> ÄRMEL: 3 €!") == [
        *("die", "t", "-", "shirts", ",", "<unk>", "ärmel", ":", "3", "€", "!")
    ]


def test_lists_that_do_not_fit_and_unknown_protocols_are_refused():
    with pytest.raises(ValueError) as error:
        bleu.corpus(["a"], ["a", "b"])
    assert str(error.value) == (
        "BLEU needs one reference per translation, got 1 translations and 2 "
        "references; correct the lists"
    )
    with pytest.raises(ValueError) as error:
        bleu.corpus(["a"], ["a"], protocol="tokenised")
    assert str(error.value) == (
        "unknown BLEU protocol 'tokenised'; use one of detokenized, tokenized"
    )
