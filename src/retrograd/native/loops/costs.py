"""What a loop program costs on paper: operations and bytes, counted from its statements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from retrograd.native.loops.ir import (
    If,
    Loop,
    LoopProgram,
    Nest,
    Scatter,
    View,
    While,
    expressions,
    reads,
    roots,
    writes,
)

FREE = frozenset(("const", "load", "fetch", "counter", "product", "convert", "where"))


def flops(program: LoopProgram) -> int:
    """Arithmetic operations of a call; a function such as exp counts as one, a while loop as one iteration."""
    return operations(program.body)


def operations(body: Sequence[Any]) -> int:
    """Those of some statements."""
    return _sum(body, _flops)


def traffic(program: LoopProgram) -> int:
    """Bytes that the statements of a call read and write, whatever level of memory has them."""
    return _sum(program.body, _bytes)


def _sum(body: Sequence[Any], of: Any) -> int:
    total = 0
    for s in body:
        if isinstance(s, Loop):
            total += s.count * _sum(s.body, of)
        elif isinstance(s, While):
            total += _sum(s.test, of) + _sum(s.body, of)
        elif isinstance(s, If):
            total += max(_sum(s.yes, of), _sum(s.no, of))
        else:
            total += of(s)
    return total


def _flops(s: Any) -> int:
    if not isinstance(s, Nest | Scatter):
        return 0
    points = math.prod(s.space)
    each = sum(e.op not in FREE for e in expressions(roots(s)))
    if isinstance(s, Scatter):
        return points * (each + 1)
    product = 2 * s.product.k if s.product is not None else 0
    return points * (each + product + len(s.reduces))


def _bytes(s: Any) -> int:
    return sum(_touched(v) * v.dtype.itemsize for v in {*reads(s), *writes(s)})


def _touched(view: View) -> int:
    """How many elements a view reaches, each counted once along dimensions in which it does not move."""
    return math.prod(n for n, s in zip(view.shape, view.strides, strict=True) if s)
