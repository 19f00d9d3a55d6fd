"""log, log1p, log2, softplus: ``k log(2) + log(m)`` with m between sqrt(1/2) and sqrt(2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from retrograd.native.llvm.builder import Function, Type, constant
from retrograd.native.llvm.maths import exponential
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.target import Target


@dataclass(frozen=True)
class Constants:
    """For one type.

    Attributes:
        root: the bits of sqrt(1/2).
        one: the bits of 1.
        normal: the least number that is not denormal.
        series: minimax; see `of_fraction`.
    """

    root: int
    one: int
    normal: float
    series: tuple[float, ...]


CONSTANTS = {
    "float": Constants(
        root=0x3F3504F3,
        one=0x3F800000,
        normal=2.0**-126,
        # (log(1 + f) - f + f**2/2) / f**3, f from sqrt(1/2) - 1 to sqrt(2) - 1; relative error of the log 2**-27.4
        series=(
            0.333333313, -0.250008196, 0.200012282, -0.166233599, 0.142017469, -0.131601512, 0.127616331, -0.076346375,
        ),
    ),
    "double": Constants(
        root=0x3FE6A09E667F3BCD,
        one=0x3FF0000000000000,
        normal=2.0**-1022,
        # (log((1 + s)/(1 - s)) - 2 s) / s**3 in z = s**2, |s| <= 0.1716; relative error of the log 2**-59.5
        series=(
            0.6666666666666734, 0.39999999999414365, 0.2857142874246324, 0.22222198564842624, 0.1818356478788432,
            0.15314038051086776, 0.14796081388964988,
        ),
    ),
}  # fmt: skip


def normalised(m: Lanes, x: str) -> tuple[str, str]:
    """Denormals scaled to normal numbers; what to subtract from the exponent for it."""
    up = m.fraction + 1
    denormal = m.compare("olt", x, CONSTANTS[m.t.base].normal)
    shift = 2.0**m.fraction + m.bias
    return m.select(denormal, m.mul(x, 2.0**up), x), m.select(denormal, shift + up, shift)


def parts(m: Lanes, x: str, shift: str | float) -> tuple[str, str, str]:
    """k, ``m - 1`` and the integer k + bias of ``x = 2**k m``, x normal and positive."""
    c = CONSTANTS[m.t.base]
    moved = m.integer("add", m.bits(x), c.one - c.root)
    biased = m.integer("lshr", moved, m.fraction)
    exponent = m.from_bits(m.integer("or", biased, (m.fraction + m.bias) << m.fraction))
    significand = m.integer("add", m.integer("and", moved, (1 << m.fraction) - 1), c.root)
    return m.sub(exponent, shift), m.sub(m.from_bits(significand), 1.0), biased


def of_fraction(m: Lanes, f: str, also: str | None = None) -> str:
    """``log(1 + f) - f``, plus a small term `also`."""
    c = CONSTANTS[m.t.base]
    square = m.mul(f, f)
    if m.single:
        cube = m.mul(square, f)
        rest = m.polynomial(f, c.series)
        rest = m.mul(cube, rest) if also is None else m.fma(cube, rest, also)
        return m.fma(square, -0.5, rest)
    # With s = f / (2 + f): log(1 + f) = f - h + s (h + R), h = f**2/2, R = s**2 times the series (fdlibm's form,
    # which keeps the rounding errors of s out of the leading terms).
    half = m.mul(square, 0.5)
    s = m.div(f, m.add(f, 2.0))
    z = m.mul(s, s)
    inner = m.fma(z, m.polynomial(z, c.series), half)
    rest = m.mul(s, inner) if also is None else m.fma(s, inner, also)
    return m.sub(rest, half)


def specials(m: Lanes, x: str, value: str) -> str:
    """The logarithm of 0 is -inf, of negative numbers NaN, of infinity and NaN itself."""
    value = m.select(m.compare("olt", x, math.inf), value, x)
    outside = m.select(m.compare("oeq", x, 0.0), -math.inf, math.nan)
    return m.select(m.compare("ugt", x, 0.0), value, outside)


def joined(m: Lanes, k: str, f: str) -> str:
    """``k log(2) + log(1 + f)``."""
    e = exponential.CONSTANTS[m.t.base]
    rest = of_fraction(m, f, m.mul(k, e.low))
    return m.fma(k, e.high, m.add(f, rest))


def log(f: Function, t: Type, target: Target, x: str) -> str:
    """Natural logarithm."""
    m = Lanes(f, t, target)
    normal, shift = normalised(m, x)
    k, fraction, _ = parts(m, normal, shift)
    return specials(m, x, joined(m, k, fraction))


def log2(f: Function, t: Type, target: Target, x: str) -> str:
    """Logarithm to base two; exact for powers of two."""
    m = Lanes(f, t, target)
    normal, shift = normalised(m, x)
    k, fraction, _ = parts(m, normal, shift)
    natural = m.add(fraction, of_fraction(m, fraction))
    high, low = (1.4426950216293335, 1.925963033500011e-08) if m.single else (
        1.4426950408889634, 2.0355273740931033e-17)  # log2(e)  # fmt: skip
    return specials(m, x, m.add(m.fma(natural, high, k), m.mul(natural, low)))


def log1p(f: Function, t: Type, target: Target, x: str) -> str:
    """``log(1 + x)``: with ``1 + x = u + c`` and ``u = 2**k m`` the fraction is ``m - 1 + 2**-k c``."""
    m = Lanes(f, t, target)
    u = m.add(x, 1.0)
    k, fraction, biased = parts(m, u, 2.0**m.fraction + m.bias)
    lost = m.sub(x, m.sub(u, 1.0))
    scale = m.powers_of_two(m.integer("sub", constant(m.t.integer, 2 * m.bias), biased))
    scale = m.positive(scale)  # for the greatest u it is beyond the exponents, -inf; c is 0 there
    return m.signed_as(specials(m, u, joined(m, k, m.fma(lost, scale, fraction))), x)


def softplus(f: Function, t: Type, target: Target, x: str) -> str:
    """``log(1 + exp(x))``, as ``max(x, 0) + log(1 + e)`` with ``e = exp(-|x|)``, 1 + e halved above sqrt(2)."""
    m = Lanes(f, t, target)
    c = exponential.CONSTANTS[t.base]
    e = exponential.exp(f, t, target, m.neg(m.abs(x)))
    halved = m.compare("ogt", e, math.sqrt(2) - 1)
    fraction = m.select(halved, m.mul(m.sub(e, 1.0), 0.5), e)
    rest = m.add(of_fraction(m, fraction), m.select(halved, c.low, 0.0))
    value = m.add(m.select(halved, c.high, 0.0), m.add(fraction, rest))
    return m.add(m.positive(x), value)
