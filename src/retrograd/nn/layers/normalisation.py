"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.nn import init
from retrograd.nn.functions import layer_norm, shape_tuple
from retrograd.nn.module import Module
from retrograd.nn.registered import Registered
from retrograd.tensor.parameter import Parameter


class LayerNorm(Module):
    """`layer_norm` over the last axes, with a scale and a shift for every element of them.

    Args:
        normalized_shape: the lengths of the last axes; an int for one.
        eps: added to the variance.
        elementwise_affine: whether there are scale and shift.
        bias: whether there is a shift.
        dtype: of the parameters; by default the default float.

    Attributes:
        weight: of shape `normalized_shape`, ones at first; or None.
        bias: likewise, zeros at first; or None.
    """

    eps = Registered()

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = shape_tuple(normalized_shape)
        self.eps = eps
        self.weight = Parameter(init.ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(init.zeros(self.normalized_shape, dtype=dtype)) if elementwise_affine and bias else None

    def forward(self, input: Any) -> Any:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        shape = self.normalized_shape
        return f"{shape[0] if len(shape) == 1 else shape}, eps={self.eps}"
