"""The network on log-mel spectrograms: what it needs of a waveform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import audio_cnn


def _logits(length, **fields):
    model = audio_cnn.build("16-32-64-64", **fields)
    init = lambda x: model.init_with_output(jax.random.key(0), x, train=False)  # noqa: E731
    return jax.eval_shape(init, jax.ShapeDtypeStruct((2, length), jnp.float32))[0].shape


def test_a_waveform_of_sixteen_frames_is_enough():
    assert _logits(15 * 128) == (2, 10)
    with pytest.raises(ValueError) as error:
        _logits(15 * 128 - 1)
    assert str(error.value) == (
        "audio_cnn halves frames and bands 4 times and needs at least 16 of each, got "
        "15 frames and 40 mel bands; make config.data.seconds longer, or use fewer "
        "features"
    )


def test_loudness_changes_all_bands_alike():
    """Decibels: twice the amplitude is 6.02 dB more, which running means take off."""
    model = audio_cnn.build("debug", dropout=0.0)
    x = jnp.asarray(np.random.default_rng(0).normal(0, 0.1, (2, 2_000)), jnp.float32)
    init = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))
    variables = init(x)
    run = jax.jit(lambda v, x: model.apply(v, x, train=False))
    louder = {**variables, "batch_stats": dict(variables["batch_stats"])}
    mean = louder["batch_stats"]["bands"]["mean"] + 20 * np.log10(2)
    louder["batch_stats"]["bands"] = {**louder["batch_stats"]["bands"], "mean": mean}
    np.testing.assert_allclose(run(louder, 2 * x), run(variables, x), atol=1e-3)
