"""tanh, sigmoid, sinh, cosh, from the exponential."""

from __future__ import annotations

from retrograd.native.llvm.builder import Function, Type
from retrograd.native.llvm.maths.exponential import CONSTANTS, LOG2_E, decay, nearest, remainder, scaled, small
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.target import Target

# (tanh(r) - r) / r**3 in z = r**2, |r| <= 0.5625, minimax; relative error 2**-29.5 and 2**-59.9.
TANH = {
    "float": (-0.333333135, 0.133324519, -0.0538374297, 0.0210074522, -0.00617980259),
    "double": (
        -0.33333333333333276, 0.13333333333323133, -0.05396825396172454, 0.021869488327280563, -0.008863231637257602,
        0.0035920822507509555, -0.001455479646135818, 0.0005881836640880435, -0.0002327162525526651,
        8.236097111905291e-05, -1.8903985530771617e-05,
    ),
}  # fmt: skip
# (sinh(r) - r) / r**3 in z, |r| <= 1, minimax; relative error 2**-34.2 and 2**-63.3.
SINH = {
    "float": (0.166666672, 0.0083333496, 0.000198361595, 2.81695134e-06),
    "double": (
        0.16666666666666669, 0.008333333333333148, 0.00019841269841431875, 2.7557319157070645e-06,
        2.505212313691506e-08, 1.60572597541852e-10, 7.758749227819664e-13,
    ),
}  # fmt: skip


def tanh(f: Function, t: Type, target: Target, x: str) -> str:
    """Hyperbolic tangent: a polynomial near 0, ``1 - 2E / (1 + E)`` with ``E = exp(-2|x|)`` where it is above 1/2."""
    m = Lanes(f, t, target)
    a = m.abs(x)
    e = decay(m, m.clamp(m.mul(a, -2.0), CONSTANTS[t.base].minus_one))
    far = m.fma(m.div(e, m.add(e, 1.0)), -2.0, 1.0)
    near = odd_polynomial(m, a, TANH[t.base])
    return m.signed_as(m.select(m.compare("ogt", a, 0.5625), far, near), x)


def odd_polynomial(m: Lanes, a: str, coefficients: tuple[float, ...]) -> str:
    """``a + a**3 p(a**2)``."""
    z = m.mul(a, a)
    return m.fma(m.mul(a, z), m.polynomial(z, coefficients), a)


def sigmoid(f: Function, t: Type, target: Target, x: str) -> str:
    """``1 / (1 + exp(-x))`` as ``s / (s + exp(r))`` with ``s = 2**n``, r the remainder of -x.

    s is kept as ``2**(n + up)`` so that it is no denormal where the result is one; the last product scales back.
    The divisor is ``s + 1 + (exp(r) - 1)``, with what the first sum loses where s is small.
    """
    m = Lanes(f, t, target)
    c = CONSTANTS[t.base]
    up = 32 if m.single else 64
    x = m.clamp(x, c.least, 20.0 if m.single else 40.0)
    n, biased = nearest(m, x, LOG2_E, m.bias + up)
    scaled_up = m.powers_of_two(biased)
    p = small(m, m.fma(n, c.low, m.fma(n, c.high, m.neg(x))))
    s = m.mul(scaled_up, 2.0**-up)
    whole = m.add(s, 1.0)
    lost = m.sub(s, m.sub(whole, 1.0))
    below = m.add(whole, m.add(p, lost))
    return m.mul(m.div(scaled_up, below), 2.0**-up)


def halves(m: Lanes, a: str) -> tuple[str, str]:
    """``exp(a) / 2`` and ``exp(-a) / 2`` for ``a >= 0``, the first without overflow before its time."""
    a = m.clamp(a, high=CONSTANTS[m.t.base].most + 1.0)
    r, n, biased = remainder(m, a, 2 * m.bias - 1)
    p = m.add(small(m, r), 1.0)
    inverse = m.powers_of_two(m.bits(m.sub(m.magic + m.bias - 1, m.clamp(n, high=60.0))))  # 2**(-n - 1)
    return scaled(m, p, m.sub(n, 1.0), biased), m.div(inverse, p)


def sinh(f: Function, t: Type, target: Target, x: str) -> str:
    """Hyperbolic sine: a polynomial up to 1, then ``(exp(x) - exp(-x)) / 2``."""
    m = Lanes(f, t, target)
    a = m.abs(x)
    grown, shrunk = halves(m, a)
    near = odd_polynomial(m, a, SINH[t.base])
    return m.signed_as(m.select(m.compare("ogt", a, 1.0), m.sub(grown, shrunk), near), x)


def cosh(f: Function, t: Type, target: Target, x: str) -> str:
    """Hyperbolic cosine: ``(exp(x) + exp(-x)) / 2``."""
    m = Lanes(f, t, target)
    grown, shrunk = halves(m, m.abs(x))
    return m.add(grown, shrunk)
