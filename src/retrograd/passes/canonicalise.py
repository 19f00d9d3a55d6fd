"""Canonical forms of pointwise arithmetic; those of shapes are in `shapes`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.primitive import REGISTRY
from retrograd.graph.ir import Equation, Graph, Literal, Operand
from retrograd.graph.text import literal
from retrograd.passes.common import literal_key
from retrograd.passes.rewrite import Rule, Writer, rewritten
from retrograd.passes.shapes import SHAPE_RULES, stretch_inside, stretched_number
from retrograd.primitives.movement import Broadcast

Found = Sequence[Operand] | None


def canonicalise(graph: Graph) -> Graph:
    """One way to write a thing, and the shorter one. Every rule is exact to the bit, for zeros and infinities too.

    ::

        multiply(x, 1.0), divide(x, 1.0), subtract(x, 0.0), negative(negative(x)), where(c, x, x)   ->   x
        divide(x, 8.0)             ->   multiply(x, 0.125)
        add(x, negative(y))        ->   subtract(x, y)
        reshape(reshape(x))        ->   reshape(x)
        add(x, broadcast(y))       ->   add(x, y)           where x has the shape of the result

    ``add(x, 0.0)`` stays: of -0.0 it makes 0.0.
    """
    return rewritten(graph, RULES, canonicalise, default=stretch_inside)


def is_number(o: Operand, value: float, like: Operand) -> bool:
    """Whether `o` is the literal `value`, its sign too if it is 0, and does not widen the kind of `like`."""
    if type(o) is not Literal or o.value != value or o.dtype.kind not in "iuf" or like.dtype.kind not in "iuf":
        return False
    if o.dtype.kind == "f" and like.dtype.kind != "f":
        return False
    return value != 0 or like.dtype.kind != "f" or math.copysign(1.0, o.value) == math.copysign(1.0, value)


def _identity(w: Writer, e: Equation) -> Found:
    return e.operands


def _convert(w: Writer, e: Equation) -> Found:
    (x,) = e.operands
    wider = w.maker(x, "convert")
    if wider is not None and x.dtype.kind == "f":
        (inner,) = wider.operands
        if inner.dtype.kind == "f" and inner.dtype.itemsize <= x.dtype.itemsize:
            return (w.write(e.prim, inner),)
    if x.type == e.outs[0].type:
        return (x,)
    number = stretched_number(w, x)
    return None if number is None else (w.write(Broadcast.of(e.outs[0].shape), w.write(e.prim, number)),)


def _twice(w: Writer, e: Equation) -> Found:
    before = w.maker(e.operands[0], e.prim.name)
    return stretch_inside(w, e) if before is None else before.operands


def _add(w: Writer, e: Equation) -> Found:
    x, y = e.operands
    zero = -0.0 if e.outs[0].dtype.kind == "f" else 0
    if is_number(y, zero, x):
        return (x,)
    if is_number(x, zero, y):
        return (y,)
    if (minus := w.maker(y, "negative")) is not None:
        return (w.write(SUBTRACT, x, *minus.operands),)
    if (minus := w.maker(x, "negative")) is not None:
        return (w.write(SUBTRACT, y, *minus.operands),)
    return stretch_inside(w, e)


def _subtract(w: Writer, e: Equation) -> Found:
    x, y = e.operands
    if is_number(y, 0.0, x):
        return (x,)
    if (minus := w.maker(y, "negative")) is not None:
        return (w.write(ADD, x, *minus.operands),)
    return stretch_inside(w, e)


def _multiply(w: Writer, e: Equation) -> Found:
    x, y = e.operands
    if is_number(y, 1, x):
        return (x,)
    return (y,) if is_number(x, 1, y) else stretch_inside(w, e)


def _divide(w: Writer, e: Equation) -> Found:
    x, y = e.operands
    if is_number(y, 1, x):
        return (x,)
    inverse = _exact_inverse(y, e.outs[0].dtype)
    return stretch_inside(w, e) if inverse is None else (w.write(MULTIPLY, x, inverse),)


def _exact_inverse(o: Operand, dtype: np.dtype) -> Literal | None:
    """The literal 1 / o, if `o` is a power of two and neither is subnormal in `dtype`."""
    if type(o) is not Literal or o.dtype.kind not in "iuf":
        return None
    value = float(o.value)
    if not math.isfinite(value) or abs(math.frexp(value)[0]) != 0.5:
        return None
    limits = np.finfo(dtype)
    if not limits.tiny <= abs(value) <= 1 / limits.tiny:
        return None
    return literal(1 / value if o.type.weak else np.asarray(1 / value, dtype))


def _integer_power(w: Writer, e: Equation) -> Found:
    prim: Any = e.prim
    return e.operands if prim.n == 1 else stretch_inside(w, e)


def _where(w: Writer, e: Equation) -> Found:
    _, x, y = e.operands
    if x is y or (type(x) is type(y) is Literal and literal_key(x) == literal_key(y)):
        return (x,)
    return stretch_inside(w, e)


ADD, SUBTRACT, MULTIPLY = (REGISTRY[name].of() for name in ("add", "subtract", "multiply"))
RULES: dict[str, Rule] = {
    "stop_gradient": _identity, "convert": _convert, "negative": _twice, "logical_not": _twice, "add": _add,
    "subtract": _subtract, "multiply": _multiply, "divide": _divide, "integer_power": _integer_power, "where": _where,
    **SHAPE_RULES,
}  # fmt: skip
