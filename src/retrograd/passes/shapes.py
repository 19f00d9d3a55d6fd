"""Canonical forms of movements: broadcast, reshape, transpose, slice, and reductions that reduce nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.primitive import REGISTRY
from retrograd.core.types import ArrayType
from retrograd.errors import RetrogradError
from retrograd.graph.ir import Equation, Operand, Var
from retrograd.graph.text import literal
from retrograd.passes.rewrite import Rule, Writer
from retrograd.primitives.families import Pointwise
from retrograd.primitives.movement import Broadcast, Reshape, Slice, Transpose

Found = Sequence[Operand] | None
STRETCHING = ("broadcast", "reshape")


def stretch_inside(w: Writer, e: Equation) -> Found:
    """A pointwise equation stretches its operands itself; one of stretched numbers alone is computed before that."""
    if not isinstance(e.prim, Pointwise) or not e.outs[0].shape:
        return None
    if not any(type(o) is Var and o in w.made and w.made[o].prim.name in STRETCHING for o in e.operands):
        return None
    numbers = [o if not o.shape else stretched_number(w, o) for o in e.operands]
    if None not in numbers:
        return _stretched(w, e, [n for n in numbers if n is not None])
    if e.prim.arity < 2:
        return None
    operands = list(e.operands)
    for i, o in enumerate(e.operands):
        maker = w.made.get(o) if type(o) is Var else None
        if maker is not None and maker.prim.name in STRETCHING:
            source = maker.operands[0]
            if _stretches(source.type, o.type) and _fits(e, [*operands[:i], source, *operands[i + 1 :]]):
                operands[i] = source
    return None if all(map(_is, operands, e.operands)) else (w.write(e.prim, *operands),)


def _is(a: object, b: object) -> bool:
    return a is b


def _stretched(w: Writer, e: Equation, numbers: list[Operand]) -> Found:
    return (w.write(Broadcast.of(e.outs[0].shape), w.write(e.prim, *numbers)),)


def _stretches(source: ArrayType, shape: ArrayType) -> bool:
    """Whether NumPy's rule alone makes `shape` of `source` where a larger shape is asked for."""
    missing = shape.ndim - source.ndim
    if source.size == 1 and shape.size == 1:
        return True
    return missing >= 0 and all(a in (b, 1) for a, b in zip(source.shape, shape.shape[missing:], strict=True))


def _fits(e: Equation, operands: list[Operand]) -> bool:
    try:
        return bool(e.prim.infer(*[o.type for o in operands]) == e.outs[0].type)
    except RetrogradError:
        return False


def stretched_number(w: Writer, o: Operand) -> Operand | None:
    """The 0-d operand that `o` was stretched from, if it was."""
    maker = w.maker(o, "broadcast")
    return maker.operands[0] if maker is not None and not maker.operands[0].shape else None


def _broadcast(w: Writer, e: Equation) -> Found:
    (x,) = e.operands
    if x.type == e.outs[0].type:
        return (x,)
    maker = w.made.get(x) if type(x) is Var else None
    if maker is not None and maker.prim.name in STRETCHING:
        source = maker.operands[0]
        small = len(source.shape) <= len(e.outs[0].shape)
        if small and _stretches(source.type, x.type):
            return (w.write(e.prim, source),)
    return None


def _reshape(w: Writer, e: Equation) -> Found:
    (x,), shape = e.operands, e.outs[0].shape
    if x.type == e.outs[0].type:
        return (x,)
    if (maker := w.maker(x, "reshape")) is not None:
        return (w.write(e.prim, *maker.operands),)
    if shape and (source := stretched_number(w, x)) is not None:
        return (w.write(Broadcast.of(shape), source),)
    return None


def _transpose(w: Writer, e: Equation) -> Found:
    prim: Any = e.prim
    (x,), axes = e.operands, prim.axes
    if axes == tuple(range(len(axes))):
        return (x,)
    if (maker := w.maker(x, "transpose")) is not None:
        before: Any = maker.prim
        return (w.write(Transpose.of(tuple(before.axes[a] for a in axes)), *maker.operands),)
    if (source := stretched_number(w, x)) is not None:
        return (w.write(Broadcast.of(e.outs[0].shape), source),)
    long = [a for a in axes if x.shape[a] != 1]
    return (w.write(Reshape.of(e.outs[0].shape), x),) if long == sorted(long) else None


def _slice(w: Writer, e: Equation) -> Found:
    prim: Any = e.prim
    (x,), shape = e.operands, e.outs[0].shape
    if shape == x.shape and all(d == 1 or n <= 1 for n, d in zip(shape, prim.steps, strict=True)):
        return (x,)
    if (maker := w.maker(x, "slice")) is not None and 0 not in shape:
        before: Any = maker.prim
        starts = tuple(a + s * d for a, s, d in zip(before.starts, prim.starts, before.steps, strict=True))
        steps = tuple(c * d for c, d in zip(before.steps, prim.steps, strict=True))
        return (w.write(Slice.of(starts, prim.lengths, steps), *maker.operands),)
    if shape and (source := stretched_number(w, x)) is not None:
        return (w.write(Broadcast.of(shape), source),)
    return None


def _pad(w: Writer, e: Equation) -> Found:
    return e.operands if e.operands[0].shape == e.outs[0].shape else None


def _concatenate(w: Writer, e: Equation) -> Found:
    return e.operands if len(e.operands) == 1 else None


def _reduction(w: Writer, e: Equation) -> Found:
    """Over no axes, or axes of length one. A sum of -0.0 alone is 0.0, as NumPy's is."""
    prim: Any = e.prim
    (x,) = e.operands
    if any(x.shape[a] != 1 for a in prim.axes):
        return None
    same = w.write(Reshape.of(e.outs[0].shape), x)
    if prim.name == "sum" and x.dtype.kind == "f":
        same = w.write(REGISTRY["add"].of(), same, literal(np.asarray(0.0, x.dtype)))
    return (same,)


SHAPE_RULES: dict[str, Rule] = {
    "broadcast": _broadcast, "reshape": _reshape, "transpose": _transpose, "slice": _slice, "pad": _pad,
    "concatenate": _concatenate, "sum": _reduction, "max": _reduction, "min": _reduction,
    "any": _reduction, "all": _reduction, "prod": _reduction,
}  # fmt: skip
