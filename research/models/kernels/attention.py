"""Scaled dot-product attention, softmax(q k^T / sqrt(d)) v.

On CPU the heads stand before time, so that every product is one of plain matrices, and
the scores, the probabilities and their cotangents are each one array of their own:
fused into the operand of a product they would be computed element by element there.

Long sequences go block by block of queries on every platform, and the probabilities of
a block are computed again for its gradient, so that memory grows with t and not with
t^2; under the causal rule a quarter of the queries reads only the keys up to its end.
The gradient of 12 causal heads of width 64 over 4,096 tokens, float32, takes 0.35 GB of
temporaries on CPU instead of 3.2 GB; over 8,192 tokens 0.70 GB.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax

from research.models.kernels import choice, product

_LONG = 2**20  # scores of one head, beyond which queries go in blocks
_BLOCK = 256  # queries of a block
_PARTS = 4  # of a long causal sequence, each reading the keys up to its own end
_PART = 128  # queries of such a part of a shorter one
# Of products of half precision that are summed and kept in float32.
_ALGORITHMS = {
    "bfloat16": lax.DotAlgorithmPreset.BF16_BF16_F32,
    "float16": lax.DotAlgorithmPreset.F16_F16_F32,
}


def attention(kernels: str) -> Callable:
    """Chooses attention; see `layers.attention` for its arguments."""
    if kernels == "flash" and jax.default_backend() == "gpu":
        return _flash
    return choice.choose(kernels, _native, _attention)


def _native(q, k, v, mask=None, causal=False, dropout=None):
    if dropout is not None:
        return _in_blocks(_whole, q, k, v, mask, causal, dropout)
    whole = jax.nn.dot_product_attention
    return whole(q, k, v, mask=mask, is_causal=causal)


def _flash(q, k, v, mask=None, causal=False, dropout=None):
    """cuDNN's fused kernel; with dropout, which JAX does not hand to it, blocks."""
    if q.dtype not in (jnp.bfloat16, jnp.float16):
        raise ValueError(
            f"kernels='flash' needs attention in half precision, got {q.dtype}; set "
            "the model's dtype to bfloat16, or kernels='auto'"
        )
    if dropout is not None:
        return _attention(q, k, v, mask, causal, dropout)
    return jax.nn.dot_product_attention(
        q, k, v, mask=mask, is_causal=causal, implementation="cudnn"
    )


def _attention(q, k, v, mask=None, causal=False, dropout=None):
    extra = {} if mask is None else {"mask": mask}
    if dropout is not None:
        extra["dropout"] = dropout

    def default(q, k, v, extra):
        if dropout is None and not _is_long(q, k):
            return _native(q, k, v, causal=causal, **extra)
        return _in_blocks(_whole, q, k, v, causal=causal, **extra)

    def on_cpu(q, k, v, extra):
        first_alone = causal and k.shape[1] > 1  # all that one query may see
        if q.shape[1] == 1 and dropout is None and not first_alone:
            return _one_query(q, k, v, **extra)
        form = partial(_whole, hold=lax.optimization_barrier)
        return _in_blocks(form, q, k, v, causal=causal, **extra)

    return lax.platform_dependent(q, k, v, extra, cpu=on_cpu, default=default)


def _is_long(q, k) -> bool:
    return q.shape[1] * k.shape[1] > _LONG and q.shape[1] > _BLOCK


def _in_blocks(form, q, k, v, mask=None, causal=False, dropout=None):
    """Applies a form of attention to the queries, part by part.

    Under the causal rule a part reads only the keys up to its own end.
    """
    time, run, length = q.shape[1], form, q.shape[1]
    if _is_long(q, k):
        run = partial(_in_turns, form)
        length = -(-time // (_PARTS * _BLOCK)) * _BLOCK if causal else time
    elif causal and time >= 2 * _PART:
        length = _PART
    rows = []
    for start in range(0, time, length):
        part = slice(start, min(start + length, time))
        seen = min(part.stop, k.shape[1]) if causal else k.shape[1]
        cut = mask
        if mask is not None:
            cut = _cut(_cut(mask, 2, part), 3, slice(seen))
        rows.append(
            run(q[:, part], k[:, :seen], v[:, :seen], cut, causal, dropout, start)
        )
    return jnp.concatenate(rows, axis=1)


def _in_turns(form, q, k, v, mask, causal, dropout, start: int):
    """Takes queries block by block in a loop, so that only one block has scores."""
    form = partial(form, causal=causal, dropout=dropout)
    count, rest = divmod(q.shape[1], _BLOCK)
    rows, whole = [], slice(count * _BLOCK)
    if count:
        blocks = {
            "q": _split(q[:, whole], 1),
            "first": start + _BLOCK * jnp.arange(count),
        }
        if mask is not None and mask.shape[2] > 1:
            blocks["mask"] = _split(mask[:, :, whole], 2)

        @jax.checkpoint
        def block(at):
            return form(at["q"], k, v, at.get("mask", mask), start=at["first"])

        rows.append(rearrange(lax.map(block, blocks), "n b t h d -> b (n t) h d"))
    if rest:
        last = slice(count * _BLOCK, q.shape[1])
        part = None if mask is None else _cut(mask, 2, last)
        rows.append(
            jax.checkpoint(partial(form, start=start + last.start))(
                q[:, last], k, v, part
            )
        )
    return jnp.concatenate(rows, axis=1)


def _split(x, axis: int):
    """Cuts an axis into blocks, which come first."""
    shape = (*x.shape[:axis], -1, _BLOCK, *x.shape[axis + 1 :])
    return jnp.moveaxis(x.reshape(shape), axis, 0)


def _cut(mask, axis: int, part: slice):
    """Takes a part of an axis, unless that is 1 long and stands for all."""
    if mask.shape[axis] == 1:
        return mask
    return lax.slice_in_dim(mask, part.start or 0, part.stop, axis=axis)


def _whole(q, k, v, mask, causal, dropout, start, hold=None):
    """Computes attention of queries that stand `start` behind the first key.

    Args:
      q, k, v, mask, dropout: as `layers.attention`.
      causal: query t sees keys 0 to start + t.
      start: of these queries among all.
      hold: on CPU, keeps an array from being fused with its readers.
    """
    scored, matmul = _scores, jnp.matmul
    if hold:
        scored, matmul = _scores_on_cpu, product.matmul
    hold = hold or (lambda x: x)
    heads, groups = q.shape[2], k.shape[2]
    q = rearrange(q, "b t (g r) d -> b g (r t) d", g=groups)
    v = hold(rearrange(v, "b s g d -> b g s d"))
    scores = scored(q, rearrange(k, "b s g d -> b g d s"))
    scores = rearrange(scores, "b g (r t) s -> b (g r) t s", r=heads // groups)
    if causal:
        t, s = (lax.broadcasted_iota(jnp.int32, scores.shape[2:], a) for a in (0, 1))
        scores = jnp.where((t + start >= s)[None, None], scores, _lowest(scores))
    if mask is not None:
        scores = jnp.where(mask, scores, _lowest(scores))
    weights = _softmax(scores, hold)
    if dropout is not None:
        weights = _drop(weights, *dropout, start)
    weights = rearrange(weights, "b (g r) t s -> b g (r t) s", g=groups)
    y = matmul(weights.astype(v.dtype), v)
    return rearrange(y, "b g (r t) d -> b t (g r) d", r=heads // groups)


def _scores(q, k):
    """Computes q k / sqrt(d), float32 at least, and its gradients in q's precision."""
    scores = jnp.matmul(
        q,
        k,
        precision=_ALGORITHMS.get(q.dtype.name),
        preferred_element_type=_wide(q.dtype),
    )
    return scores * q.shape[-1] ** -0.5


def _scores_on_cpu(q, k):
    """The same where half precision is no quicker, of arrays that are held."""
    hold, wide = lax.optimization_barrier, _wide(q.dtype)
    q = q.astype(wide) * q.shape[-1] ** -0.5  # fewer numbers than the scores
    return product.matmul(hold(q), hold(k.astype(wide)))


def _wide(dtype):
    return jnp.promote_types(dtype, jnp.float32)


def _one_query(q, k, v, mask=None):
    """Reads keys and values once, where they are: a step of writing with a cache."""
    q = q.astype(_wide(q.dtype)) * q.shape[-1] ** -0.5
    q, k = rearrange(q, "b 1 (g r) d -> b g r d", g=k.shape[2]), k.astype(q.dtype)
    one = q.shape[2] == 1  # a vector, not a matrix of one row, multiplies in place
    scores = (
        jnp.einsum("bgd,bsgd->bgs", q[:, :, 0], k)[:, :, None]
        if one
        else jnp.einsum("bgrd,bsgd->bgrs", q, k)
    )
    scores = rearrange(scores, "b g r s -> b (g r) 1 s")
    if mask is not None:
        scores = jnp.where(mask, scores, _lowest(scores))
    weights = rearrange(
        jax.nn.softmax(scores).astype(v.dtype), "b (g r) 1 s -> b g r s", g=k.shape[2]
    )
    y = (
        jnp.einsum("bgs,bsgd->bgd", weights[:, :, 0], v)[:, :, None]
        if one
        else jnp.einsum("bgrs,bsgd->bgrd", weights, v)
    )
    return rearrange(y, "b g r d -> b 1 (g r) d")


def _lowest(x):
    return jnp.asarray(-0.7 * jnp.finfo(x.dtype).max, x.dtype)


def _drop(weights, key, rate, start):
    keep = 1 - rate
    kept = jax.random.bernoulli(jax.random.fold_in(key, start), keep, weights.shape)
    return jnp.where(kept, weights / keep, 0)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _softmax(x, hold):
    x = jnp.exp(x - lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True)))
    return hold(x / jnp.sum(x, axis=-1, keepdims=True))


@_softmax.defjvp
def _softmax_jvp(hold, primals, tangents):
    (x,), (t,) = primals, tangents
    # p is the held array, so that the gradient reads it instead of computing it again.
    p = _softmax(x, hold)
    t = hold(p * (t - jnp.sum(p * t, axis=-1, keepdims=True)))
    return p, hold(t)
