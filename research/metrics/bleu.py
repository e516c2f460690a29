"""Corpus BLEU (Papineni et al. 2002) by sacreBLEU (Post 2018), with its signature.

The same translations score points apart under different protocols, so that a number
means something only with its signature. Two protocols are in use:

  detokenized  running text against the reference as it was published, both cut by
               sacreBLEU's tokenizer 13a, zero counts smoothed: today's standard.
  tokenized    lowercase words and punctuation marks, each one token, nothing smoothed:
               what torchtext's `bleu_score` gives on spaCy's tokens, as the tutorials
               of https://github.com/bentrevett/pytorch-seq2seq report Multi30k. Words
               are cut by `words`, which is not spaCy: "don't" makes three tokens here
               and two there.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sacrebleu.metrics import BLEU

PROTOCOLS = ("detokenized", "tokenized")
UNKNOWN = "<unk>"  # one token, never right

_WORD = re.compile(rf"{re.escape(UNKNOWN)}|\w+|[^\w\s]")


class Score(NamedTuple):
    """A value in 0..100 and what it was measured by."""

    value: float
    signature: str


def corpus(
    translations: Sequence[str],
    references: Sequence[str],
    *,
    protocol: str = "detokenized",
    lowercase: bool = False,
) -> Score:
    """Measures translations against one reference each.

    Args:
      translations: n texts.
      references: n texts, untouched.
      protocol: one of PROTOCOLS.
      lowercase: ignore case; "tokenized" always does.

    Raises:
      ValueError: no text, not one reference per translation, or an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(
            f"unknown BLEU protocol {protocol!r}; use one of {', '.join(PROTOCOLS)}"
        )
    if not len(translations) == len(references) > 0:
        raise ValueError(
            f"BLEU needs one reference per translation, got {len(translations)} "
            f"translations and {len(references)} references; correct the lists"
        )
    if protocol == "detokenized":
        metric = BLEU(lowercase=lowercase)
    else:
        cut = [" ".join(words(text)) for text in (*translations, *references)]
        translations, references = cut[: len(references)], cut[len(references) :]
        metric = BLEU(lowercase=True, tokenize="none", smooth_method="none", force=True)
    value = metric.corpus_score(list(translations), [list(references)]).score
    return Score(value, metric.get_signature().format())


def words(text: str) -> list[str]:
    """Cuts a text into lowercase words and single punctuation marks."""
    return _WORD.findall(text.lower())
