"""Division with a remainder, exact whatever the size of the quotient.

``|x|`` is divided by ``|y|`` as on paper, in base two: of the multiples ``|y| 2**k`` the largest that fits is
subtracted, then the next smaller ones down to ``|y|``. What is left stays below twice the next multiple, so that every
difference is exact (Sterbenz 1974). It takes as many turns as the largest quotient among the lanes has bits.
"""

from __future__ import annotations

import math

from retrograd.native.llvm.builder import Function, Type, constant
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.target import Target


def fmod(f: Function, t: Type, target: Target, x: str, y: str) -> str:
    """What is left, with the sign of x; NaN for infinite x and for y = 0."""
    m = Lanes(f, t, target)
    left, by = m.abs(x), m.abs(y)
    fine = m.both(m.compare("olt", left, math.inf), m.compare("ogt", by, 0.0))
    left = _left(m, m.select(fine, left, 0.0), m.select(fine, by, 1.0))
    return m.select(fine, m.signed_as(left, x), math.nan)


def remainder(f: Function, t: Type, target: Target, x: str, y: str) -> str:
    """What is left, with the sign of y, as NumPy has it."""
    m = Lanes(f, t, target)
    left = fmod(f, t, target, x, y)
    value = m.select(_opposite(m, left, y), m.add(left, y), left)
    return m.select(m.compare("oeq", left, 0.0), m.signed_as(m.of(0.0), y), value)


def floor_divide(f: Function, t: Type, target: Target, x: str, y: str) -> str:
    """The quotient that belongs to `remainder`; ``x / y`` for y = 0. The steps are NumPy's (`npy_divmod`)."""
    m = Lanes(f, t, target)
    left, plain = fmod(f, t, target, x, y), m.div(x, y)
    quotient = m.div(m.sub(x, left), y)
    quotient = m.select(_opposite(m, left, y), m.sub(quotient, 1.0), quotient)
    below = m.call("llvm.floor", quotient)
    nearest = m.select(m.compare("ogt", m.sub(quotient, below), 0.5), m.add(below, 1.0), below)
    value = m.select(m.compare("oeq", quotient, 0.0), m.signed_as(m.of(0.0), plain), nearest)
    return m.select(m.compare("oeq", y, 0.0), plain, value)


def _opposite(m: Lanes, left: str, y: str) -> str:
    """Whether something is left, and on the other side of zero than y."""
    sides = m.f.op("xor", m.t.mask, m.compare("olt", left, 0.0), m.compare("olt", y, 0.0))
    return m.both(sides, m.compare("one", left, 0.0))


def _left(m: Lanes, x: str, y: str) -> str:
    """``x mod y`` for 0 <= x < infinity and 0 < y."""
    f, t = m.f, m.t
    largest = _multiple(m, x, y)
    before, turn, done = f.block, f.fresh("divide"), f.fresh("divided")
    f.do(f"br i1 {m.any(m.compare('oge', x, y))}, label %{turn}, label %{done}")
    f.label(turn)
    place = len(f.lines)
    left, multiple = f.fresh("%left"), f.fresh("%multiple")
    after = m.select(m.compare("oge", left, multiple), m.sub(left, multiple), left)
    half = m.select(m.compare("ogt", multiple, y), m.mul(multiple, 0.5), multiple)
    f.do(f"br i1 {m.any(m.compare('oge', after, y))}, label %{turn}, label %{done}")
    f.lines[place:place] = [
        f"  {left} = phi {t} [ {x}, %{before} ], [ {after}, %{turn} ]",
        f"  {multiple} = phi {t} [ {largest}, %{before} ], [ {half}, %{turn} ]",
    ]
    f.label(done)
    return f.value(f"phi {t} [ {x}, %{before} ], [ {after}, %{turn} ]")


def _multiple(m: Lanes, x: str, y: str) -> str:
    """``y 2**k`` in the binade of x; y itself if x is smaller."""
    kind = m.t.integer
    k = m.integer("sub", _exponent(m, x), _exponent(m, y))
    k = m.f.select(kind, m.f.compare("sgt", kind, k, constant(kind, 0)), k, constant(kind, 0))
    most = constant(kind, m.bias - m.fraction)
    for _ in range(3):  # 2**k itself may be too large to be a number: k is up to 2097, or 276 for floats
        part = m.f.select(kind, m.f.compare("slt", kind, k, most), k, most)
        k = m.integer("sub", k, part)
        y = m.mul(y, m.powers_of_two(m.integer("add", part, m.bias)))
    return y


def _exponent(m: Lanes, x: str) -> str:
    """The biased exponent, of denormals as if they had one."""
    lift = m.fraction + 1
    small = m.compare("olt", x, 2.0 ** (1 - m.bias))
    exponent = m.integer("lshr", m.bits(m.select(small, m.mul(x, 2.0**lift), x)), m.fraction)
    kind = m.t.integer
    return m.integer("sub", exponent, m.f.select(kind, small, constant(kind, lift), constant(kind, 0)))
