"""Recurrent networks of torch.nn: outputs within 1e-5, tensors back byte by byte."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights
from research.models import rnn

# name -> (module of torch.nn, options, fields that the file does not tell)
MODULES = {
    "rnn": ("RNN", dict(num_layers=2), {}),
    "rnn_relu": ("RNN", dict(nonlinearity="relu"), dict(activation="relu")),
    "lstm": ("LSTM", dict(num_layers=2, bidirectional=True), {}),
    "lstm_unbiased": ("LSTM", dict(bias=False), {}),
    "gru": ("GRU", dict(num_layers=3), {}),
    "gru_both": ("GRU", dict(bidirectional=True), {}),
}
INPUT, WIDTH, LENGTHS = 3, 5, (7, 4, 1)


def _values():
    return np.random.default_rng(0).normal(size=(3, 7, INPUT)).astype(np.float32)


def _saved(torch, name, folder):
    kind, options, told = MODULES[name]
    module = getattr(torch.nn, kind)(INPUT, WIDTH, batch_first=True, **options)
    torch.save(module.state_dict(), folder / "rnn.pth")
    return module, *weights.load(folder / "rnn.pth", **told)


def _run(model, variables, *inputs, **named):
    def run(variables, inputs, named):
        return model.apply(variables, *inputs, train=False, **named)

    return jax.jit(run)(variables, inputs, named)


@pytest.mark.parametrize("name", MODULES)
def test_a_layer_of_pytorch(name, torch, tmp_path):
    module, model, variables = _saved(torch, name, tmp_path)
    x = _values()
    with torch.no_grad():
        there, end = module(torch.from_numpy(x))
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            torch.from_numpy(x), LENGTHS, batch_first=True
        )
        padded, packed_end = module(packed)
        padded, _ = torch.nn.utils.rnn.pad_packed_sequence(padded, batch_first=True)
    carry = model.initial_carry(3)
    here, last = _run(model, variables, x, carry=carry)
    _compare(here, last, there, end)
    mask = jnp.arange(7)[None] < jnp.asarray(LENGTHS)[:, None]
    here, last = _run(model, variables, x, carry=carry, mask=mask)
    _compare(here, last, padded, packed_end)

    (file,) = weights.export(model, variables, tmp_path / "a.safetensors", "pytorch")
    written, kept = safetensors_numpy.load_file(file), module.state_dict()
    assert written.keys() == kept.keys()
    for key, tensor in kept.items():
        assert written[key].tobytes() == tensor.contiguous().numpy().tobytes(), key


def _compare(here, last, there, end):
    np.testing.assert_allclose(here, there.numpy(), rtol=0, atol=1e-5)
    ends = end if isinstance(end, tuple) else (end,)  # (layers, b, h): h, and c
    for layer, state in enumerate(last):
        for ours, theirs in zip(state, ends, strict=True):
            np.testing.assert_allclose(ours, theirs[layer].numpy(), rtol=0, atol=1e-5)


def test_one_bias_is_written_as_two(torch, tmp_path):
    fields = dict(widths=(WIDTH,), num_classes=0, pool="none")
    model, x = rnn.build("mnist_gru", **fields), _values()
    init = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))
    variables = init(x)
    (file,) = weights.export(model, variables, tmp_path / "a.safetensors", "pytorch")
    module = torch.nn.GRU(INPUT, WIDTH, batch_first=True)
    tensors = safetensors_numpy.load_file(file)
    module.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()})
    with torch.no_grad():
        there, _ = module(torch.from_numpy(x))
    here = _run(model, variables, x)
    np.testing.assert_allclose(here, there.numpy(), rtol=0, atol=1e-5)


def test_the_word_language_model(torch, tmp_path):
    """RNNModel of pytorch/examples: encoder, rnn and decoder."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.Embedding(11, 4)
            self.rnn = torch.nn.LSTM(4, WIDTH, 2)
            self.decoder = torch.nn.Linear(WIDTH, 11)

        def forward(self, token):
            return self.decoder(self.rnn(self.encoder(token))[0])

    module, token = Net(), np.arange(22).reshape(2, 11) % 11
    torch.save(module.state_dict(), tmp_path / "lm.pth")
    model, variables = weights.load(tmp_path / "lm.pth")
    assert isinstance(model, rnn.LanguageModel) and model.vocab_size == 11
    assert weights.task(tmp_path / "lm.pth") == "language_modeling"
    with torch.no_grad():
        there = module(torch.from_numpy(token.T)).transpose(0, 1).numpy()
    here = _run(model, variables, jnp.asarray(token, jnp.int32))
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-5)
    (file,) = weights.export(model, variables, tmp_path / "a.safetensors", "pytorch")
    written = safetensors_numpy.load_file(file)
    for key, tensor in module.state_dict().items():
        assert written[key].tobytes() == tensor.contiguous().numpy().tobytes(), key


def test_our_own_form_keeps_both_kinds_of_network(tmp_path):
    for variant, x in (
        ("debug", jnp.zeros((1, 3), jnp.int32)),
        ("adding_gru", jnp.zeros((1, 3, 2))),
    ):
        model = rnn.build(variant, widths=(12,))
        variables = jax.jit(
            lambda model=model, x=x: model.init(jax.random.key(0), x, train=False)
        )()
        weights.export(model, variables, tmp_path / variant)
        again, read = weights.load(tmp_path / variant)
        assert again == model
        assert jax.tree.all(jax.tree.map(jnp.array_equal, variables, read))


def test_what_pytorch_has_no_module_for_is_one_sentence(tmp_path):
    def export(**fields):
        fields = dict(num_classes=0) | fields
        model, x = rnn.build("mnist_gru", **fields), jnp.zeros((1, 1, 2))
        variables = jax.eval_shape(
            lambda: model.init(jax.random.key(0), x, train=False)
        )
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape), variables)
        with pytest.raises(ValueError) as error:
            weights.export(model, zeros, tmp_path / "a.safetensors", "pytorch")
        return str(error.value)

    assert export(widths=(3, 4), reset="before") == (
        "layers of torch.nn have one width, and a GRU resets after the product, got "
        "widths (3, 4) and reset='before'; use format='menagerie'"
    )
    assert export(num_classes=10) == (
        "pytorch has no rnn with num_classes=10; use format='menagerie'"
    )
