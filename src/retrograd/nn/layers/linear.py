"""Layers with weights for every pair of input and output, and layers without any."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from retrograd.errors import ShapeError
from retrograd.nn import init
from retrograd.nn.functions import flatten, linear
from retrograd.nn.module import Module
from retrograd.ops.inputs import array_of, face
from retrograd.ops.random import Generator
from retrograd.tensor.parameter import Buffer, Parameter


class Linear(Module):
    r"""An affine map :math:`y = x W^T + b`: (..., in_features) to (..., out_features).

    Weight and bias start uniform on :math:`\pm 1 / \sqrt{\text{in}}`, as in PyTorch.

    Args:
        in_features: the length of the last axis of the input.
        out_features: that of the output.
        bias: whether there is a b.
        dtype: of the parameters; by default the default float.
        generator: where the draws come from.
        mask: (out_features, in_features), zeros where there is no connection: those weights are 0, get no gradient, and
            stay 0 under every optimiser.

    Attributes:
        weight: (out_features, in_features).
        bias: (out_features,), or None.
        mask: ones and zeros like the weight, or None.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        generator: Generator | None = None,
        mask: Any = None,
    ) -> None:
        if in_features < 0 or out_features < 0:
            raise ShapeError(f"Linear({in_features}, {out_features}): features are counted from 0 up")
        self.in_features = in_features
        self.out_features = out_features
        bound = 1.0 / math.sqrt(max(in_features, 1))

        def drawn(*shape: int) -> Parameter:
            return Parameter(init.uniform(shape, -bound, bound, generator=generator, dtype=dtype))

        self.weight = drawn(out_features, in_features)
        self.bias = drawn(out_features) if bias else None
        self.mask = None if mask is None else _connections(mask, self.weight)
        if self.mask is not None:
            self.weight = self.weight * self.mask

    def forward(self, input: Any) -> Any:
        return linear(input, self.weight if self.mask is None else self.weight * self.mask, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}"


def _connections(mask: Any, weight: Parameter) -> Buffer:
    """A mask as a buffer of ones and zeros."""
    given = np.asarray(mask)
    if given.shape != weight.shape or not np.isin(given, (0, 1)).all():
        raise ShapeError(f"Linear: a mask is an array of ones and zeros of shape {weight.shape}, one for each weight")
    return Buffer(given.astype(weight.dtype))


class Identity(Module):
    """The input, as it is. Arguments are ignored, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        return face(array_of(input))


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one: by default (N, ...) to (N, product)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"{self.start_dim}, {self.end_dim}"
