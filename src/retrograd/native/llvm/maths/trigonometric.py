"""sin, cos, tan on the remainder of the angle, |r| <= pi/4; atan."""

from __future__ import annotations

import math

from retrograd.native.llvm.builder import Function, Type, constant
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.maths.reduction import reduced
from retrograd.native.llvm.target import Target

# (sin(r) - r) / r**3 in z = r**2, |r| <= 0.793, minimax; relative error 2**-27.9 and 2**-57.7.
SINE = {
    "float": (-0.166666538, 0.0083321128, -0.000195087414),
    "double": (
        -0.16666666666666627, 0.00833333333332094, -0.0001984126982861833, 2.755731327587404e-06,
        -2.5050692454041663e-08, 1.589296056586796e-10,
    ),
}  # fmt: skip
# (cos(r) - 1 + r**2/2) / r**4 in z; relative error of the cosine 2**-32.9 and 2**-63.7.
COSINE = {
    "float": (0.0416666456, -0.00138872513, 2.44256807e-05),
    "double": (
        0.04166666666666658, -0.0013888888888871375, 2.480158728778261e-05, -2.7557313865428343e-07,
        2.0875657554153926e-09, -1.1356265590538758e-11,
    ),
}  # fmt: skip
# (atan(r) - r) / r**3 in z, |r| <= tan(pi/8), minimax; relative error 2**-30.5 and 2**-59.4.
ARCTANGENT = {
    "float": (-0.333333164, 0.199984699, -0.14243488, 0.105934545, -0.0607726537),
    "double": (
        -0.333333333333332, 0.1999999999995307, -0.1428571428014773, 0.11111110781171933, -0.09090897695947306,
        0.0769205917971726, -0.06663092921579114, 0.05847812423598806, -0.050389745581913926, 0.03805654184416579,
        -0.01789879193474854,
    ),
}  # fmt: skip


def sine_and_cosine(m: Lanes, r: str, low: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Of a remainder and its rounding error, each as a leading and a small term, yet to be added."""
    z = m.mul(r, r)
    tail = m.fma(m.mul(z, r), m.polynomial(z, SINE[m.t.base]), low)
    half = m.mul(z, 0.5)
    cosine = m.sub(1.0, half)
    lost = m.sub(m.sub(1.0, cosine), half)
    rest = m.sub(m.mul(m.mul(z, z), m.polynomial(z, COSINE[m.t.base])), m.mul(r, low))
    return (r, tail), (cosine, m.add(lost, rest))


def is_even(m: Lanes, turns: str) -> str:
    """Where the lowest bit is 0."""
    return m.f.compare("eq", m.t.integer, m.integer("and", turns, 1), constant(m.t.integer, 0))


def quadrant(m: Lanes, turns: str, even: tuple[str, str], odd: tuple[str, str]) -> str:
    """The sum of `even` or of `odd` by the lowest bit of `turns`, its sign changed by the next one."""
    first = is_even(m, turns)
    value = m.add(*(m.select(first, a, b) for a, b in zip(even, odd, strict=True)))
    sign = m.integer("shl", m.integer("lshr", turns, 1), m.t.bits - 1)
    return m.from_bits(m.integer("xor", m.bits(value), sign))


def tiny(m: Lanes, x: str, value: str) -> str:
    """Where x is so small that the function rounds to it, x itself: -0 too."""
    return m.select(m.compare("olt", m.abs(x), 2.0**-30), x, value)


def sin(f: Function, t: Type, target: Target, x: str) -> str:
    """The sine."""
    m = Lanes(f, t, target)
    high, low, turns = reduced(m, x)
    sine, cosine = sine_and_cosine(m, high, low)
    return tiny(m, x, quadrant(m, turns, sine, cosine))


def cos(f: Function, t: Type, target: Target, x: str) -> str:
    """The cosine."""
    m = Lanes(f, t, target)
    high, low, turns = reduced(m, x)
    sine, cosine = sine_and_cosine(m, high, low)
    return quadrant(m, m.integer("add", turns, 1), sine, cosine)


def tan(f: Function, t: Type, target: Target, x: str) -> str:
    """Tangent: sine over cosine, or minus cosine over sine, the quotient corrected by its remainder."""
    m = Lanes(f, t, target)
    high, low, turns = reduced(m, x)
    sine, cosine = (m.fast_two_sum(*pair) for pair in sine_and_cosine(m, high, low))
    even = is_even(m, turns)
    above, above_low = (m.select(even, s, m.neg(c)) for s, c in zip(sine, cosine, strict=True))
    below, below_low = (m.select(even, c, s) for s, c in zip(sine, cosine, strict=True))
    inverse = m.div(1.0, below)
    quotient = m.mul(above, inverse)
    product, error = m.two_product(quotient, below)
    left = m.sub(m.sub(m.sub(above, product), error), m.sub(m.mul(quotient, below_low), above_low))
    return tiny(m, x, m.fma(left, inverse, quotient))


def atan(f: Function, t: Type, target: Target, x: str) -> str:
    """The arctangent of c = 0, 1 or infinity, plus that of the difference, ``(a - c) / (1 + a c)``."""
    m = Lanes(f, t, target)
    a = m.abs(x)
    middle, far = m.compare("ogt", a, math.sqrt(2) - 1), m.compare("ogt", a, math.sqrt(2) + 1)
    above = m.select(far, -1.0, m.select(middle, m.sub(a, 1.0), a))
    below = m.select(far, a, m.select(middle, m.add(a, 1.0), 1.0))
    r = m.div(above, below)
    z = m.mul(r, r)
    rest = m.mul(m.mul(z, r), m.polynomial(z, ARCTANGENT[t.base]))
    if m.single:
        half, half_low = 1.5707963705062866, -4.371138828673793e-08
    else:
        half, half_low = 1.5707963267948966, 6.123233995736766e-17
    high = m.select(far, half, m.select(middle, half / 2, 0.0))
    low = m.select(far, half_low, m.select(middle, half_low / 2, 0.0))
    return m.signed_as(m.add(high, m.add(r, m.add(rest, low))), x)
