"""What each primitive becomes. Pointwise ones need nothing here: their `kernel` says what one element is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.native_spike.loops import Code, Place, row_major
from benchmarks.native_spike.words import Value
from retrograd.core.types import ArrayType
from retrograd.graph.ir import Graph, Literal, Var
from retrograd.primitives.families import Pointwise

ZERO = Literal(0.0, ArrayType((), np.dtype("float64"), weak=True))


def lower(code: Code, graph: Graph, inputs: list[Place]) -> list[Any]:
    """Write the equations of `graph`; where its outputs are, literals as they stand."""
    places: dict[Var, Any] = dict(zip(graph.inputs, inputs, strict=True))
    for e in graph.equations:
        operands = [o if isinstance(o, Literal) else places[o] for o in e.operands]
        types = [v.type for v in e.outs]
        if isinstance(e.prim, Pointwise):
            outs = [_pointwise(code, e.prim, operands, types[0])]
        elif e.prim.name in LOWERINGS:
            outs = LOWERINGS[e.prim.name](code, e.prim, [_in_memory(code, o) for o in operands], types)
        else:
            raise NotImplementedError(f"the spike cannot lower {e.prim.name}")
        places.update(zip(e.outs, outs, strict=True))
    return [o if isinstance(o, Literal) else places[o] for o in graph.outputs]


def _in_memory(code: Code, operand: Any) -> Place:
    if isinstance(operand, Place):
        return operand
    place = code.buffer(operand.type)
    code.copy(operand, place)
    return place


def _pointwise(code: Code, prim: Pointwise, operands: list[Any], type: ArrayType) -> Place:
    out = code.buffer(type)
    views = [o.broadcast(type.shape) if isinstance(o, Place) else o for o in operands]
    with code.nest(type.shape) as i:
        code.store(out, i, prim.kernel(code.words, *[code.load(v, i) for v in views]))
    return out


def _matmul(code: Code, prim: Any, operands: list[Place], types: list[ArrayType]) -> list[Place]:
    a, b = operands
    out = code.buffer(types[0])
    code.copy(ZERO, out)
    *stack, m, n = out.type.shape
    a, b = a.broadcast((*stack, *a.type.shape[-2:])), b.broadcast((*stack, *b.type.shape[-2:]))
    with code.nest((*stack, m, a.type.shape[-1], n)) as (*s, i, k, j):
        product = code.load(a, (*s, i, k)) * code.load(b, (*s, k, j))
        code.store(out, (*s, i, j), code.load(out, (*s, i, j)) + product)
    return [out]


def _sum(code: Code, prim: Any, operands: list[Place], types: list[ArrayType]) -> list[Place]:
    (x,) = operands
    out = code.buffer(types[0])
    code.copy(ZERO, out)
    with code.nest(x.type.shape) as i:
        kept = ["0" if a in prim.axes else v for a, v in enumerate(i) if prim.keepdims or a not in prim.axes]
        code.store(out, kept, code.load(out, kept) + code.load(x, i))
    return [out]


def _reshape(code: Code, prim: Any, operands: list[Place], types: list[ArrayType]) -> list[Place]:
    (x,) = operands
    if x.strides != row_major(x.type.shape):
        dense = code.buffer(x.type)
        code.copy(x, dense)
        x = dense
    return [replace(x, type=types[0], strides=row_major(prim.shape))]


def _iota(code: Code, prim: Any, operands: list[Place], types: list[ArrayType]) -> list[Place]:
    out = code.buffer(types[0])
    with code.loop(prim.length) as i:
        code.store(out, [i], Value(code.words, i, np.dtype("int64")))
    return [out]


def _scan(code: Code, prim: Any, operands: list[Place], types: list[ArrayType]) -> list[Place]:
    k, c = prim.n_consts, prim.n_consts + prim.n_carry
    carry = [code.buffer(t) for t in types[: prim.n_carry]]
    stacks = [code.buffer(t) for t in types[prim.n_carry :]]
    for start, place in zip(operands[k:c], carry, strict=True):
        code.copy(start, place)
    with code.loop(prim.length, prim.backwards) as t:
        slices = [_row(code, x, t) for x in operands[c:]]
        outs = lower(code, prim.body, [*operands[:k], *carry, *slices])
        for y, stack in zip(outs[prim.n_carry :], stacks, strict=True):
            code.copy(y, _row(code, stack, t))
        # What comes out may be a view of what went in, of another carry even: all are read before any is written.
        following = [code.buffer(p.type) for p in carry]
        for source, place in [*zip(outs[: prim.n_carry], following, strict=True), *zip(following, carry, strict=True)]:
            code.copy(source, place)
    return [*carry, *stacks]


def _row(code: Code, x: Place, t: str) -> Place:
    base = code.emit(f"add nsw i64 {x.base}, {code.emit(f'mul nsw i64 {t}, {x.strides[0]}')}")
    return Place(x.symbol, x.type.with_shape(x.type.shape[1:]), x.strides[1:], base)


LOWERINGS: dict[str, Callable[..., list[Any]]] = {
    "matmul": _matmul, "sum": _sum, "reshape": _reshape, "iota": _iota, "scan": _scan,
    "broadcast": lambda _code, prim, xs, _types: [xs[0].broadcast(prim.shape)],
    "transpose": lambda _code, prim, xs, types: [
        replace(xs[0], type=types[0], strides=tuple(xs[0].strides[a] for a in prim.axes))
    ],
}  # fmt: skip
