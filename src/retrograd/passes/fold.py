"""Constant folding of scalars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.types import ArrayType, type_of
from retrograd.graph.ir import Equation, Graph, Literal, Operand
from retrograd.passes.rewrite import Writer, rewritten


def fold(graph: Graph) -> Graph:
    """A scalar computed from literals alone becomes a literal, as weak or strong as it was.

    ::

        a: f32 = divide(1.0:f32, 64.0);  b = multiply(x, a)   ->   b = multiply(x, 0.015625:f32)

    What raises, divides by zero, overflows or is undefined stays: it does so when the program runs. Arrays stay as
    well, since a graph holds none.
    """
    return rewritten(graph, {}, fold, default=_fold)


def _fold(w: Writer, e: Equation) -> Sequence[Operand] | None:
    if e.prim.multi or not e.operands or e.outs[0].type.shape:
        return None
    for o in e.operands:
        if type(o) is not Literal:
            return None
    found = _value(e)
    return None if found is None else (found,)


def _value(e: Equation) -> Literal | None:
    wanted = e.outs[0].type
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
            value = np.asarray(e.prim.evaluate(*[o.value for o in e.operands if isinstance(o, Literal)]))
    except Exception:  # noqa: BLE001 - whatever it is, it belongs to the run of the program
        return None
    return _literal(value, wanted)


def _literal(value: np.ndarray, wanted: ArrayType) -> Literal | None:
    if value.dtype != wanted.dtype or value.shape:
        return None
    held: Any = value.item() if wanted.weak else value
    return Literal(held, wanted) if type_of(held) == wanted else None
