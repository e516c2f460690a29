"""Encoded sentences and pairs of them: the features, and the tokenizer they go with.

Features: `token` (length,) int32, padded behind its end; `type` (length,) int32, 0 in
the first sentence and 1 in the second; `length` () int32, the tokens that are real.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer, processors

from research.data import source, tokenization

# Special tokens of a vocabulary that is made from the text; padding has id 0.
_SPECIAL = {
    "word": ("<pad>", "<unk>", "<sep>"),
    "char": ("<pad>", "<unk>", "<sep>"),
    "byte": ("<pad>", "<sep>"),
    "bpe": ("<pad>", "<sep>"),
}


class Sentences(source.Arrays):
    """Encoded sentences; see the file's description."""

    def token_counts(self) -> np.ndarray:
        """Counts the tokens of every example that are no padding."""
        return self.arrays["length"]


def examples(
    arrays: dict[str, np.ndarray], class_names, tokenizer: Tokenizer, sizes=()
) -> Sentences:
    """Makes a source of encoded sentences, whose spec knows their tokenizer."""
    made = Sentences(arrays, class_names)
    sizes = {**made.spec.sizes, **dict(sizes), "vocab_size": tokenizer.get_vocab_size()}
    made.spec = dataclasses.replace(
        made.spec, sizes=sizes, tokenizers={"token": tokenizer.to_str()}
    )
    return made


def make_tokenizer(
    name: str, texts: Iterable[str], *, length: int, pairs: bool, words: str, **options
) -> Tokenizer:
    """Builds a tokenizer that cuts and pads to `length` tokens.

    Args:
      name: as `load` takes it.
      texts: the training text, for a kind that is made from it.
      length: tokens of an example.
      pairs: whether two sentences come together.
      words: how words are told apart.
      **options: further ones of `tokenization.create`.

    Raises:
      FileNotFoundError, ValueError: as `tokenization.create`.
    """
    described = pathlib.Path(name) / "data.json"
    if described.is_file():
        made = _of_run(described)
    else:
        special = _SPECIAL.get(name)
        options |= {"split": words, "special": special}
        made = tokenization.create(name, texts, **options)
        if pairs and special:
            sep = "<sep>"
            made.post_processor = processors.TemplateProcessing(
                single="$A:0",
                pair=f"$A:0 {sep}:0 $B:1",
                special_tokens=[(sep, made.token_to_id(sep))],
            )
    return fitted(made, length)


def fitted(tokenizer: Tokenizer, length: int) -> Tokenizer:
    """Lets a tokenizer cut and pad to `length` tokens; returns it."""
    pad = tokenization.special_ids(tokenizer).pad or 0
    tokenizer.enable_truncation(length, strategy="longest_first")
    tokenizer.enable_padding(
        length=length, pad_id=pad, pad_token=tokenizer.id_to_token(pad) or "<pad>"
    )
    return tokenizer


def encode(
    tokenizer: Tokenizer,
    columns: Sequence[Sequence[str]],
    *,
    where: str = "the text",
    overlong: str = "cut",
) -> dict[str, np.ndarray]:
    """Turns sentences into the features `token`, `type` and `length`.

    Args:
      tokenizer: of `make_tokenizer` or `fitted`.
      columns: the sentences, and the second ones of pairs.
      where: names the text in errors.
      overlong: "cut" or "refuse".

    Raises:
      ValueError: a text without a token, or too long a one.
    """
    inputs = list(zip(*columns, strict=True)) if len(columns) > 1 else list(columns[0])
    found = tokenizer.encode_batch(inputs)
    if overlong == "refuse":
        for row, each in enumerate(found):
            if each.overflowing:
                raise ValueError(
                    f"example {row} of {where} has more than {len(each.ids)} tokens; "
                    "raise config.data.length or set config.data.overlong to 'cut'"
                )
    for column in columns:
        empty = next((row for row, s in enumerate(column) if not s.strip()), None)
        if empty is not None:
            raise ValueError(
                f"example {empty} of {where} is empty text; remove it or fill it in"
            )
    return {
        "token": np.array([each.ids for each in found], np.int32),
        "type": np.array([each.type_ids for each in found], np.int32),
        "length": np.array([sum(each.attention_mask) for each in found], np.int32),
    }


def _of_run(file: pathlib.Path) -> Tokenizer:
    """Takes the tokenizer that a run was trained with."""
    stored = json.loads(file.read_text(encoding="utf-8")).get("tokenizers", {})
    if "token" not in stored:
        raise ValueError(
            f"the run {file.parent} was not trained on text, so that it has no "
            "tokenizer; name another in config.data.tokenizer"
        )
    return tokenization.from_str(stored["token"])
