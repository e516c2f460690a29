"""Fills in masked words, or turns sentences into vectors, with a masked language model.

… --fill-mask "Paris is the [MASK] of France."     the likeliest words of each [MASK]
… --embed=mean "a sentence" "another one"          vectors, and how alike they are
"""

import argparse
from collections.abc import Callable, Iterable, Iterator

import jax
import numpy as np
from tokenizers import Tokenizer

from research import weights
from research.data import tokenization
from research.training import run as runs

_MASK = "[MASK]"  # as a user writes it, whatever the vocabulary calls it
_KINDS = ("mean", "pooled", "first")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of masked language modeling."""
    parser.add_argument(
        "--fill-mask",
        action="append",
        default=[],
        metavar="TEXT",
        help=f"a text with {_MASK} in it; may be repeated, or given without the option",
    )
    parser.add_argument("--top", type=int, default=5, help="words shown per mask")
    parser.add_argument(
        "--embed",
        choices=_KINDS,
        help="show vectors instead: mean of the tokens', pooled, or [CLS]'s own",
    )


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"text", "filled", "masks": [[{"token", "probability"}, …], …]}.

    With --embed {"text", "embedding"}.

    Raises:
      ValueError: no text, one without a mask, one that is too long, or an option.
    """
    experiment, state = opened.programs.experiment, opened.state
    variables = {"params": state.eval_params(), **state.model_state}
    tokenizer = tokenization.from_str(experiment.spec.tokenizers["token"])
    return _rows(experiment.model, variables, tokenizer, options, str(opened.folder))


def of_weights(options: argparse.Namespace) -> Iterator[dict]:
    """Yields the rows of `of_run`, with published weights and their tokenizer."""
    found = weights.describe(options.weights)
    model = found.build()
    tokenizer = tokenization.beside(found.source)
    variables = jax.device_put(weights.read(found, model))
    return _rows(model, variables, tokenizer, options, str(found.source))


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints the words of each mask, or how alike the sentences are."""
    if options.embed:
        _show_alike(list(rows))
        return
    for row in rows:
        print(row["filled"])
        for number, words in enumerate(row["masks"], 1):
            best = "  ".join(f"{w['token']} {w['probability']:.1%}" for w in words)
            print(f"  {number}: {best}")


def _show_alike(rows: list[dict]) -> None:
    """Prints the cosine of every two sentences; of a single one its first numbers."""
    vectors = np.array([row["embedding"] for row in rows])
    if len(rows) == 1:
        begin = ", ".join(f"{x:.3f}" for x in vectors[0, :8])
        print(f"{rows[0]['text']}: {len(vectors[0])} numbers, {begin}, … (--json: all)")
        return
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, (row, alike) in enumerate(zip(rows, unit @ unit.T, strict=True), 1):
        print(f"{number}  {'  '.join(f'{x:6.3f}' for x in alike)}  {row['text']}")


def _rows(model, variables, tokenizer: Tokenizer, options, where) -> Iterator[dict]:
    texts = [*options.fill_mask, *options.inputs]
    if not texts:
        raise ValueError(
            f'predict needs a text, got none; give --fill-mask="… {_MASK} …"'
        )
    if options.top < 1:
        raise ValueError(f"--top must be at least 1, got {options.top}; use 5")
    batch = _encode(tokenizer, texts, model.max_length)

    @jax.jit
    def run(variables, token, real):
        return model.apply(variables, token, attention_mask=real, train=False)

    outputs = jax.tree.map(np.asarray, run(variables, **batch))
    if options.embed:
        return _embeddings(texts, batch, outputs, options.embed, where)
    if "mlm_logits" not in outputs:
        raise ValueError(
            f"{where} has no head for masked words; use --embed, or weights with one"
        )
    return _fillings(texts, batch, outputs["mlm_logits"], tokenizer, options.top)


def _encode(tokenizer: Tokenizer, texts: list[str], most: int) -> dict:
    """Encodes to token (b, t) int32 and real (b, t) bool, with [CLS] and [SEP]."""
    ids = tokenization.special_ids(tokenizer)
    lacking = [r for r in ("cls", "sep", "mask", "pad") if getattr(ids, r) is None]
    if lacking:
        raise ValueError(
            f"the tokenizer has no {lacking[0]} token, so that it goes with no masked "
            "language model; bring the one of the weights"
        )
    own = tokenizer.id_to_token(ids.mask)
    spelt = [text.replace(_MASK, own) for text in texts]
    found, lengths = tokenization.encode(tokenizer, spelt)
    longest = int(lengths.max()) + 2
    if longest > most:
        raise ValueError(
            f"the model reads at most {most} tokens, got a text of {longest}; cut it"
        )
    token = np.full((len(texts), longest), ids.pad, np.int32)
    for row, text in enumerate(np.split(found, np.cumsum(lengths)[:-1])):
        token[row, : len(text) + 2] = [ids.cls, *text, ids.sep]
    real = np.arange(token.shape[1]) < lengths[:, None] + 2
    return {"token": token, "real": real}


def _embeddings(texts, batch, outputs, kind: str, where) -> Iterator[dict]:
    if kind == "pooled" and "pooled" not in outputs:
        raise ValueError(f"{where} has no pooler; use --embed=mean")
    if kind == "pooled":
        vectors = outputs["pooled"]
    elif kind == "first":
        vectors = outputs["hidden"][:, 0]
    else:
        real = batch["real"][..., None]
        vectors = (outputs["hidden"] * real).sum(1) / real.sum(1)
    for text, vector in zip(texts, vectors, strict=True):
        yield {"text": text, "embedding": vector.tolist()}


def _fillings(texts, batch, logits, tokenizer: Tokenizer, top: int) -> Iterator[dict]:
    mask = tokenization.special_ids(tokenizer).mask
    decode: Callable = tokenizer.decode
    for text, token, real, row in zip(
        texts, batch["token"], batch["real"], logits, strict=True
    ):
        places = np.flatnonzero(token == mask)
        if not len(places):
            raise ValueError(f"the text {text!r} has no {_MASK}; put one into it")
        filled, masks = token.copy(), []
        for place in places:
            p = np.exp(row[place] - row[place].max())
            p /= p.sum()
            best = np.argsort(-p, kind="stable")[:top]
            filled[place] = best[0]
            words = (tokenizer.id_to_token(int(i)) for i in best)
            masks.append(
                [
                    {"token": w, "probability": float(p[i])}
                    for w, i in zip(words, best, strict=True)
                ]
            )
        yield {"text": text, "filled": decode(filled[real].tolist()), "masks": masks}
