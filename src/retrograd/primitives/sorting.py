"""The order of elements. What is sorted, and its derivative, is a gather by the order found here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.config import INT
from retrograd.core.dispatch import apply1
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType
from retrograd.errors import ShapeError


@dataclass(frozen=True)
class Argsort(Primitive):
    r"""Indices (int64) that sort along the last axis; equal elements stay in their order. No derivative.

    NaN counts as larger than everything: it comes last, or first where the order is ``descending``. Zeros of either
    sign are equal.
    """

    descending: bool = False
    name, formula, derivative, differentiable = "argsort", "argsort(x)", "0", False

    @property
    def written_out(self) -> str:
        return "argsort(x, largest first)" if self.descending else self.formula

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        yield cls.of()
        yield cls.of(True)

    def evaluate(self, x: Any) -> Any:
        if not self.descending:
            return np.argsort(x, axis=-1, kind="stable")
        # sorted from the other end and read from it: what is equal keeps its order
        return x.shape[-1] - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]

    def infer(self, *types: ArrayType) -> ArrayType:
        if types[0].ndim == 0:
            raise ShapeError("argsort needs at least one axis")
        return ArrayType(types[0].shape, INT)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        return apply1(self, args[0])

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        yield (rng.integers(0, 5, size=(3, 7)).astype(float),)
        yield (np.zeros((2, 0)),)
