"""Scaled dot-product attention, softmax(q k^T / sqrt(d)) v.

On CPU the heads stand before time, so that every product is one of plain matrices, and
the scores, the probabilities and their cotangents are each one array of their own:
fused into the operand of a product they would be computed element by element there.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax

from research.models.kernels import choice


def attention(kernels: str) -> Callable:
    """Chooses attention: (q, k, v, mask=None, causal=False), see `layers.attention`."""
    return choice.choose(kernels, _native, _attention)


def _native(q, k, v, mask=None, causal=False):
    return jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=causal)


def _attention(q, k, v, mask=None, causal=False):
    def native(q, k, v, *mask):
        return _native(q, k, v, *mask, causal=causal)

    def on_cpu(q, k, v, *mask):
        return _heads_first(q, k, v, *mask, causal=causal)

    if q.ndim != 4 or k.shape[2] != q.shape[2]:  # grouped queries
        return _native(q, k, v, mask, causal)
    masks = () if mask is None else (mask,)
    return lax.platform_dependent(q, k, v, *masks, cpu=on_cpu, default=native)


def _heads_first(q, k, v, mask=None, causal=False):
    barrier = lax.optimization_barrier
    q = q * q.shape[-1] ** -0.5
    q, k, v = (barrier(rearrange(a, "b t h d -> b h t d")) for a in (q, k, v))
    scores = barrier(jnp.einsum("bhtd,bhsd->bhts", q, k))
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    if causal:
        # Query t sees keys 0 to t, as in `jax.nn.dot_product_attention`.
        t, s = (lax.broadcasted_iota(jnp.int32, scores.shape[2:], a) for a in (0, 1))
        scores = jnp.where((t >= s)[None, None], scores, _lowest(scores))
    if mask is not None:
        scores = jnp.where(mask, scores, _lowest(scores))
    weights = _softmax(scores).astype(v.dtype)
    y = barrier(jnp.einsum("bhts,bhsd->bhtd", weights, v))
    return rearrange(y, "b h t d -> b t h d")


def _lowest(x):
    return jnp.asarray(-0.7 * jnp.finfo(x.dtype).max, x.dtype)


@jax.custom_jvp
def _softmax(x):
    x = jnp.exp(x - lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True)))
    return lax.optimization_barrier(x / jnp.sum(x, axis=-1, keepdims=True))


@_softmax.defjvp
def _softmax_jvp(primals, tangents):
    (p,), (t,) = map(_softmax, primals), tangents
    # p is the held array, so that the gradient reads it instead of computing it again.
    t = lax.optimization_barrier(p * (t - jnp.sum(p * t, axis=-1, keepdims=True)))
    return p, lax.optimization_barrier(t)
