"""Recurrent encoders and decoders against PyTorch's layers, as the papers join them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import seq2seq

SOURCE = np.array([[3, 4, 5, 0, 0], [7, 8, 9, 3, 2]], np.int32)
TARGET = np.array([[1, 2, 3, 4], [5, 4, 3, 2]], np.int32)
LENGTHS = (SOURCE != 0).sum(1)

KINDS = {
    "none": dict(attention="none", cell="lstm", depth=2, bidirectional=False),
    "reversed": dict(attention="none", bidirectional=False, reverse=True),
    "context": dict(attention="context", bidirectional=False),
    "additive": dict(),
    "dot": dict(attention="dot", bidirectional=False, reverse=True),
    "general": dict(attention="general", cell="lstm"),
    "concat": dict(attention="concat"),
}


@functools.cache
def _model(kind):
    """Builds a small model with random parameters."""
    model = seq2seq.build("debug", **KINDS[kind])
    shapes = jax.eval_shape(
        functools.partial(model.init, train=False),
        jax.random.key(0),
        *map(jnp.asarray, (SOURCE, TARGET)),
    )
    rng = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(rng.normal(0, 0.5, leaf.shape), jnp.float32)  # noqa: E731
    return model, jax.tree.map(draw, shapes)


@functools.partial(jax.jit, static_argnums=0, static_argnames=("method", "mutable"))
def _jitted(model, variables, *arguments, **options):
    return model.apply(variables, *arguments, train=False, **options)


def _apply(model, variables, *arguments, **options):
    return _jitted(model, variables, *jax.tree.map(jnp.asarray, arguments), **options)


class _Torch:
    """The same computation with torch.nn, one step of the decoder after another."""

    def __init__(self, torch, model, params):
        self.torch, self.model = torch, model
        self.params = jax.tree.map(lambda a: torch.tensor(np.asarray(a)), params)

    def __call__(self):
        torch, model, params = self.torch, self.model, self.params["decoder"]
        annotations, state = self._encode()
        self.hidden = torch.tensor(SOURCE == 0)
        self.last = state[0][-1] if model.cell == "lstm" else state[-1]
        rnn = None if model.attention == "additive" else self._rnn(params["rnn"])
        logits, self.maps = [], []
        for t in range(TARGET.shape[1]):
            x = params["embedding"]["embedding"][torch.tensor(TARGET[:, t]).long()]
            if model.attention == "additive":
                output, state = self._additive(x, state, annotations)
            elif model.attention == "context":
                y, state = rnn(torch.cat([x, self.last], -1)[None], state)
                output = torch.cat([x, y[0], self.last], -1)
            else:
                y, state = rnn(x[None], state)
                output = y[0]
                if model.attention != "none":
                    output = self._luong(output, annotations)
            logits.append(self._dense(params["head"], output))
        return torch.stack(logits, 1).numpy()

    def _dense(self, params, x):
        return x @ params["kernel"] + params.get("bias", 0)

    def _rnn(self, params, bidirectional=False):
        """Builds torch.nn.LSTM or GRU with our parameters."""
        first = params["layer1"]["input"]["kernel"]
        kind = {"lstm": self.torch.nn.LSTM, "gru": self.torch.nn.GRU}[self.model.cell]
        rnn = kind(
            len(first), 12, self.model.depth, bidirectional=bidirectional
        ).requires_grad_(False)
        state = {}
        for name, layer in params.items():
            number, _, reverse = name.removeprefix("layer").partition("_")
            ending = f"l{int(number) - 1}{'_reverse' if reverse else ''}"
            state[f"weight_ih_{ending}"] = layer["input"]["kernel"].T
            state[f"bias_ih_{ending}"] = layer["input"]["bias"]
            state[f"weight_hh_{ending}"] = layer["recurrent_kernel"].T
            state[f"bias_hh_{ending}"] = layer["recurrent_bias"]
        rnn.load_state_dict(state)
        return rnn

    def _encode(self):
        torch, model, params = self.torch, self.model, self.params["encoder"]
        source = SOURCE.copy()
        if model.reverse:
            for row, length in enumerate(LENGTHS):
                source[row, :length] = source[row, :length][::-1]
        x = params["embedding"]["embedding"][torch.tensor(source).long()]
        pack = torch.nn.utils.rnn.pack_padded_sequence
        packed = pack(x, LENGTHS, batch_first=True, enforce_sorted=False)
        y, state = self._rnn(params["rnn"], model.bidirectional)(packed)
        y = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0]
        if model.reverse:
            turned = [y[row, :n].flip(0) for row, n in enumerate(LENGTHS)]
            y = torch.nn.utils.rnn.pad_sequence(turned, batch_first=True)
        if not model.bidirectional:
            return y, state
        ends = state if model.cell == "lstm" else (state,)
        merged = tuple(
            torch.tanh(self._dense(params[f"bridge1_{n}"], torch.cat(list(e), -1)))[
                None
            ]
            for n, e in zip("hc", ends, strict=False)
        )
        return y, merged if model.cell == "lstm" else merged[0]

    def _share(self, scores):
        alpha = self.torch.softmax(scores.masked_fill(self.hidden, -1e10), -1)
        self.maps.append(alpha)
        return alpha

    def _additive(self, x, state, annotations):
        torch, params = self.torch, self.params["decoder"]
        s = state[0]
        inner = s @ params["query_kernel"]
        inner = torch.tanh(inner[:, None] + self._dense(params["key"], annotations))
        alpha = self._share(inner @ params["energy_kernel"])
        seen = torch.einsum("bs,bsm->bm", alpha, annotations)
        cell = torch.nn.GRUCell(x.shape[1] + seen.shape[1], 12).requires_grad_(False)
        both = torch.cat([params["input"]["kernel"], params["context_kernel"]])
        cell.load_state_dict(
            {
                "weight_ih": both.T,
                "bias_ih": params["input"]["bias"],
                "weight_hh": params["recurrent_kernel"].T,
                "bias_hh": params["recurrent_bias"],
            }
        )
        s = cell(torch.cat([x, seen], -1), s)
        return torch.cat([s, seen, x], -1), s[None]

    def _luong(self, h, annotations):
        """Section 3.1, one source token after another."""
        torch, params = self.torch, self.params["decoder"]
        scores = []
        for j in range(annotations.shape[1]):
            each = annotations[:, j]
            if self.model.attention == "dot":
                score = (h * each).sum(-1)
            elif self.model.attention == "general":
                score = (h * self._dense(params["key"], each)).sum(-1)
            else:
                halves = [params["query"]["kernel"], params["key"]["kernel"]]
                inner = torch.tanh(torch.cat([h, each], -1) @ torch.cat(halves))
                score = self._dense(params["energy"], inner)[:, 0]
            scores.append(score)
        alpha = self._share(torch.stack(scores, -1))
        context = torch.einsum("bs,bsm->bm", alpha, annotations)
        return torch.tanh(
            self._dense(params["attentional"], torch.cat([context, h], -1))
        )


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_attention_equal_torch(kind):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    model, variables = _model(kind)
    logits, seen = _apply(model, variables, SOURCE, TARGET, mutable="intermediates")
    with torch.inference_mode():
        reference = _Torch(torch, model, variables["params"])
        np.testing.assert_allclose(logits, reference(), atol=1e-4)
    if model.attention in ("none", "context"):
        assert not seen
        return
    (found,) = seen["intermediates"]["decoder"]["attention"]
    expected = torch.stack(reference.maps, 1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (np.asarray(found)[0, :, 3:] == 0).all()


@pytest.mark.parametrize("kind", ["none", "context", "additive", "general"])
def test_writing_step_by_step_equals_all_at_once(kind):
    model, variables = _model(kind)
    memory = _apply(model, variables, SOURCE, method="encode")
    carry = model.apply(variables, memory, 4, method="initial_carry")
    parts = []
    for first, last in ((0, 2), (2, 4)):
        logits, carry = _apply(
            model, variables, TARGET[:, first:last], carry, memory, method="decode"
        )
        parts.append(logits)
    expected = _apply(model, variables, SOURCE, TARGET)
    np.testing.assert_allclose(jnp.concatenate(parts, 1), expected, atol=1e-5)


def test_a_source_without_tokens_is_no_nan():
    model, variables = _model("additive")
    nothing = np.zeros_like(SOURCE)
    assert np.isfinite(_apply(model, variables, nothing, TARGET)).all()


def test_fields_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError) as error:
        seq2seq.build("lstm", attention="additive")
    assert str(error.value) == (
        "attention='additive' is for a decoder of one GRU, got cell='lstm' and "
        "depth=2; use cell='gru' and depth=1, or attention='general'"
    )
    with pytest.raises(ValueError) as error:
        seq2seq.build("luong", attention="dot", bidirectional=True)
    assert str(error.value) == (
        "attention='dot' needs annotations as wide as the decoder's states, got "
        "bidirectional=True, which doubles them; use attention='general'"
    )
    with pytest.raises(ValueError, match="^unknown attention 'additiv'; did you mean"):
        seq2seq.build("gru", attention="additiv")
