"""One operation of the loop IR as LLVM instructions, on scalars or vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from retrograd.native.llvm.builder import Function, Type, constant
from retrograd.native.llvm.maths import FUNCTIONS
from retrograd.native.llvm.target import Target

BASES = {
    "bool": "i1", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "i8", "uint16": "i16",
    "uint32": "i32", "uint64": "i64", "float32": "float", "float64": "double",
}  # fmt: skip

COMPARISONS = {
    "equal": ("oeq", "eq", "eq"), "not_equal": ("une", "ne", "ne"), "less": ("olt", "slt", "ult"),
    "less_equal": ("ole", "sle", "ule"), "greater": ("ogt", "sgt", "ugt"), "greater_equal": ("oge", "sge", "uge"),
}  # fmt: skip

FLOAT = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
INTEGER = {"add": "add", "subtract": "sub", "multiply": "mul"}
INTRINSICS = {
    "absolute": "llvm.fabs", "floor": "llvm.floor", "ceil": "llvm.ceil", "trunc": "llvm.trunc",
    "round": "llvm.roundeven",
}  # fmt: skip
LOGIC = {"logical_and": "and", "logical_or": "or", "add": "or", "maximum": "or", "multiply": "and", "minimum": "and"}


@cache
def base_of(dtype: np.dtype) -> str:
    """LLVM's name of the elements; booleans are ``i1``, bytes in memory."""
    return BASES[dtype.name]


def emit(f: Function, target: Target, op: str, dtype: np.dtype, lanes: int, xs: Sequence[str]) -> str:
    """A word of the vocabulary; `dtype` is that of the operands (of the arms, for ``where``)."""
    t = Type(base_of(dtype), lanes)
    if op in COMPARISONS:
        ordered, signed, unsigned = COMPARISONS[op]
        predicate = ordered if dtype.kind == "f" else signed if dtype.kind == "i" else unsigned
        return f.compare(predicate, t, *xs)
    if op == "where":
        return f.select(t, *xs)
    if op == "logical_not":
        return f.op("xor", t, xs[0], constant(t, 1))
    if dtype.kind == "b":
        return xs[0] if op == "absolute" else f.op(LOGIC[op], t, *xs)
    if dtype.kind == "f":
        return _float(f, target, op, t, xs)
    return _integer(f, op, dtype, t, xs)


def called(f: Function, target: Target, op: str, dtype: np.dtype, lanes: int, xs: Sequence[str]) -> str:
    """A function of floats as a call: written once in the module, where its code would be repeated too often."""
    t = Type(base_of(dtype), lanes)
    name = f"{op}_{t.suffix}"
    if name not in f.module.functions:
        arguments = [(str(t), f"x{i}") for i in range(len(xs))]
        g = f.module.function(name, arguments, str(t))
        g.do(f"ret {t} {FUNCTIONS[op](g, t, target, *[f'%{n}' for _, n in arguments])}")
    return f.value(f"call {t} @{name}({', '.join(f'{t} {x}' for x in xs)})")


def _float(f: Function, target: Target, op: str, t: Type, xs: Sequence[str]) -> str:
    if op in FLOAT:
        return f.op(FLOAT[op], t, *xs)
    if op == "negative":
        return f.op("fneg", t, *xs)
    if op in INTRINSICS:
        return f.intrinsic(INTRINSICS[op], t, *xs)
    if op == "sign":
        (x,) = xs
        zero = constant(t, 0.0)
        signed = f.intrinsic("llvm.copysign", t, constant(t, 1.0), x)
        of_number = f.select(t, f.compare("oeq", t, x, zero), zero, signed)
        return f.select(t, f.compare("uno", t, x, x), x, of_number)
    return FUNCTIONS[op](f, t, target, *xs)


def _integer(f: Function, op: str, dtype: np.dtype, t: Type, xs: Sequence[str]) -> str:
    if op in INTEGER:
        return f.op(INTEGER[op], t, *xs)
    zero = constant(t, 0)
    if op == "negative":
        return f.op("sub", t, zero, *xs)
    if op in ("maximum", "minimum"):
        sign = "s" if dtype.kind == "i" else "u"
        greater = f.compare(f"{sign}gt", t, *xs)
        first, second = xs if op == "maximum" else reversed(xs)
        return f.select(t, greater, first, second)
    if op in ("floor_divide", "remainder", "fmod"):
        return _divided(f, op, dtype, t, *xs)
    (x,) = xs[:1]
    if op == "absolute":
        if dtype.kind == "u":
            return x
        return f.select(t, f.compare("slt", t, x, zero), f.op("sub", t, zero, x), x)
    if op == "sign":
        positive = f.value(f"zext {t.mask} {f.compare('sgt' if dtype.kind == 'i' else 'ne', t, x, zero)} to {t}")
        if dtype.kind == "u":
            return positive
        return f.op("sub", t, positive, f.value(f"zext {t.mask} {f.compare('slt', t, x, zero)} to {t}"))
    if op == "divide":
        raise NotImplementedError("division of integers gives floats")
    raise NotImplementedError(f"{op} of {dtype}")


def _divided(f: Function, op: str, dtype: np.dtype, t: Type, x: str, y: str) -> str:
    """As NumPy divides integers: by 0 it gives 0, and the lowest number by -1 itself.

    The processor traps at both, in lanes that nobody asks for too: there it divides by 1.
    """
    zero, one = constant(t, 0), constant(t, 1)
    none = bad = f.compare("eq", t, y, zero)
    signed = dtype.kind == "i"
    if signed:
        lowest = f.compare("eq", t, x, constant(t, np.iinfo(dtype).min))
        bad = f.op("or", t.mask, none, f.op("and", t.mask, lowest, f.compare("eq", t, y, constant(t, -1))))
    y = f.select(t, bad, one, y)
    quotient = f.op("sdiv" if signed else "udiv", t, x, y)
    rest = f.op("sub", t, x, f.op("mul", t, quotient, y))
    if signed and op != "fmod":  # it was rounded towards zero
        opposite = f.compare("slt", t, f.op("xor", t, rest, y), zero)
        above = f.op("and", t.mask, opposite, f.compare("ne", t, rest, zero))
        quotient = f.select(t, above, f.op("sub", t, quotient, one), quotient)
        rest = f.select(t, above, f.op("add", t, rest, y), rest)
    return f.select(t, none, zero, quotient if op == "floor_divide" else rest)


def convert(f: Function, source: np.dtype, to: np.dtype, lanes: int, x: str) -> str:
    """A value in another dtype, as ``astype`` does it."""
    s, t = Type(base_of(source), lanes), Type(base_of(to), lanes)
    if to.kind == "b":
        return f.compare("une" if source.kind == "f" else "ne", s, x, constant(s, 0))
    if source.kind == "f" and to.kind == "f":
        return x if s == t else f.cast("fpext" if t.bits > s.bits else "fptrunc", s, x, t)
    if to.kind == "f":
        return f.cast("sitofp" if source.kind == "i" else "uitofp", s, x, t)
    if source.kind == "f":
        return _to_integer(f, s, to, t, x)
    if s.bits == t.bits:
        return x
    if s.bits > t.bits:
        return f.cast("trunc", s, x, t)
    return f.cast("sext" if source.kind == "i" else "zext", s, x, t)


def _to_integer(f: Function, s: Type, to: np.dtype, t: Type, x: str) -> str:
    """Towards zero. What does not fit is undefined in C; here it is the lowest number, as the processor gives it."""
    if to.name == "uint64":
        half = constant(s, 2.0**63)
        large = f.compare("oge", s, x, half)
        reduced = f.select(s, large, f.op("fsub", s, x, half), x)
        low = _signed(f, s, t.of("i64"), reduced)
        top = f.op("xor", t, low, constant(t, -(2**63)))
        return f.select(t, large, top, low)
    wide = t.of("i32") if to.name in ("int32", "int16", "int8", "uint8", "uint16") else t.of("i64")
    whole = _signed(f, s, wide, x)
    return whole if wide == t else f.cast("trunc", wide, whole, t)


def _signed(f: Function, s: Type, t: Type, x: str) -> str:
    limit = constant(s, 2.0 ** (t.bits - 1))
    fits = f.value(
        f"and {s.mask} {f.compare('olt', s, x, limit)}, {f.compare('oge', s, x, constant(s, -(2.0 ** (t.bits - 1))))}"
    )
    safe = f.select(s, fits, x, constant(s, 0.0))
    return f.select(t, fits, f.cast("fptosi", s, safe, t), constant(t, -(2 ** (t.bits - 1))))


def _zero(dtype: np.dtype) -> Any:
    return 0


def _one(dtype: np.dtype) -> Any:
    return 1


def _lowest(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else 0 if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _highest(dtype: np.dtype) -> Any:
    return np.inf if dtype.kind == "f" else 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


IDENTITY: dict[str, Callable[[np.dtype], Any]] = {
    "add": _zero, "multiply": _one, "maximum": _lowest, "minimum": _highest,
}  # fmt: skip
"""What a reduction begins with: it changes nothing."""


def across(f: Function, target: Target, op: str, dtype: np.dtype, lanes: int, x: str) -> str:
    """All lanes combined, by halves."""
    n = lanes
    while n > 1:
        wide = Type(base_of(dtype), n)
        n //= 2
        low, high = f.shuffle(wide, x, "poison", range(n)), f.shuffle(wide, x, "poison", range(n, 2 * n))
        x = emit(f, target, op, dtype, n, (low, high))
    return f.value(f"extractelement {Type(base_of(dtype), 1)} {x}, i64 0")
