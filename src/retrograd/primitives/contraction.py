"""Matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from retrograd.core.dispatch import apply, apply1, apply2
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import ShapeError
from retrograd.primitives.families import behind_lanes, broadcast_shapes, same_dtype, sum_to
from retrograd.primitives.movement import Reshape
from retrograd.primitives.reduction import Sum


class Matmul(Primitive):
    r"""Matrix product of stacks of matrices; the leading axes broadcast.

    .. math:: Y = A B, \qquad \bar A = \bar Y B^{T}, \quad \bar B = A^{T} \bar Y

    Derivation.  :math:`\bar A_{ik} = \sum_j \bar Y_{ij}\, \partial Y_{ij} / \partial A_{ik}
    = \sum_j \bar Y_{ij} B_{kj}`.
    """

    name, formula, derivative = "matmul", "x @ y", "ct @ y.T,  x.T @ ct"
    linear = (0, 1)
    contracts = True

    def evaluate(self, a: Any, b: Any) -> Any:
        return np.dot(a, b) if a.ndim == b.ndim == 2 else np.matmul(a, b)  # dot takes half as long to start

    def infer(self, *types: ArrayType) -> ArrayType:
        a, b = types
        dtype, _ = same_dtype(self.name, types)
        if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
            raise ShapeError(f"matmul of shapes {a.shape} and {b.shape}: the inner lengths must agree")
        return ArrayType((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), dtype)

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return values, None

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        a, b = args
        return sum_to(ct @ b.mT, a.shape) if i == 0 else sum_to(a.mT @ ct, b.shape)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        rank = max(len(a.shape) - b for a, b in zip(args, batched, strict=True))
        a, b = (behind_lanes(x, rank + 1) if own else x for x, own in zip(args, batched, strict=True))
        return apply2(self, a, b)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
        yield rng.normal(size=(5, 1, 2, 3)), rng.normal(size=(2, 3, 2))
        yield rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
        yield rng.normal(size=(2, 0)), rng.normal(size=(0, 3))


MATMUL = Matmul.of()


_LEADING = [tuple(range(n - 1)) for n in range(1, 66)]
_LEADING.insert(0, ())


class Affine(Primitive):
    r"""A linear layer: weights of shape (out, in), inputs of shape (..., in), bias of shape (out,).

    .. math:: Y = X W^{T} + b, \qquad \bar X = \bar Y W, \quad \bar W = \bar Y^{T} X, \quad
        \bar b = \textstyle\sum_n \bar Y_n
    """

    name, formula, derivative = "affine", "x @ W.T + b", "ct @ W,  ct.T @ x,  sum(ct)"
    batches_exactly = False
    operands = ("x", "W", "b")
    contracts = True

    def evaluate(self, x: Any, weight: Any, bias: Any) -> Any:
        if bias.shape != weight.shape[:1]:  # NumPy would stretch it
            self._check(x, weight, bias)
        y = np.dot(x, weight.T) if x.ndim <= 2 else np.matmul(x, weight.T)
        y += bias
        return y

    @staticmethod
    def _check(x: Any, weight: Any, bias: Any) -> None:
        if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1] or bias.shape != weight.shape[:1]:
            wanted = f"(out, {x.shape[-1]})" if x.ndim else "(out, in)"
            raise ShapeError(
                f"affine: input {x.shape} needs a weight of {wanted} and a bias of (out,); they are {weight.shape} and "
                f"{bias.shape}"
            )

    def infer(self, *types: ArrayType) -> ArrayType:
        x, weight, bias = types
        dtype, _ = same_dtype(self.name, types)
        self._check(x, weight, bias)
        return ArrayType((*x.shape[:-1], weight.shape[0]), dtype)

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        return [values[0], values[1], None], None

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        x, weight, _ = args

        def pull_weight() -> Any:
            return apply2(MATMUL, _rows(ct).mT, _rows(x))

        def pull_bias() -> Any:
            return apply1(Sum.of(_LEADING[len(ct.shape)], False), ct)

        return lambda: apply2(MATMUL, ct, weight) if len(ct.shape) > 1 else ct @ weight, pull_weight, pull_bias

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        x, weight, bias = args
        own_x, own_weight, own_bias = batched
        if not own_weight and not own_bias:
            return apply(self, x, weight, bias)
        if not own_weight:
            product = x @ weight.mT
        else:
            inner = len(x.shape) - own_x  # one row is a matrix of one row, or matmul would take the lanes for rows
            if inner < 2:
                x = apply1(Reshape.of((*x.shape[:-1], 1, x.shape[-1])), x)
            stacked = behind_lanes(weight, max(inner, 2) + 1)
            product = x @ stacked.mT
            if inner < 2:
                product = apply1(Reshape.of((size, product.shape[-1])), product)
        rank = len(product.shape) + (not own_x and not own_weight)
        return product + (behind_lanes(bias, rank) if own_bias else bias)

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)
        yield rng.normal(size=3), rng.normal(size=(2, 3)), rng.normal(size=2)
        yield rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)


def _rows(value: Any) -> Any:
    """All leading axes as one."""
    if len(value.shape) == 2:
        return value
    n = 1
    for length in value.shape[:-1]:
        n *= length
    return apply1(Reshape.of((n, value.shape[-1])), value)


AFFINE = Affine.of()
