"""Translation: a target sequence from a source sequence.

Batch: source (b, s) int32; target (b, t + 1) int32, which begins with the token that
starts every target and ends with `end`; both with 0 behind their end. mask (b,)
float32, 0 for padding. The model reads target[:, :-1] and is asked for target[:, 1:].

Metrics: loss, the negative log-likelihood in nats per token, the end counted, with the
true target before each token (teacher forcing), never smoothed; accuracy, of tokens,
likewise; from the loss follows perplexity, exp(loss). `score` adds BLEU of what
`predict` writes without seeing the target, by both protocols of
`research/metrics/bleu.py`.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer, models

from research.metrics import accuracy, bleu
from research.models import kernels
from research.tasks import decoding, gradient, likelihood
from research.tasks.task import Task
from research.training.state import TrainState

_SIDES = ("source", "target")

# Signs that have no blank before them, or none behind them.
_CLOSES, _OPENS = re.compile(r" ([.,:;!?)\]%])"), re.compile(r"([(\[]) ")

_PROTOCOLS = {"bleu": "detokenized", "bleu_tokenized": "tokenized"}
SCORES = tuple(_PROTOCOLS)


@dataclass(frozen=True)
class Translation(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: Any
    options: gradient.Options
    label_smoothing: float
    teacher_forcing: float
    beams: int
    length_penalty: float
    max_length: int
    end: int
    widths: int

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        variables = self.model.init(
            kernels.key(seed), batch["source"], batch["target"][:, :-1], train=False
        )
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        cuts = _cuts(batch, self.widths)
        if len(cuts) == 1:
            return step(state, batch)
        # The narrowest that cuts nothing but padding off.
        longest = {side: (batch[side] != 0).sum(1).max() for side in _SIDES}
        narrow = [
            (longest["source"] > cut["source"]) | (longest["target"] > cut["target"])
            for cut in cuts[:-1]
        ]
        branches = [
            lambda state, batch, cut=cut: step(
                state, batch | {side: batch[side][:, : cut[side]] for side in _SIDES}
            )
            for cut in cuts
        ]
        return jax.lax.switch(sum(map(jnp.int32, narrow)), branches, state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters, where there are any."""
        logits = self.model.apply(
            _variables(state), batch["source"], batch["target"][:, :-1], train=False
        )
        return self._metrics(logits, batch, smoothing=0.0)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Translates; of the target only its first token is read.

        Returns:
          {"token": (b, t) int32, without the first token, 0 behind the end}, and from a
          model with attention {"attention": (b, t, s) float16}: for each written token
          the share of each source token, the mean over layers and heads.
        """
        variables, source = _variables(state), batch["source"]
        start = batch["target"][:, 0]
        length = self.max_length or batch["target"].shape[1] - 1
        step, carry = self._writer(variables, source, length, copies=self.beams)
        limits = dict(end=self.end, length=length)
        if self.beams == 1:
            tokens = decoding.greedy(step, carry, start, **limits)
        else:
            tokens, _ = decoding.beam(
                step,
                carry,
                start,
                beams=self.beams,
                alpha=self.length_penalty,
                **limits,
            )
        read = jnp.concatenate([start[:, None], tokens[:, :-1]], axis=1)
        seen = self._attention(variables, source, read)
        return {"token": tokens} | ({} if seen is None else {"attention": seen})

    def derive(self, averages: Mapping[str, float]) -> dict[str, float]:
        """Adds the perplexity."""
        return {**averages, "perplexity": likelihood.perplexity(averages["loss"])}

    def score(self, predictions: Mapping[str, Any], examples) -> dict[str, float]:
        """Measures BLEU against the untouched references."""
        return {name: s.value for name, s in scores(predictions, examples).items()}

    def _loss(self, params, model_state, batch, rng):
        read = batch["target"][:, :-1]
        if self.teacher_forcing < 1:
            variables = {"params": jax.lax.stop_gradient(params), **model_state}
            read = self._mixed(variables, batch, jax.random.fold_in(rng, 1))
        logits, model_state = self.model.apply(
            {"params": params, **model_state},
            batch["source"],
            read,
            train=True,
            rngs={"dropout": rng},
            mutable=list(model_state),
        )
        return self._metrics(logits, batch, self.label_smoothing), model_state

    def _mixed(self, variables, batch, rng):
        """Draws what the decoder reads: a true token, or its own best guess.

        No gradient passes through a choice of the best, so that the choices can be made
        first, token by token, and the loss be computed for all of them at once.
        """
        true = batch["target"][:, :-1]
        rng, key = jax.random.split(rng)
        forced = jax.random.bernoulli(key, self.teacher_forcing, true.shape)
        forced = forced.at[:, 0].set(True)  # nothing was guessed yet
        length = true.shape[1]
        step, carry = self._writer(variables, batch["source"], length, rng=rng)

        def advance(state, at):
            guess, carry = state
            i, true, forced = at
            token = jnp.where(forced, true, guess)
            logits, carry = step(token, carry, jax.random.fold_in(rng, i))
            return (logits.argmax(-1).astype(true.dtype), carry), token

        steps = (jnp.arange(length), true.T, forced.T)
        return jax.lax.scan(advance, (true[:, 0], carry), steps)[1].T

    def _writer(self, variables, source, length: int, *, copies=1, rng=None):
        """Prepares writing: (step, carry) as `research/tasks/decoding.py` takes them.

        The step is for `copies` rows of each example. With `rng`, dropout is on, and
        every step takes a key of its own as well.
        """
        train = rng is not None

        def apply(method, *arguments, rng, **options):
            rngs = {"dropout": rng} if train else None
            return self.model.apply(
                variables, *arguments, rngs=rngs, method=method, **options
            )

        memory = apply("encode", source, rng=rng, train=train)
        carry = apply("initial_carry", memory, length, rng=rng)
        memory = decoding.repeat(memory, copies)

        def step(token, carry, rng=None):
            logits, carry = apply(
                "decode", token[:, None], carry, memory, rng=rng, train=train
            )
            return logits[:, 0].astype(jnp.float32), carry

        return step, carry

    def _attention(self, variables, source, read):
        """Averages what the attention on the source looked at, if there is any."""
        _, seen = self.model.apply(
            variables, source, read, train=False, mutable="intermediates"
        )
        maps = jax.tree.leaves(seen)  # (b, t, s), or with heads (b, h, t, s)
        if not maps:
            return None
        maps = [each.mean(1) if each.ndim == 4 else each for each in maps]
        return (sum(maps) / len(maps)).astype(jnp.float16)

    def _metrics(self, logits, batch, smoothing) -> gradient.Metrics:
        target = batch["target"][:, 1:]
        counted = (target != decoding.PADDING) * batch["mask"][:, None]
        logits = logits.astype(jnp.float32)
        total = jax.nn.logsumexp(logits, axis=-1)
        true = jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
        loss = ((total - true) * counted).sum()
        weight = counted.sum()
        metrics = {
            "loss": (loss, weight),
            "accuracy": accuracy.top_k(logits, target, counted),
        }
        if isinstance(smoothing, jax.Array) or smoothing:
            # eps / v on every token: the cross-entropy with the uniform distribution.
            uniform = ((total - logits.mean(-1)) * counted).sum()
            smooth = (1 - smoothing) * loss + smoothing * uniform
            metrics["objective"] = (smooth, weight)
        return metrics


def _cuts(batch, count: int) -> list[dict[str, int]]:
    """Lists widths of source and target, the narrowest first, the batch's own last."""
    shares = [2 ** (-k / 2) for k in range(count)]
    cuts = [
        {side: max(3, math.ceil(share * batch[side].shape[1])) for side in _SIDES}
        for share in reversed(shares)
    ]
    return [cut for cut, wider in zip(cuts, cuts[1:], strict=False) if cut != wider] + [
        {side: batch[side].shape[1] for side in _SIDES}
    ]


def scores(predictions: Mapping[str, Any], examples) -> dict[str, bleu.Score]:
    """Measures BLEU with its signatures, by both protocols.

    Args:
      predictions: {"token": (n, t)}, of `Translation.predict`.
      examples: the split that they were made of.
    """
    tokenizer = Tokenizer.from_str(examples.spec.tokenizers["target"])
    translations = texts(tokenizer, predictions["token"])
    references = examples.texts("target", np.arange(len(examples)))
    lowercase = _lowercases(tokenizer)
    return {
        name: bleu.corpus(
            translations, references, protocol=protocol, lowercase=lowercase
        )
        for name, protocol in _PROTOCOLS.items()
    }


def texts(tokenizer: Tokenizer, tokens: np.ndarray) -> list[str]:
    """Writes rows of token ids, (n, t), as n texts.

    Special tokens are left out, but for the unknown word; punctuation that is a word of
    its own is put to the word that it belongs to.
    """
    silent = {
        number
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if token.special and token.content != bleu.UNKNOWN
    }
    rows = [[t for t in row if t not in silent] for row in np.asarray(tokens).tolist()]
    written = tokenizer.decode_batch(rows, skip_special_tokens=False)
    if not isinstance(tokenizer.model, models.WordLevel):
        return written
    return [_OPENS.sub(r"\1", _CLOSES.sub(r"\1", text)) for text in written]


def with_search(task: Translation, **fields) -> Translation:
    """Returns the task with another search: beams, length_penalty or max_length.

    Raises:
      ValueError: a value out of range.
    """
    changed = dataclasses.replace(task, **fields)
    _check_search(changed.beams, changed.length_penalty, changed.max_length)
    return changed


def _variables(state: TrainState) -> dict:
    return {"params": state.eval_params(), **state.model_state}


def _lowercases(tokenizer: Tokenizer) -> bool:
    normalizer = tokenizer.normalizer
    return normalizer is not None and normalizer.normalize_str("A") == "a"


def _check_search(beams: int, length_penalty: float, max_length: int) -> None:
    if beams < 1:
        raise ValueError(f"beams must be at least 1, got {beams}; 1 is greedy search")
    if length_penalty < 0:
        raise ValueError(
            f"length_penalty must be at least 0, got {length_penalty}; 0.6 is usual"
        )
    if max_length < 0:
        raise ValueError(
            f"max_length must be at least 0, got {max_length}; 0 follows the data"
        )


def build(
    model: nn.Module,
    tx: Any,
    options: gradient.Options,
    *,
    label_smoothing: float = 0.0,
    teacher_forcing: float = 1.0,
    beams: int = 1,
    length_penalty: float = 0.6,
    max_length: int = 0,
    end: int = 3,
    widths: int = 1,
) -> Translation:
    """Builds the task.

    Args:
      model: (source, target[:, :-1]) to logits (b, t, v), with the methods `encode`,
        `initial_carry` and `decode`.
      tx: the optimizer.
      options: switches of the gradient step.
      label_smoothing: share of the target spread over all v tokens, in [0, 1).
      teacher_forcing: probability that a token which the decoder reads in training is
        the true one, in [0, 1]; otherwise it is the decoder's own best guess (Bengio et
        al. 2015, https://arxiv.org/abs/1506.03099), made with dropout of its own.
      beams: of the search in `predict`; 1 is greedy.
      length_penalty: alpha of the beam search, see `decoding.beam`.
      max_length: most tokens that `predict` writes; 0: as many as a target can have.
      end: the token that ends a target.
      widths: to how many widths a training batch may be cut, the one that just holds
        its longest sentence; each is 0.7 times the next and has a compiled step of its
        own. It saves padding where `config.data.sort_pool` sorts by length.

    Raises:
      ValueError: a value out of range.
    """
    likelihood.check_smoothing(label_smoothing)
    if not 0 <= teacher_forcing <= 1:
        raise ValueError(
            f"teacher_forcing must be in [0, 1], got {teacher_forcing}; 1 is usual"
        )
    if widths < 1:
        raise ValueError(f"widths must be at least 1, got {widths}; 4 is usual")
    _check_search(beams, length_penalty, max_length)
    return Translation(
        model,
        tx,
        options,
        label_smoothing,
        teacher_forcing,
        beams,
        length_penalty,
        max_length,
        end,
        widths,
    )
