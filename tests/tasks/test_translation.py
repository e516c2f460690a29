"""Translation: the loss against numpy, writing against the model's own logits, BLEU."""

import dataclasses
import functools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from research.metrics import bleu
from research.tasks import gradient, translation

V, END = 9, 3
BATCH = {
    "source": jnp.array([[4, 5, 6, 3], [7, 8, 3, 0], [5, 3, 0, 0]]),
    "target": jnp.array([[2, 4, 5, 6, 3], [2, 8, 7, 3, 0], [2, 5, 3, 0, 0]]),
    "mask": jnp.array([1.0, 1.0, 0.0]),
}


class Small(nn.Module):
    """The least that the task asks of a model: it decays and adds what it reads."""

    def setup(self):
        self.source_embedding = nn.Embed(V, 6)
        self.target_embedding = nn.Embed(V, 6)
        self.head = nn.Dense(V)

    def __call__(self, source, target_in, *, train):
        memory = self.encode(source, train=train)
        return self.decode(target_in, memory["sum"], memory, train=train)[0]

    def encode(self, source, *, train):
        mask = source != 0
        total = (self.source_embedding(source) * mask[..., None]).sum(1)
        return {"sum": total, "mask": mask}

    def initial_carry(self, memory, length):
        return memory["sum"]

    def decode(self, tokens, carry, memory, *, train):
        states = []
        for token in tokens.T:
            carry = jnp.tanh(0.5 * carry + self.target_embedding(token))
            states.append(carry)
        share = memory["mask"] / memory["mask"].sum(1, keepdims=True)
        share = jnp.broadcast_to(share[:, None], (*tokens.shape, share.shape[1]))
        self.sow("intermediates", "attention", share)
        return self.head(jnp.stack(states, 1)), carry


def _task(**fields):
    return translation.build(Small(), optax.sgd(0.1), gradient.Options(), **fields)


@functools.cache
def _state():
    state = jax.jit(_task().init)(np.uint32(1), BATCH)
    # Far enough from the start for clear preferences.
    params = jax.tree.map(lambda leaf: 3.0 * leaf, state.params)
    return state.replace(params=params)


@functools.cache
def _logits(target_in=None):
    target_in = BATCH["target"][:, :-1] if target_in is None else np.array(target_in)
    apply = jax.jit(functools.partial(_task().model.apply, train=False))
    variables = {"params": _state().params}
    return np.asarray(apply(variables, BATCH["source"], jnp.asarray(target_in)))


def _average(metrics, name="loss"):
    total, weight = metrics[name]
    return float(total) / float(weight)


def _log_p():
    logits = _logits().astype(np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_the_loss_counts_every_real_token_and_its_end():
    metrics = jax.jit(_task().eval_step)(_state(), BATCH)
    log_p = _log_p()
    words = [
        (0, 0, 4),
        (0, 1, 5),
        (0, 2, 6),
        (0, 3, 3),
        (1, 0, 8),
        (1, 1, 7),
        (1, 2, 3),
    ]
    expected = -np.mean([log_p[place] for place in words])
    np.testing.assert_allclose(_average(metrics), expected, rtol=1e-5)
    assert float(metrics["loss"][1]) == len(words)
    right = np.mean([log_p[row, i].argmax() == token for row, i, token in words])
    np.testing.assert_allclose(_average(metrics, "accuracy"), right, rtol=1e-6)
    derived = _task().derive({"loss": expected})
    np.testing.assert_allclose(derived["perplexity"], np.exp(expected))


def test_the_smoothed_objective_equals_torch_and_the_loss_stays_plain():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    metrics = jax.jit(_task(label_smoothing=0.2).train_step)(_state(), BATCH)[1]
    target = np.asarray(BATCH["target"][:, 1:]) * [[1], [1], [0]]
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(_logits()).reshape(-1, V),
        torch.tensor(target.reshape(-1)).long(),
        label_smoothing=0.2,
        ignore_index=0,
    )
    np.testing.assert_allclose(
        _average(metrics, "objective"), expected.item(), rtol=1e-5
    )
    plain = jax.jit(_task().eval_step)(_state(), BATCH)
    np.testing.assert_allclose(_average(metrics), _average(plain), rtol=1e-5)


def test_what_is_minimised_is_the_objective():
    smooth, plain = (
        jax.jit(_task(label_smoothing=each).train_step)(_state(), BATCH)[0].params
        for each in (0.2, 0.0)
    )
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), smooth, plain)
    assert max(jax.tree.leaves(moved)) > 1e-3


def _written(length: int) -> np.ndarray:
    """Greedy search by asking for all logits again at every position."""
    tokens = np.asarray(BATCH["target"][:, :1])
    for _ in range(length):
        padded = np.zeros((3, length), np.int32)
        padded[:, : tokens.shape[1]] = tokens
        logits = _logits(tuple(map(tuple, padded)))
        best = logits[:, tokens.shape[1] - 1].argmax(-1)
        ended = (tokens[:, 1:] == END).any(-1)
        tokens = np.append(tokens, np.where(ended, 0, best)[:, None], axis=1)
    return tokens[:, 1:]


def test_predictions_are_what_the_model_finds_best():
    found = jax.jit(_task(max_length=5).predict)(_state(), BATCH)
    np.testing.assert_array_equal(found["token"], _written(5))
    assert found["attention"].shape == (3, 5, 4)
    shares = found["attention"].astype(np.float32)
    np.testing.assert_allclose(shares.sum(-1), 1, atol=2e-3)  # float16
    assert (shares[1, :, 3] == 0).all() and (shares[2, :, 2:] == 0).all()


def test_predictions_read_nothing_of_the_target_but_its_start():
    task = _task()
    hidden = BATCH | {"target": BATCH["target"].at[:, 1:].set(0)}
    predict = jax.jit(task.predict)
    np.testing.assert_array_equal(
        predict(_state(), BATCH)["token"], predict(_state(), hidden)["token"]
    )


def test_a_beam_is_at_least_as_probable_as_greedy_search():
    def log_p(tokens):
        read = np.concatenate([np.full((3, 1), 2), tokens[:, :-1]], axis=1)
        logits = _logits(tuple(map(tuple, read))).astype(np.float64)
        each = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        each = np.take_along_axis(each, tokens[:, :, None], axis=-1)[..., 0]
        return (each * (tokens != 0)).sum(-1)

    greedy, wide = (
        np.asarray(jax.jit(task.predict)(_state(), BATCH)["token"])
        for task in (
            _task(),
            translation.with_search(_task(), beams=4, length_penalty=0.0),
        )
    )
    assert (log_p(wide) >= log_p(greedy) - 1e-5).all()


def test_without_teacher_forcing_the_decoder_reads_its_own_guesses():
    task = _task(teacher_forcing=0.0)
    variables = {"params": _state().params}
    read = jax.jit(task._mixed)(variables, BATCH, jax.random.key(0))
    guesses = _logits(tuple(map(tuple, np.asarray(read)))).argmax(-1)
    np.testing.assert_array_equal(read[:, 0], BATCH["target"][:, 0])
    np.testing.assert_array_equal(read[:, 1:], guesses[:, :-1])
    step = jax.jit(task.train_step)
    metrics = step(_state(), BATCH)[1]
    assert np.isfinite(_average(metrics))


def test_a_batch_is_cut_to_its_longest_sentence_and_the_step_stays_the_same():
    wide = {
        "source": jnp.pad(BATCH["source"], ((0, 0), (0, 5))),
        "target": jnp.pad(BATCH["target"], ((0, 0), (0, 5))),
        "mask": BATCH["mask"],
    }
    # Widths 9 and 10, 7 and 8, 5 and 5: the last holds sentences of 4 and 5 tokens.
    cuts = translation._cuts(wide, 3)
    assert [tuple(cut.values()) for cut in cuts] == [(5, 5), (7, 8), (9, 10)]
    whole, cut = (
        jax.jit(_task(widths=widths).train_step)(_state(), wide) for widths in (1, 3)
    )
    for name in whole[1]:
        np.testing.assert_allclose(cut[1][name], whole[1][name], rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4),
        cut[0].params,
        whole[0].params,
    )


def test_half_of_the_tokens_are_forced():
    task, many = _task(teacher_forcing=0.5), 200
    batch = {name: jnp.repeat(each, many, axis=0) for name, each in BATCH.items()}
    # A model that never guesses the true tokens: those that are read were forced.
    logits = jnp.zeros(V).at[1].set(1.0)

    def step(token, carry, rng=None):
        return jnp.broadcast_to(logits[None], (len(token), V)), carry

    @dataclasses.dataclass(frozen=True)
    class Guesses(translation.Translation):
        def _writer(self, variables, source, length, **options):
            return step, ()

    fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    read = Guesses(**fields)._mixed({}, batch, jax.random.key(0))
    forced = np.asarray(read == batch["target"][:, :-1])
    assert forced[:, 0].all()
    assert abs(forced[:, 1:].mean() - 0.5) < 0.05
    assert set(np.asarray(read)[~forced]) == {1}


def _words():
    """A tokenizer of lowercase words: <pad>, <unk>, <sos>, <eos>, then the words."""
    vocabulary = ["<pad>", "<unk>", "<sos>", "<eos>", "a", "man", "sits", ".", "dog"]
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(vocabulary[:4])
    return tokenizer


def test_texts_keep_unknown_words_and_no_other_special_token():
    tokens = np.array([[4, 5, 6, 7, 3, 0], [4, 1, 6, 2, 0, 0]])
    assert translation.texts(_words(), tokens) == ["a man sits.", "a <unk> sits"]


def test_scores_are_bleu_by_both_protocols_with_signatures():
    spec = types.SimpleNamespace(tokenizers={"target": _words().to_str()})
    references = ["A man sits .", "A dog sits on a man ."]

    class Examples:
        def __init__(self):
            self.spec = spec

        def __len__(self):
            return 2

        def texts(self, name, indices):
            assert name == "target"
            return [references[index] for index in indices]

    examples = Examples()
    tokens = np.array([[4, 5, 6, 7, 3, 0], [4, 8, 6, 4, 5, 7]])
    found = _task().score({"token": tokens}, examples)
    assert tuple(found) == translation.SCORES == ("bleu", "bleu_tokenized")
    texts = ["a man sits.", "a dog sits a man."]
    for name, protocol in zip(found, bleu.PROTOCOLS, strict=True):
        expected = bleu.corpus(texts, references, protocol=protocol, lowercase=True)
        assert found[name] == expected.value
    signed = translation.scores({"token": tokens}, examples)
    assert "|case:lc|eff:no|tok:13a|smooth:exp|" in signed["bleu"].signature


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"beams": 0}, "beams must be at least 1, got 0; 1 is greedy search"),
        (
            {"length_penalty": -1.0},
            "length_penalty must be at least 0, got -1.0; 0.6 is usual",
        ),
        (
            {"teacher_forcing": 1.5},
            "teacher_forcing must be in [0, 1], got 1.5; 1 is usual",
        ),
        (
            {"label_smoothing": 1.0},
            "label_smoothing must be in [0, 1), got 1.0; 0.1 is usual",
        ),
        ({"widths": 0}, "widths must be at least 1, got 0; 4 is usual"),
        (
            {"max_length": -1},
            "max_length must be at least 0, got -1; 0 follows the data",
        ),
    ],
)
def test_values_out_of_range_are_refused(fields, sentence):
    with pytest.raises(ValueError) as error:
        _task(**fields)
    assert str(error.value) == sentence
