"""Goes on with texts: a run's checkpoint, or published weights, as a language model.

  … "ROMEO:" --max-tokens=300 --temperature=0.8 --top-k=40 --seed=1

One prompt is shown while its text grows; several are written side by side in one batch.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import jax
import numpy as np
from tokenizers import Tokenizer

from research import weights
from research.data import tokenization
from research.models import kernels
from research.tasks import generation, sampling
from research.training import run as runs

_PIECE = 8  # tokens between two prints of a growing text
_NO_TEXT = "�"  # what the beginning of a character of several bytes decodes to


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of text generation."""
    parser.add_argument(
        "--prompt", action="append", default=[], help="a beginning; may be repeated"
    )
    parser.add_argument("--max-tokens", type=int, default=200, help="tokens to write")
    parser.add_argument(
        "--temperature", type=float, default=0.8, help="0: the likeliest token always"
    )
    parser.add_argument("--top-k", type=int, default=0, help="only the k likeliest")
    parser.add_argument(
        "--top-p", type=float, default=1.0, help="only the likeliest that reach p"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random draws")
    parser.add_argument("--stop", help="a token that ends a text, such as <eos>")
    parser.add_argument("--samples", type=int, default=1, help="texts per prompt")


def of_run(opened: runs.Run, options: argparse.Namespace) -> "Texts":
    """Writes texts with a run's model: rows {"prompt", "text"}.

    Raises:
      ValueError: no prompt, one that is too long, or an option out of range.
    """
    experiment, state = opened.programs.experiment, opened.state
    tokenizer = experiment.spec.tokenizers.get("token")
    if tokenizer is None:
        raise ValueError(
            f"{opened.folder} was trained on tokens without a tokenizer, so that no "
            "text can be read or written; train it on text"
        )
    model_state = {k: v for k, v in state.model_state.items() if k != "carry"}
    variables = {"params": state.eval_params(), **model_state}
    opener = tokenization.from_str(tokenizer)
    return Texts(experiment.model, variables, opener, options)


def of_weights(options: argparse.Namespace) -> "Texts":
    """Writes the rows of `of_run`, with published weights and their tokenizer."""
    found = weights.describe(options.weights)
    tokenizer = tokenization.beside(found.source)
    model = found.build()
    variables = jax.device_put(weights.read(found, model))
    return Texts(model, variables, tokenizer, options)


def show(rows: "Texts", options: argparse.Namespace) -> None:
    """Prints one text while it grows, or several one after another."""
    if len(rows) == 1:
        for piece in rows.pieces():
            print(piece, end="", flush=True)
        print()
        return
    for number, row in enumerate(rows):
        print(f"{'' if number == 0 else '---' + chr(10)}{row['prompt']}{row['text']}")


class Texts(Iterable):
    """Texts that are written when they are asked for."""

    def __init__(self, model, variables, tokenizer: Tokenizer, options):
        """Encodes the prompts.

        Raises:
          ValueError: as `of_run`.
        """
        self._tokenizer, self._model, self._variables = tokenizer, model, variables
        prompts = [*options.prompt, *options.inputs]
        if not prompts:
            raise ValueError('predict needs a text to go on with; give --prompt="…"')
        for name in ("max_tokens", "samples"):
            if getattr(options, name) < 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be at least 1, got "
                    f"{getattr(options, name)}; raise it"
                )
        self._prompts = [p for p in prompts for _ in range(options.samples)]
        self._tokens, self._mask = _left_padded(tokenizer, self._prompts)
        self._how = sampling.Sampling(options.temperature, options.top_k, options.top_p)
        self._stop = _stop_id(tokenizer, options.stop)
        self._count, self._key = options.max_tokens, kernels.key(options.seed)

    def __len__(self) -> int:
        return len(self._prompts)

    def __iter__(self) -> Iterator[dict]:
        """Yields {"prompt", "text"} of each, the text without its prompt."""
        drawn = self._generate()(
            self._variables, self._tokens, mask=self._mask, key=self._key
        )
        for row, prompt in enumerate(self._prompts):
            text = self._text(row, np.asarray(drawn[row]))
            yield {"prompt": prompt, "text": text}

    def pieces(self) -> Iterator[str]:
        """Yields the first text in pieces, its prompt first."""
        shown = self._prompts[0]
        yield shown
        ids, done = np.zeros(0, np.int32), 0
        for piece in self._written():
            ids = np.concatenate([ids, np.asarray(piece[0])])
            text = self._text(0, ids)
            if not text.endswith(_NO_TEXT):
                yield text[done:]
                done = len(text)
            if self._stop is not None and self._stop in ids:
                break
        yield self._text(0, ids)[done:]

    def _written(self) -> Iterator[jax.Array]:
        """Yields the new tokens, (1, n), a few at a time."""
        count, stop = self._count, self._stop
        given = dict(mask=self._mask, key=self._key)
        context = getattr(self._model, "context", None)
        if context is not None and self._tokens.shape[1] + count > context + 1:
            # Its memory is read anew now and then, which `generate` does.
            write = self._generate()
            yield write(self._variables, self._tokens, **given)
            return
        begin = jax.jit(partial(generation.begin, self._model, more=count))
        writing = begin(self._variables, self._tokens, **given)
        go_on = partial(generation.go_on, self._model, how=self._how, stop=stop)
        step = jax.jit(go_on, static_argnums=2, donate_argnums=1)
        for first in range(0, count, _PIECE):
            piece = min(_PIECE, count - first)
            tokens, writing = step(self._variables, writing, piece)
            yield tokens

    def _generate(self) -> Callable:
        how, stop = self._how, self._stop
        write = partial(generation.generate, self._model, max_tokens=self._count)
        return jax.jit(partial(write, how=how, stop=stop))

    def _text(self, row: int, ids: np.ndarray) -> str:
        """Writes tokens as the text that follows a prompt."""
        if self._stop is not None:
            ids = ids[: [*ids.tolist(), self._stop].index(self._stop)]
        given = self._tokens[row][self._mask[row]]
        decode: Callable = partial(self._tokenizer.decode, skip_special_tokens=False)
        before, whole = decode(given.tolist()), decode([*given.tolist(), *ids.tolist()])
        return whole.removeprefix(before)


def _left_padded(tokenizer, prompts) -> tuple[np.ndarray, np.ndarray]:
    """Encodes prompts to (b, p) int32 and a mask that is true at real tokens."""
    encoded = [tokenization.encode(tokenizer, [p])[0].tolist() for p in prompts]
    for prompt, ids in zip(prompts, encoded, strict=True):
        if not ids:
            raise ValueError(
                f"the prompt {prompt!r} has no token; begin with at least a character"
            )
    length = max(map(len, encoded))
    tokens = np.zeros((len(encoded), length), np.int32)
    mask = np.zeros(tokens.shape, bool)
    for row, ids in enumerate(encoded):
        tokens[row, length - len(ids) :] = ids
        mask[row, length - len(ids) :] = True
    return tokens, mask


def _stop_id(tokenizer: Tokenizer, stop: str | None) -> int | None:
    if stop is None:
        return None
    found = tokenizer.token_to_id(stop)
    if found is None:
        raise ValueError(
            f"--stop={stop!r} is no token of this vocabulary of "
            f"{tokenizer.get_vocab_size()}; name one, such as <eos>"
        )
    return found
