"""Angles modulo pi/2: ``x = n pi/2 + r`` with r given as the sum of two numbers.

Below a bound, n pi/2 is subtracted in parts whose products are exact (Cody and Waite 1980, chapter 8); where any lane
is above it, those lanes are reduced exactly, one by one (Payne and Hanek 1983): of the bits of 2/pi only those matter
that give less than four when multiplied by x, so that a window of them is multiplied in integers.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from retrograd.native.llvm.builder import Module, Type
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.target import Target

TWO_OVER_PI = 0.6366197723675814
BOUND = {"float": 65536.0, "double": 1048576.0}
FUSED = {  # pi/2 in three numbers; with a fused multiply-add the first difference is exact
    "float": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    "double": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}
# Without: parts of 33 bits, whose products with n < 2**20 are exact, and a rest.
PARTS = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32)
WORDS = 22  # of 64 bits: 64 zeros, then the bits of 2/pi that a double can meet


@cache
def table() -> tuple[int, ...]:
    """64 zero bits and the bits of 2/pi, as words."""
    guard = 64
    one = 1 << (64 * WORDS + guard)

    def arctangent_of_inverse(q: int) -> int:
        term, total, k = one // q, 0, 0
        while term:
            total += (-term if k % 2 else term) // (2 * k + 1)
            term //= q * q
            k += 1
        return total

    pi = 4 * (4 * arctangent_of_inverse(5) - arctangent_of_inverse(239))  # Machin
    bits = (2 * one * one // pi) >> (guard + 64)  # after the point, 64 of the bits are zeros in front
    return tuple((bits >> (64 * (WORDS - 1 - i))) & (2**64 - 1) for i in range(WORDS))


def reduced(m: Lanes, x: str) -> tuple[str, str, str]:
    """The remainder, its rounding error, and integers whose two lowest bits are those of n."""
    f, t = m.f, m.t
    high, low, turns = _fused(m, x) if m.target.fma else _parts(m, x)
    far = m.compare("ogt", m.abs(x), BOUND[t.base])
    names = [(t, high), (t, low), (t.integer, turns)]
    before = f.block
    with f.when(m.any(far)):
        exact = _lane_by_lane(m, x, names) if t.lanes else _exact(m, x)
        end = f.block
    merged = [
        f.value(f"phi {kind} [ {old}, %{before} ], [ {new}, %{end} ]")
        for (kind, old), new in zip(names, exact, strict=True)
    ]
    return merged[0], merged[1], merged[2]


def _fused(m: Lanes, x: str) -> tuple[str, str, str]:
    first, second, third = FUSED[m.t.base]
    shifted = m.fma(x, TWO_OVER_PI, m.magic)
    n = m.sub(shifted, m.magic)
    r = m.fma(n, -first, x)
    product, error = m.two_product(n, m.of(second))
    nearer = m.sub(r, product)
    error = m.sub(m.sub(m.sub(r, nearer), product), error)
    high, low = m.fast_two_sum(nearer, m.fma(n, -third, error))
    return high, low, m.bits(shifted)


def _parts(m: Lanes, x: str) -> tuple[str, str, str]:
    if m.single:
        return _in_double(m, x)
    shifted = m.add(m.mul(x, TWO_OVER_PI), m.magic)
    n = m.sub(shifted, m.magic)
    r, error = m.sub(x, m.mul(n, PARTS[0])), m.of(0.0)
    for part in PARTS[1:3]:
        product = m.mul(n, part)
        nearer = m.sub(r, product)
        error = m.add(error, m.sub(m.sub(r, nearer), product))
        r = nearer
    high, low = m.fast_two_sum(r, m.sub(error, m.mul(n, PARTS[3])))
    return high, low, m.bits(shifted)


def _in_double(m: Lanes, x: str) -> tuple[str, str, str]:
    """The same for floats: two parts of pi/2 are enough."""
    f, wide = m.f, Lanes(m.f, m.t.of("double"), m.target)
    long = f.cast("fpext", m.t, x, wide.t)
    shifted = wide.add(wide.mul(long, TWO_OVER_PI), wide.magic)
    n = wide.sub(shifted, wide.magic)
    r = wide.sub(wide.sub(long, wide.mul(n, PARTS[0])), wide.mul(n, PARTS[1]))
    high = f.cast("fptrunc", wide.t, r, m.t)
    low = f.cast("fptrunc", wide.t, wide.sub(r, f.cast("fpext", m.t, high, wide.t)), m.t)
    return high, low, f.cast("trunc", wide.t.integer, wide.bits(shifted), m.t.integer)


def _exact(m: Lanes, x: str) -> tuple[str, str, str]:
    """The exact reduction of one number, whatever its size above the bound."""
    f, double, word = m.f, Type("double"), Type("i64")
    called = exact_reduction(f.module, m.target)
    long = f.cast("fpext", m.t, x, double) if m.single else x
    both = f.value(f"call {{ double, double, i64 }} @{called}(double {long})")
    high, low, n = (f.value(f"extractvalue {{ double, double, i64 }} {both}, {i}") for i in range(3))
    if not m.single:
        return high, low, n
    short = f.cast("fptrunc", double, high, m.t)
    rest = f.op("fsub", double, high, f.cast("fpext", m.t, short, double))
    return short, f.cast("fptrunc", double, rest, m.t), f.cast("trunc", word, n, m.t.integer)


def _lane_by_lane(m: Lanes, x: str, names: list[tuple[Type, str]]) -> tuple[str, str, str]:
    f, t = m.f, m.t
    one = Lanes(f, t.scalar, m.target)
    angles = f.alloca(t)
    f.store(t, x, angles)
    places = []
    for kind, value in names:
        places.append(f.alloca(kind))
        f.store(kind, value, places[-1])
    with f.loop(t.lanes) as loop:
        angle = f.load(one.t, f.offset(angles, t.base, loop.index))
        with f.when(one.compare("ogt", one.abs(angle), BOUND[t.base])):
            for place, (kind, _), value in zip(places, names, _exact(one, angle), strict=True):
                f.store(kind.scalar, value, f.offset(place, kind.base, loop.index))
    high, low, n = (f.load(kind, place) for place, (kind, _) in zip(places, names, strict=True))
    return high, low, n


def exact_reduction(module: Module, target: Target) -> str:
    """The name of a function from one double, above the bound in size, to (r, its rounding error, n)."""
    name = "exact_reduction"
    if name in module.functions:
        return name
    words = ", ".join(f"i64 {word}" for word in table())
    module.globals[name] = f"@two_over_pi = private unnamed_addr constant [{WORDS} x i64] [{words}]"
    f = module.function(name, [("double", "x")], "internal { double, double, i64 }")
    m = Lanes(f, Type("double"), target)
    word, wide = Type("i64"), Type("i128")

    # |x| = significand * 2**e, e = exponent - 1075. The window begins with the bit of 2/pi that weighs 2 in x * 2/pi,
    # bit e - 1 after the point; 64 zeros lie in front.
    bits = m.bits("%x")
    exponent = f.op("and", word, f.op("lshr", word, bits, "52"), "2047")
    significand = f.op("or", word, f.op("and", word, bits, str(2**52 - 1)), str(2**52))
    start = f.op("sub", word, exponent, str(1075 + 2 - 64))
    shift = f.op("and", word, start, "63")
    index = f.op("lshr", word, start, "6")
    loaded = [
        f.load(word, f.value(f"getelementptr i64, ptr @two_over_pi, i64 {f.op('add', word, index, str(i))}"), 8)
        for i in range(4)
    ]
    window = [f.intrinsic("llvm.fshl", word, a, b, shift) for a, b in pairwise(loaded)]

    # The product modulo four quarter turns, 126 bits after the point.
    def widened(a: str) -> str:
        return f.cast("zext", word, a, wide)

    low, middle = (f.op("mul", wide, widened(significand), widened(w)) for w in (window[2], window[1]))
    top = f.op("shl", wide, widened(f.op("mul", word, significand, window[0])), "64")
    total = f.op("add", wide, f.op("add", wide, top, middle), f.op("lshr", wide, low, "64"))
    n = f.op("lshr", wide, f.op("add", wide, total, str(1 << 125)), "126")
    fraction = f.op("sub", wide, total, f.op("shl", wide, n, "126"))

    # The fraction, between -1/2 and 1/2, in three pieces of 42 bits, then as a sum of two doubles.
    pieces = []
    for place in (84, 42, 0):
        piece = f.cast("trunc", wide, f.op("ashr", wide, fraction, str(place)), word)
        if place < 84:
            piece = f.op("and", word, piece, str(2**42 - 1))
        pieces.append(m.mul(f.cast("sitofp", word, piece, m.t), 2.0 ** (place - 126)))
    total_high, error = m.two_sum(pieces[0], pieces[1])
    total_high, rest = m.two_sum(total_high, pieces[2])
    error = m.add(error, rest)
    half_pi, half_pi_low, _ = FUSED["double"]
    high, low = m.two_product(total_high, m.of(half_pi))
    low = m.add(low, m.add(m.mul(error, half_pi), m.mul(total_high, half_pi_low)))
    high, low = m.fast_two_sum(high, low)

    # -x is the mirror; infinity minus itself makes NaN of it.
    negative = m.compare("olt", "%x", 0.0)
    n = f.cast("trunc", wide, n, word)
    high = m.add(m.select(negative, m.neg(high), high), m.sub("%x", "%x"))
    low = m.select(negative, m.neg(low), low)
    n = f.select(word, negative, f.op("sub", word, "0", n), n)
    pair = f.value(f"insertvalue {{ double, double, i64 }} poison, double {high}, 0")
    pair = f.value(f"insertvalue {{ double, double, i64 }} {pair}, double {low}, 1")
    f.do(f"ret {{ double, double, i64 }} {f.value(f'insertvalue {{ double, double, i64 }} {pair}, i64 {n}, 2')}")
    return name
