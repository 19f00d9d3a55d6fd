"""exp, exp2, expm1: ``2**n exp(r)`` with ``|r| <= log(2)/2`` (Cody and Waite 1980, chapter 6)."""

from __future__ import annotations

from dataclasses import dataclass

from retrograd.native.llvm.builder import Function, Type
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.target import Target

LOG2_E = 1.4426950408889634


@dataclass(frozen=True)
class Constants:
    """For one type.

    Attributes:
        high, low: log(2) in two parts; n * high is exact.
        series: (exp(r) - 1 - r) / r**2 on |r| <= 0.347, minimax from the second coefficient on.
        two: (2**r - 1) / r on |r| <= 1/2, minimax.
        least, most: below exp is 0, above it overflows.
        minus_one: below, expm1 is -1.
    """

    high: float
    low: float
    series: tuple[float, ...]
    two: tuple[float, ...]
    least: float
    most: float
    minus_one: float


CONSTANTS = {
    "float": Constants(
        high=0.693145751953125,
        low=1.428606765330187e-06,
        # relative error of exp(r) - 1: 2**-26.1
        series=(0.5, 0.16666548, 0.0416668542, 0.00836611353, 0.00138982292),
        # relative error 2**-28.5
        two=(0.693147242, 0.240226522, 0.0555031039, 0.00961769279, 0.00134066446, 0.000155946807),
        least=-104.0,
        most=88.9,
        minus_one=-18.0,
    ),
    "double": Constants(
        high=0.6931471805598903,
        low=5.497923018708371e-14,
        # relative error of exp(r) - 1: 2**-55.2
        series=(
            0.5, 0.16666666666666602, 0.04166666666661958, 0.008333333333388895, 0.0013888888920714551,
            0.0001984126970842381, 2.4801516040166946e-05, 2.7557425575241273e-06, 2.762236795061699e-07,
            2.504588031276733e-08,
        ),
        # relative error 2**-63.9
        two=(
            0.6931471805599453, 0.24022650695910072, 0.055504108664821736, 0.009618129107628562, 0.0013333558146381736,
            0.0001540353039317178, 1.5252733864846303e-05, 1.3215487003455558e-06, 1.0178047530683569e-07,
            7.0548148182318315e-09, 4.45723938761166e-10, 2.5855264701412164e-11,
        ),
        least=-746.0,
        most=709.9,
        minus_one=-40.0,
    ),
}  # fmt: skip


def nearest(m: Lanes, x: str, factor: float, bias: int) -> tuple[str, str]:
    """``n = round(x * factor)``, and integers whose lowest bits are n + bias."""
    magic = m.magic + bias
    shifted = m.fma(x, factor, magic)
    return m.sub(shifted, magic), m.bits(shifted)


def remainder(m: Lanes, x: str, bias: int) -> tuple[str, str, str]:
    """``r = x - n log(2)``, n, and integers whose lowest bits are n + bias."""
    c = CONSTANTS[m.t.base]
    n, biased = nearest(m, x, LOG2_E, bias)
    return m.fma(n, -c.low, m.fma(n, -c.high, x)), n, biased


def small(m: Lanes, r: str) -> str:
    """``exp(r) - 1`` of a remainder."""
    return m.fma(m.mul(r, r), m.polynomial(r, CONSTANTS[m.t.base].series), r)


def reduced_expm1(m: Lanes, x: str, bias: int) -> tuple[str, str, str]:
    """``exp(r) - 1`` with the rounding error of the remainder r made good; n; integers with n + bias."""
    c = CONSTANTS[m.t.base]
    n, biased = nearest(m, x, LOG2_E, bias)
    exact = m.fma(n, -c.high, x)
    r = m.fma(n, -c.low, exact)
    low = m.fma(n, -c.low, m.sub(exact, r))
    return m.add(r, m.fma(m.mul(r, r), m.polynomial(r, c.series), low)), n, biased


def scaled(m: Lanes, p: str, n: str, biased: str) -> str:
    """``p * 2**n``, rounded once, down to denormals; `biased` has n + 2 bias in its lowest bits."""
    if m.target.vector_bytes == 64 and m.t.lanes and m.t.lanes * m.t.size % 64 == 0:
        return _scalef(m, p, n)
    half = m.integer("lshr", biased, 1)
    other = m.integer("sub", biased, half)
    return m.mul(m.mul(p, m.powers_of_two(half)), m.powers_of_two(other))


def _scalef(m: Lanes, p: str, n: str) -> str:
    """AVX-512 scales in one instruction."""
    lanes = 64 // m.t.size
    piece = Type(m.t.base, lanes)
    mask, name = f"i{lanes}", f"llvm.x86.avx512.mask.scalef.{'ps' if m.single else 'pd'}.512"
    called = m.f.module.declare(name, str(piece), f"{piece}, {piece}, {piece}, {mask}, i32")
    parts = []
    for start in range(0, m.t.lanes, lanes):
        places = range(start, start + lanes)
        a, b = (x if m.t == piece else m.f.shuffle(m.t, x, "poison", places) for x in (p, n))
        parts.append(
            m.f.value(f"call {piece} {called}({piece} {a}, {piece} {b}, {piece} zeroinitializer, {mask} -1, i32 4)")
        )
    while len(parts) > 1:
        both = range(2 * piece.lanes)
        parts = [m.f.shuffle(piece, a, b, both) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        piece = Type(m.t.base, 2 * piece.lanes)
    return parts[0]


def exp(f: Function, t: Type, target: Target, x: str) -> str:
    """Exponential."""
    m = Lanes(f, t, target)
    c = CONSTANTS[t.base]
    r, n, biased = remainder(m, m.clamp(x, c.least, c.most), 2 * m.bias)
    return scaled(m, m.add(small(m, r), 1.0), n, biased)


def exp2(f: Function, t: Type, target: Target, x: str) -> str:
    """Two to the power x."""
    m = Lanes(f, t, target)
    x = m.clamp(x, -150.0 if m.single else -1076.0, 128.5 if m.single else 1024.5)
    n, biased = nearest(m, x, 1.0, 2 * m.bias)
    r = m.sub(x, n)
    return scaled(m, m.fma(m.polynomial(r, CONSTANTS[t.base].two), r, 1.0), n, biased)


def expm1(f: Function, t: Type, target: Target, x: str) -> str:
    """Exponential minus one: ``2 (2**(n-1) (exp(r) - 1) + 2**(n-1) - 1/2)``."""
    m = Lanes(f, t, target)
    c = CONSTANTS[t.base]
    p, n, biased = reduced_expm1(m, m.clamp(x, c.minus_one, c.most), m.bias - 1)
    half = m.powers_of_two(biased)
    far = m.fma(p, half, m.sub(half, 0.5))
    value = m.select(m.compare("oeq", n, 0.0), p, m.add(far, far))
    return m.signed_as(value, x)


def decay(m: Lanes, x: str) -> str:
    """``exp(x)`` for x from -70 (float) or -700 (double) to 0, where nothing overflows or is denormal."""
    r, _, biased = remainder(m, x, m.bias)
    power = m.powers_of_two(biased)
    return m.fma(small(m, r), power, power)
