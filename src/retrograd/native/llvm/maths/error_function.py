"""erf: a polynomial near 0, one minus ``exp`` of a polynomial away from it."""

from __future__ import annotations

from retrograd.native.llvm.builder import Function, Type
from retrograd.native.llvm.maths.exponential import decay
from retrograd.native.llvm.maths.lanes import Lanes
from retrograd.native.llvm.target import Target

# erf(x)/x - 1 in z = x**2, |x| <= 1, minimax; relative error 2**-29.6 and 2**-62.7.
NEAR = {
    "float": (
        0.128379166, -0.37612626, 0.112835854, -0.0268538129, 0.00518832775, -0.000801019371, 7.85386073e-05,
    ),
    "double": (
        0.1283791670955126, -0.3761263890318375, 0.11283791670954857, -0.026866170645072896, 0.005223977624780875,
        -0.0008548326978742633, 0.00012055331036913794, -1.4925593507190661e-05, 1.6460972821184672e-06,
        -1.6350025260055095e-07, 1.465788005199366e-08, -1.1365666624567702e-09, 5.945262640753955e-11,
    ),
}  # fmt: skip
# log(1 - erf(x)), minimax with the weight that makes the error of erf relative; x in [1, 4]: 2**-29.8,
# x in [1, 6]: 2**-57.
FAR = {
    "float": (
        -0.000341522245, -1.12708914, -0.638144851, -0.103106737, 0.0218380522, -0.00294765411, 0.00018637866,
    ),
    "double": (
        -5.028721060936893e-07, -1.1283740892704082, -0.6366436289684656, -0.1027034371920441, 0.018990174594223502,
        0.0004106336713799837, -0.0019159493574799392, 0.0007706481626983451, -0.00013505361203203152,
        -2.0264974936231824e-05, 2.282181170471624e-05, -8.666942529534219e-06, 2.135622295946731e-06,
        -3.7329241565957715e-07, 4.6421426583242005e-08, -3.934119639447006e-09, 2.0448806884655055e-10,
        -4.928401852424733e-12,
    ),
}  # fmt: skip
END = {"float": 4.0, "double": 6.0}  # from here on erf rounds to 1


def erf(f: Function, t: Type, target: Target, x: str) -> str:
    """Error function."""
    m = Lanes(f, t, target)
    a = m.clamp(m.abs(x), high=END[t.base])
    near = m.fma(a, m.polynomial(m.mul(a, a), NEAR[t.base]), a)
    far = m.sub(1.0, decay(m, m.polynomial(a, FAR[t.base])))
    return m.signed_as(m.select(m.compare("ult", a, 1.0), near, far), x)
