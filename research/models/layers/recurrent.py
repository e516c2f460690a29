"""Recurrent layers over whole sequences: Elman networks, LSTM, GRU, stacks of them.

Axes: t time, b batch, d width of the input, h width of the state, g gates * h.

    stack = Stack(Cell("lstm"), widths=(650, 650), dense=dense)
    y, carry = stack(x, train=train)                # from zeros
    y, carry = stack(x, carry, mask, train=train)   # goes on; padding is passed over

What the input adds to the gates, W x + b, is one product for all steps. A step computes
z = W x + b + U h and from it the new state; `kernels/recurrence.py` has them:

    Elman  h' = tanh(z), or max(z, 0)                                           (1)
    LSTM   i, f, g, o = sigma(z_i), sigma(z_f), tanh(z_g), sigma(z_o)           (2)
           c' = f c + i g,  h' = o tanh(c')                                     (3)
    GRU    r, u = sigma(z_r), sigma(z_u)                                        (4)
           n = tanh(W_n x + b_n + r (U_n h + b'_n))  resets "after" the product (5)
           n = tanh(W_n x + b_n + U_n (r h))         resets "before" it         (6)
           h' = (1 - u) n + u h                                                 (7)

Elman 1990, https://doi.org/10.1207/s15516709cog1402_1; Hochreiter & Schmidhuber 1997,
https://doi.org/10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. 2000;
Cho et al. 2014, https://arxiv.org/abs/1406.1078, whose GRU is (6); cuDNN's and
PyTorch's is (5).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax
from jaxtyping import Array, Bool, Float

from research.models import kernels as forms
from research.models.layers import checks, plain

# kind -> (blocks of z, arrays of the state)
KINDS = {"elman": (1, 1), "lstm": (4, 2), "gru": (3, 1)}
ACTIVATIONS = {"tanh": forms.ELMAN_TANH, "relu": forms.ELMAN_RELU}
RESETS = ("after", "before")
INITS = ("uniform", "orthogonal")

# Of one layer in one direction, (b, h) float32 each: h, and c of an LSTM.
State = tuple[Array, ...]
# Of all layers; of a bidirectional one first forwards, then backwards.
Carry = tuple[State, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """Which recurrence, and how its parameters start.

    Attributes:
      kind: "elman", "lstm" or "gru".
      activation: of "elman": "tanh" or "relu".
      reset: of "gru": "after" the product with U, or "before" it.
      biases: 0, 1, or 2: another one beside U, as PyTorch and cuDNN have it.
      forget_bias: added to the initial bias of the forget gate of "lstm".
      init: "uniform"; or "orthogonal": each block of U orthogonal, W scaled to its
        inputs (LeCun), biases zero.
      init_range: of "uniform", within +- this; 0: 1 / sqrt(h), as in PyTorch.
    """

    kind: str = "lstm"
    activation: str = "tanh"
    reset: str = "after"
    biases: int = 1
    forget_bias: float = 0.0
    init: str = "uniform"
    init_range: float = 0.0

    def __post_init__(self):
        checks.check_choice("cell", self.kind, KINDS)
        checks.check_choice("activation", self.activation, ACTIVATIONS)
        checks.check_choice("reset", self.reset, RESETS)
        checks.check_choice("init", self.init, INITS)
        if self.biases not in (0, 1, 2):
            raise ValueError(
                f"biases must be 0, 1 or 2, got {self.biases}; PyTorch's cells have 2"
            )

    @property
    def blocks(self) -> int:
        """Blocks of h units in z."""
        return KINDS[self.kind][0]

    def zeros(self, batch_size: int, width: int) -> State:
        """Makes the state before the first step."""
        return (jnp.zeros((batch_size, width), jnp.float32),) * KINDS[self.kind][1]

    def initializers(self, width: int) -> tuple[Callable, Callable, Callable]:
        """Returns those of W, U and the biases."""
        if self.init == "orthogonal":
            blocks = _by_block(nn.initializers.orthogonal(), self.blocks)
            return nn.initializers.lecun_normal(), blocks, nn.initializers.zeros
        return (plain.symmetric(self.init_range or width**-0.5),) * 3


class Recurrent(nn.Module):
    """One layer in one direction.

    Parameters: `input`, which is W and b, `recurrent_kernel`, U, and `recurrent_bias`.
    Their blocks are in the order i, f, g, o, or r, u, n.

    Attributes:
      cell: of every step.
      width: h.
      dense: a dense layer with its shared fields bound, for W and b.
      weight_drop: share of U set to zero for a whole sequence, in [0, 1) (Merity et
        al. 2018, https://arxiv.org/abs/1708.02182, section 2).
      param_dtype: of U.
      kernels: "auto" or "native".
    """

    cell: Cell
    width: int
    dense: Any
    weight_drop: plain.Rate = 0.0
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "t b d"],
        state: State,
        mask: Bool[Array, "t b 1"] | None = None,
        *,
        reverse: bool = False,
        train: bool,
    ) -> tuple[Float[Array, "t b h"], State]:
        """Runs over all steps, with `reverse` from the last to the first.

        Where the mask is false, the state stays as it is.
        """
        cell, shape = self.cell, (self.width, self.cell.blocks * self.width)
        w_init, u_init, b_init = cell.initializers(self.width)
        first = _forgetting(b_init, cell.forget_bias) if cell.kind == "lstm" else b_init
        x = self.dense(
            shape[1],
            use_bias=cell.biases > 0,
            kernel_init=w_init,
            bias_init=first,
            name="input",
        )(x)
        u = self.param("recurrent_kernel", u_init, shape, self.param_dtype)
        u = plain.Dropout(self.weight_drop, deterministic=not train)(u).astype(x.dtype)
        x, bias = x.astype(jnp.float32), jnp.zeros((1, 1, shape[1]), jnp.float32)
        if cell.biases == 2:
            bias = self.param("recurrent_bias", b_init, shape[1:], self.param_dtype)
            bias = bias.astype(jnp.float32)[None, None]
        if cell.kind == "gru" and cell.reset == "before":
            return _reset_before(x + bias, mask, state, u, reverse)
        run, extra = forms.recurrence(self.kernels), ()
        if cell.kind == "gru":  # Eq. (5): W_n x stands beside the product
            x, extra = jnp.split(x, [2 * self.width], axis=-1)
            x = jnp.concatenate([x, jnp.zeros_like(extra)], axis=-1)
        return run(_equations(cell), x + bias, extra, mask, state, u, reverse)


def _equations(cell: Cell) -> forms.Cell:
    if cell.kind == "elman":
        return ACTIVATIONS[cell.activation]
    return {"lstm": forms.LSTM, "gru": forms.GRU}[cell.kind]


def _reset_before(x, mask, state: State, u, reverse: bool):
    """Runs the GRU that needs two products in a step."""
    width = u.shape[0]
    u_gates, u_n = jnp.split(u, [2 * width], axis=1)

    def product(h, u):
        return jnp.matmul(h.astype(u.dtype), u, preferred_element_type=jnp.float32)

    def step(state, inputs):
        (h,), (x, mask) = state, inputs
        x_gates, x_n = jnp.split(x, [2 * width], axis=-1)
        r, update = jnp.split(jax.nn.sigmoid(x_gates + product(h, u_gates)), 2, axis=-1)
        n = jnp.tanh(x_n + product(r * h, u_n))  # Eq. (6)
        after = (1 - update) * n + update * h  # Eq. (7)
        after = after if mask is None else jnp.where(mask, after, h)
        return (after,), after

    last, outputs = lax.scan(step, state, (x, mask), reverse=reverse)
    return outputs, last


class Stack(nn.Module):
    """Layers upon one another, each in one direction or in both.

    Attributes:
      cell: of every layer.
      widths: h of each layer.
      dense: a dense layer with its shared fields bound.
      bidirectional: each layer runs forwards and backwards, `layer<i>` and
        `layer<i>_reverse`, and gives both outputs side by side.
      dropout: share of the units between two layers set to zero, in [0, 1).
      variational: draw that once for all steps of a sequence (Gal & Ghahramani 2016,
        https://arxiv.org/abs/1512.05287).
      weight_drop: see `Recurrent`.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    cell: Cell
    widths: Sequence[int]
    dense: Any
    bidirectional: bool = False
    dropout: plain.Rate = 0.0
    variational: bool = False
    weight_drop: plain.Rate = 0.0
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t d"],
        carry: Carry | None = None,
        mask: Bool[Array, "b t"] | None = None,
        *,
        train: bool,
    ) -> tuple[Float[Array, "b t m"], Carry]:
        """Runs over a sequence.

        Args:
          x: the sequence.
          carry: states to start from; None: zeros.
          mask: true at real steps; at others the states stay and outputs are 0. It may
            end a sequence or stand before it. None: all are real.
          train: apply dropout, from the rng "dropout".

        Returns:
          (outputs of the last layer, states behind the last step of each direction).
        """
        if carry is None:
            carry = zeros(self.cell, self.widths, x.shape[0], self.bidirectional)
        steps = None if mask is None else rearrange(mask, "b t -> t b 1")
        drop = plain.Dropout(
            self.dropout,
            deterministic=not train,
            shared_axes=(0,) if self.variational else (),
        )
        x, states = rearrange(x, "b t d -> t b d"), iter(carry)
        last = []
        for i, width in enumerate(self.widths, 1):
            x = drop(x) if i > 1 else x
            outputs = []
            for reverse in (False, True)[: 1 + self.bidirectional]:
                layer = Recurrent(
                    self.cell,
                    width,
                    self.dense,
                    self.weight_drop,
                    self.param_dtype,
                    self.kernels,
                    name=f"layer{i}_reverse" if reverse else f"layer{i}",
                )
                y, state = layer(x, next(states), steps, reverse=reverse, train=train)
                outputs.append(y.astype(x.dtype))
                last.append(state)
            x = jnp.concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]
        if mask is not None:
            x = jnp.where(steps, x, jnp.zeros((), x.dtype))
        return rearrange(x, "t b d -> b t d"), tuple(last)


def zeros(
    cell: Cell, widths: Sequence[int], batch_size: int, bidirectional: bool = False
) -> Carry:
    """Makes the states of a `Stack` before the first step."""
    return tuple(
        cell.zeros(batch_size, width)
        for width in widths
        for _ in range(1 + bidirectional)
    )


def _by_block(init: Callable, blocks: int) -> Callable:
    """Draws each of the blocks side by side for itself."""

    def by_block(key, shape, dtype=jnp.float32):
        rows, columns = shape
        keys = jax.random.split(key, blocks)
        parts = [init(k, (rows, columns // blocks), dtype) for k in keys]
        return jnp.concatenate(parts, axis=1)

    return by_block


def _forgetting(init: Callable, forget_bias: float) -> Callable:
    """Adds to the second of four blocks of a bias, the forget gate's."""

    def init_bias(key, shape, dtype=jnp.float32):
        added = jnp.zeros((4, shape[0] // 4), dtype).at[1].set(forget_bias)
        return init(key, shape, dtype) + added.reshape(shape)

    return init_bias
