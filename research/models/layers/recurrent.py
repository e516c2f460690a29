"""Recurrent layers over whole sequences: Elman networks, LSTM, GRU, stacks of them.

Axes: t time, b batch, d width of the input, h width of the state, g gates * h.

    stack = Stack(Cell("lstm"), widths=(650, 650), dense=dense)
    y, carry = stack(x, train=train)                # from zeros
    y, carry = stack(x, carry, mask, train=train)   # goes on; padding is passed over

What the input adds to the gates, W x + b, is one product for all steps. A step then
computes z = W x + b + U h and the new state from it:

    Elman  h' = tanh(z), or max(z, 0)                                           (1)
    LSTM   i, f, g, o = sigma(z_i), sigma(z_f), tanh(z_g), sigma(z_o)           (2)
           c' = f c + i g,  h' = o tanh(c')                                     (3)
    GRU    r, u = sigma(z_r), sigma(z_u)                                        (4)
           n = tanh(W_n x + b_n + U_n (r h))         reset "before"             (5)
           n = tanh(W_n x + b_n + r (U_n h + b'_n))  reset "after"              (6)
           h' = (1 - u) n + u h                                                 (7)

Elman 1990 (https://doi.org/10.1207/s15516709cog1402_1); Hochreiter & Schmidhuber 1997
(https://doi.org/10.1162/neco.1997.9.8.1735) with the forget gate of Gers et al. 2000;
Cho et al. 2014 (https://arxiv.org/abs/1406.1078), who reset before the product, as
cuDNN and PyTorch do after it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float

from research.models import kernels as forms
from research.models.layers import plain

# kind -> blocks of z, arrays of the state
KINDS = {"elman": (1, 1), "lstm": (4, 2), "gru": (3, 1)}
ACTIVATIONS: dict[str, Callable] = {"tanh": jnp.tanh, "relu": jax.nn.relu}
RESETS = ("after", "before")
INITS = ("uniform", "orthogonal")

# The state of one layer in one direction, (b, h) float32 each: h, and c of an LSTM.
State = tuple[Array, ...]
# Of every layer; of a bidirectional one first forwards, then backwards.
Carry = tuple[State, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """Which recurrence, and how its parameters start.

    Attributes:
      kind: "elman", "lstm" or "gru".
      activation: of "elman": "tanh" or "relu".
      reset: where a "gru" resets: "after" the product with U, or "before" it.
      biases: 1, or 2: one more beside U, as in PyTorch and cuDNN.
      forget_bias: added to the initial bias of an "lstm"'s forget gate.
      init: "uniform", or "orthogonal": each block of U, W scaled by its inputs (LeCun)
        and biases zero.
      init_range: of "uniform", +- this; 0: 1 / sqrt(h), as in PyTorch.
    """

    kind: str = "lstm"
    activation: str = "tanh"
    reset: str = "after"
    biases: int = 1
    forget_bias: float = 0.0
    init: str = "uniform"
    init_range: float = 0.0

    def __post_init__(self):
        plain.check_choice("cell", self.kind, KINDS)
        plain.check_choice("activation", self.activation, ACTIVATIONS)
        plain.check_choice("reset", self.reset, RESETS)
        plain.check_choice("init", self.init, INITS)
        if self.biases not in (1, 2):
            raise ValueError(
                f"biases must be 1 or 2, got {self.biases}; 2 is what PyTorch has"
            )

    @property
    def blocks(self) -> int:
        """Blocks of h units that z consists of."""
        return KINDS[self.kind][0]

    def zeros(self, batch_size: int, width: int) -> State:
        """Makes the state before the first step."""
        return (jnp.zeros((batch_size, width), jnp.float32),) * KINDS[self.kind][1]

    def initializers(self, width: int) -> tuple[Callable, Callable, Callable]:
        """Returns those of W, U and the bias."""
        if self.init == "orthogonal":
            blocks = _by_block(nn.initializers.orthogonal(), self.blocks)
            return nn.initializers.lecun_normal(), blocks, nn.initializers.zeros
        uniform = symmetric(self.init_range or width**-0.5)
        return uniform, uniform, uniform


class Recurrent(nn.Module):
    """One layer in one direction.

    Parameters: `input` (W and b) and `recurrent_kernel` (U), `recurrent_bias`; their
    blocks are in the order i, f, g, o or r, u, n.

    Attributes:
      cell: of every step.
      width: h.
      dense: a dense layer with its shared fields bound.
      weight_drop: share of U set to zero for a whole sequence, in [0, 1) (Merity et
        al. 2018, https://arxiv.org/abs/1708.02182, section 2).
      param_dtype: of U and its bias.
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
        mask: Float[Array, "t b 1"] | None = None,
        *,
        reverse: bool = False,
        train: bool,
    ) -> tuple[Float[Array, "t b h"], State]:
        """Runs over all steps; `reverse` from the last to the first.

        Steps whose mask is 0 leave the state as it is, and their output is 0.
        """
        cell, width = self.cell, self.width
        w_init, u_init, b_init = cell.initializers(width)
        first = partial(_with_forget_bias, b_init, cell) if cell.kind == "lstm" else b_init
        shape = (width, cell.blocks * width)
        u = self.param("recurrent_kernel", u_init, shape, self.param_dtype)
        u = plain.Dropout(self.weight_drop, deterministic=not train)(u)
        x = self.dense(shape[1], kernel_init=w_init, bias_init=first, name="input")(x)
        u = u.astype(x.dtype)
        second = jnp.zeros(())
        if cell.biases == 2:
            second = self.param("recurrent_bias", b_init, shape[1:], self.param_dtype)
        x = x.astype(jnp.float32)
        run = forms.recurrence(self.kernels)
        ...
