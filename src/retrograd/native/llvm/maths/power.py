"""power, and roots."""

from __future__ import annotations

import math

from retrograd.native.llvm.builder import Function, Type
from retrograd.native.llvm.maths import exponential
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.maths.logarithm import normalised, parts
from retrograd.native.llvm.target import Target

# (log((1 + s)/(1 - s)) - 2 s - 2/3 s**3) / s**5 in z = s**2, |s| <= 0.1716; relative error of the log 2**-73.5.
SERIES = (
    0.3999999999999998, 0.28571428571445107, 0.22222222217537022, 0.18181818870246574, 0.1538455687560798,
    0.13336317243330578, 0.11674822037456631, 0.11988984063064156,
)  # fmt: skip
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)  # as the sum of two numbers
# log2(1 + f) / f, f from sqrt(1/2) - 1 to sqrt(2) - 1, minimax; relative error 2**-38.5.
LOG2 = (
    1.4426950408865744, -0.7213475203275658, 0.4808983488029962, -0.36067379313530407, 0.28853879571622815,
    -0.24044643365723223, 0.20610712341151366, -0.1804367491885773, 0.16021666232856815, -0.14249865137791534,
    0.13027565400785945, -0.1346292473117344, 0.13251189314541903, -0.06973913552133122,
)  # fmt: skip


def sqrt(f: Function, t: Type, target: Target, x: str) -> str:
    """Square root, correctly rounded."""
    return f.intrinsic("llvm.sqrt", t, x)


def rsqrt(f: Function, t: Type, target: Target, x: str) -> str:
    """``1 / sqrt(x)``."""
    m = Lanes(f, t, target)
    return m.div(1.0, m.call("llvm.sqrt", x))


def precise_log(m: Lanes, x: str) -> tuple[str, str]:
    """The logarithm of a positive double as a sum of two, to about 2**-66 of its size."""
    e = exponential.CONSTANTS[m.t.base]
    k, f, _ = parts(m, *normalised(m, x))
    # s = f / (2 + f), with the remainder of the division
    below, below_low = m.fast_two_sum(2.0, f)
    inverse = m.div(1.0, below)
    s = m.mul(f, inverse)
    product, error = m.two_product(s, below)
    left = m.sub(m.sub(m.sub(f, product), error), m.mul(s, below_low))
    s_low = m.mul(left, inverse)
    # c = z (2/3 + z T(z))
    z, z_low = m.two_product(s, s)
    z_low = m.fma(m.mul(s, 2.0), s_low, z_low)
    third, third_low = TWO_THIRDS
    b, b_low = m.fast_two_sum(third, m.mul(z, m.polynomial(z, SERIES)))
    b_low = m.add(b_low, third_low)
    c, c_low = m.two_product(z, b)
    c_low = m.fma(z, b_low, m.fma(z_low, b, c_low))
    # log(1 + f) = 2 s + s c
    d, d_low = m.two_product(s, c)
    d_low = m.fma(s, c_low, m.fma(s_low, c, d_low))
    high, low = m.fast_two_sum(m.mul(s, 2.0), d)
    low = m.add(low, m.fma(s_low, 2.0, d_low))
    high, error = m.fast_two_sum(m.mul(k, e.high), high)
    return m.fast_two_sum(high, m.add(error, m.fma(k, e.low, low)))


def power(f: Function, t: Type, target: Target, x: str, y: str) -> str:
    """``x ** y`` for real y, with the special values of NumPy (those of C's pow)."""
    m = Lanes(f, t, target)
    # So large an exponent gives 0, 1 or infinity; the bound keeps infinity times log(1) = 0 from being NaN.
    bounded = m.clamp(y, -(2.0 ** (m.bias - 40)), 2.0 ** (m.bias - 40))
    value = (_by_doubles if m.single else _by_pairs)(m, m.abs(x), bounded)

    floor, half = m.call("llvm.floor", y), m.mul(y, 0.5)
    odd = m.both(m.compare("oeq", floor, y), m.compare("one", m.call("llvm.floor", half), half))
    value = m.select(odd, m.signed_as(value, x), value)
    negative = m.both(m.compare("olt", x, 0.0), m.compare("ogt", x, -math.inf))
    value = m.select(m.both(negative, m.compare("une", floor, y)), math.nan, value)
    return m.select(m.either(m.compare("oeq", x, 1.0), m.compare("oeq", y, 0.0)), 1.0, value)


def _log_specials(m: Lanes, a: str, log: str) -> str:
    """The logarithm of 0, of infinity and of NaN."""
    log = m.select(m.compare("olt", a, math.inf), log, a)
    return m.select(m.compare("oeq", a, 0.0), -math.inf, log)


def _by_pairs(m: Lanes, a: str, y: str) -> str:
    """``exp(y (high + low))``."""
    c = exponential.CONSTANTS[m.t.base]
    high, low = precise_log(m, a)
    high = _log_specials(m, a, high)
    product, error = m.two_product(y, high)
    error = m.fma(y, low, error)
    bounded = m.clamp(product, c.least, c.most)
    # Out of bounds the error is meaningless, and may be NaN.
    error = m.select(m.compare("oeq", bounded, product), error, 0.0)
    r, n, biased = exponential.remainder(m, bounded, 2 * m.bias)
    p = m.add(exponential.small(m, m.add(r, error)), 1.0)
    return exponential.scaled(m, p, n, biased)


def _by_doubles(m: Lanes, a: str, y: str) -> str:
    """``2**(y log2(a))`` of floats, logarithm, product and remainder in double."""
    f, wide = m.f, Lanes(m.f, m.t.of("double"), m.target)

    def widened(value: str) -> str:
        return f.cast("fpext", m.t, value, wide.t)

    k, fraction, _ = parts(m, *normalised(m, a))
    k = _log_specials(m, a, k)
    fraction = widened(fraction)
    log = wide.fma(fraction, wide.polynomial(fraction, LOG2), widened(k))
    exponent = wide.clamp(wide.mul(log, widened(y)), -151.0, 129.0)
    magic = wide.magic + 2 * m.bias
    shifted = wide.add(exponent, magic)
    n = wide.sub(shifted, magic)
    r = f.cast("fptrunc", wide.t, wide.sub(exponent, n), m.t)
    biased = f.cast("trunc", wide.t.integer, wide.bits(shifted), m.t.integer)
    p = m.fma(m.polynomial(r, exponential.CONSTANTS[m.t.base].two), r, 1.0)
    return exponential.scaled(m, p, f.cast("fptrunc", wide.t, n, m.t), biased)
