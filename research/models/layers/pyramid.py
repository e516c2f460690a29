"""The feature pyramid that detectors share (Lin et al. 2017, arXiv:1612.03144).

Axes: b batch, h w cells, c channels.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models.kernels import upsample
from research.models.layers import plain

_UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Pyramid(nn.Module):
    """Maps of one width from a trunk's last three stages and two coarser ones.

    P5, P4 and P3 add the map above, doubled by repetition, to a 1x1 convolution of the
    trunk's map (figure 3); P6 is a strided 3x3 convolution of P5, P7 one of ReLU(P6)
    (RetinaNet, Lin et al. 2017, footnote 2, has P6 from C5; published weights, P5).

    Attributes:
      features: c of every map.
      dtype: of the computation.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: int = 256
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, maps: tuple[Float[Array, "b _ _ _"], ...]
    ) -> list[Float[Array, "b _ _ {self.features}"]]:
        """Computes P3 … P7 from C3, C4 and C5."""
        conv = plain.conv(
            self.kernels,
            kernel_init=_UNIFORM,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
        )
        around = ((1, 1), (1, 1))
        found, above = [], None
        for level, x in zip((5, 4, 3), maps[::-1], strict=True):
            y = conv(self.features, (1, 1), name=f"lateral{level}")(x)
            if above is not None:
                y = y + upsample(above, y.shape[1:3])
            above = y
            smooth = conv(self.features, (3, 3), padding=around, name=f"out{level}")
            found.insert(0, smooth(y))
        coarse = found[-1]
        for level in (6, 7):
            stride = conv(
                self.features,
                (3, 3),
                strides=(2, 2),
                padding=around,
                name=f"out{level}",
            )
            coarse = stride(coarse if level == 6 else nn.relu(coarse))
            found.append(coarse)
        return found
