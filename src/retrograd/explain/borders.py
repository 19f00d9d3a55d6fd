"""Borders of blocks, as the sweep meets them: they compute nothing and hand the cotangent on as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Port:
    """In or out of a block."""

    name, multi, differentiable = "port", False, True

    def pullback(self, k: Any, ct: Any, args: Any, out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        return (ct,)


class Pieces:
    """Cotangents of some elements along the first axis; the others are zero."""

    def __init__(self, pieces: dict[int, Any]) -> None:
        self.pieces = pieces

    def __add__(self, other: Pieces) -> Pieces:
        for t, piece in other.pieces.items():
            self.pieces[t] = self.pieces[t] + piece if t in self.pieces else piece
        return self


class Pick(Port):
    """Element `t` along the first axis."""

    def __init__(self, t: int) -> None:
        self.t = t

    def pullback(self, k: Any, ct: Any, args: Any, out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        return (Pieces({self.t: ct}),)


class Unstack(Port):
    """All elements along the first axis."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def pullback(self, k: Any, ct: Any, args: Any, out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        whole = np.zeros_like(self.array)
        for t, piece in ct.pieces.items():
            whole[t] = piece
        return (whole,)


class Stack(Port):
    """Elements along a new first axis."""

    def pullback(self, k: Any, ct: Any, args: Any, out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        return [None if need is None else ct[t] for t, need in enumerate(needs)]


PORT, STACK = Port(), Stack()
