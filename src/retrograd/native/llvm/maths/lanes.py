"""Arithmetic on the lanes of one floating-point type, as the functions of this package need it."""

from __future__ import annotations

from collections.abc import Sequence

from retrograd.native.llvm.builder import Function, Type, constant
from retrograd.native.llvm.target import Target

FRACTION = {"float": 23, "double": 52}  # bits of the stored significand
BIAS = {"float": 127, "double": 1023}  # of the exponent
SPLITTER = {"float": 4097.0, "double": 134217729.0}  # 2**(bits/2) + 1: halves a significand (Veltkamp)


class Lanes:
    """Instructions on values of type `t`; a Python number stands for a constant in every lane.

    No pass runs over what is written, so that nothing is reassociated: the error terms below survive.
    """

    def __init__(self, f: Function, t: Type, target: Target) -> None:
        self.f, self.t, self.target = f, t, target
        self.single = t.base == "float"
        self.fraction, self.bias = FRACTION[t.base], BIAS[t.base]
        self.magic = 1.5 * 2.0**self.fraction  # x + magic has round(x) in its lowest bits

    def of(self, x: str | float) -> str:
        """An operand: what it is, or a constant."""
        return x if isinstance(x, str) else constant(self.t, x)

    def _op(self, name: str, *xs: str | float) -> str:
        return self.f.op(name, self.t, *map(self.of, xs))

    def add(self, a: str | float, b: str | float) -> str:
        return self._op("fadd", a, b)

    def sub(self, a: str | float, b: str | float) -> str:
        return self._op("fsub", a, b)

    def mul(self, a: str | float, b: str | float) -> str:
        return self._op("fmul", a, b)

    def div(self, a: str | float, b: str | float) -> str:
        return self._op("fdiv", a, b)

    def neg(self, a: str) -> str:
        return self._op("fneg", a)

    def call(self, name: str, *xs: str | float) -> str:
        """An intrinsic of LLVM's."""
        return self.f.intrinsic(name, self.t, *map(self.of, xs))

    def abs(self, a: str) -> str:
        return self.call("llvm.fabs", a)

    def signed_as(self, magnitude: str, sign: str) -> str:
        """The magnitude of one value with the sign of another."""
        return self.call("llvm.copysign", magnitude, sign)

    def clamp(self, x: str, low: float | None = None, high: float | None = None) -> str:
        """Between two bounds; NaN stays."""
        if low is not None:
            x = self.call("llvm.maximum", x, low)
        return x if high is None else self.call("llvm.minimum", x, high)

    def positive(self, x: str) -> str:
        """The greater of x and 0, in one instruction of x86; 0 for NaN."""
        return self.select(self.compare("ogt", x, 0.0), x, 0.0)

    def fma(self, a: str | float, b: str | float, c: str | float) -> str:
        """``a * b + c``, rounded once where the CPU can."""
        if self.target.fma:
            return self.f.fma(self.t, self.of(a), self.of(b), self.of(c))
        return self.add(self.mul(a, b), c)

    def compare(self, predicate: str, a: str | float, b: str | float) -> str:
        return self.f.compare(predicate, self.t, self.of(a), self.of(b))

    def select(self, condition: str, yes: str | float, no: str | float) -> str:
        return self.f.select(self.t, condition, self.of(yes), self.of(no))

    def both(self, *masks: str) -> str:
        """All of some conditions hold."""
        return self._logic("and", *masks)

    def either(self, *masks: str) -> str:
        """One of some conditions holds."""
        return self._logic("or", *masks)

    def _logic(self, name: str, first: str, *others: str) -> str:
        for other in others:
            first = self.f.op(name, self.t.mask, first, other)
        return first

    def any(self, mask: str) -> str:
        """Whether a condition holds in any lane."""
        if not self.t.lanes:
            return mask
        word = Type(f"i{self.t.lanes}")
        return self.f.compare("ne", word, self.f.cast("bitcast", self.t.mask, mask, word), "0")

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Horner's rule, the constant first in `coefficients`."""
        *rest, value = [self.of(c) for c in coefficients]
        for c in reversed(rest):
            value = self.fma(value, x, c)
        return value

    # The bits of a value ----------------------------------------------------------------------------------------------

    def bits(self, x: str) -> str:
        return self.f.cast("bitcast", self.t, x, self.t.integer)

    def from_bits(self, i: str) -> str:
        return self.f.cast("bitcast", self.t.integer, i, self.t)

    def integer(self, name: str, a: str, b: str | int) -> str:
        """An instruction on integers of the same width."""
        t = self.t.integer
        return self.f.op(name, t, a, b if isinstance(b, str) else constant(t, b))

    def powers_of_two(self, biased: str) -> str:
        """``2**n`` from integers whose lowest bits are n + bias, 0 < n + bias < 2 bias + 1; higher bits are lost."""
        return self.from_bits(self.integer("shl", biased, self.fraction))

    # Pairs: a value and its rounding error (Dekker 1971) --------------------------------------------------------------

    def fast_two_sum(self, a: str | float, b: str) -> tuple[str, str]:
        """``a + b`` exactly, if ``|a| >= |b|`` or ``a = 0``."""
        total = self.add(a, b)
        return total, self.sub(b, self.sub(total, a))

    def two_sum(self, a: str, b: str) -> tuple[str, str]:
        """``a + b`` exactly (Knuth)."""
        total = self.add(a, b)
        other = self.sub(total, a)
        return total, self.add(self.sub(a, self.sub(total, other)), self.sub(b, other))

    def two_product(self, a: str, b: str) -> tuple[str, str]:
        """``a * b`` exactly, if nothing overflows or underflows."""
        product = self.mul(a, b)
        if self.target.fma:
            return product, self.fma(a, b, self.neg(product))
        (ah, al), (bh, bl) = self._halves(a), self._halves(b)
        error = self.sub(self.mul(ah, bh), product)
        error = self.add(self.add(error, self.mul(ah, bl)), self.mul(al, bh))
        return product, self.add(error, self.mul(al, bl))

    def _halves(self, a: str) -> tuple[str, str]:
        wide = self.mul(a, SPLITTER[self.t.base])
        high = self.sub(wide, self.sub(wide, a))
        return high, self.sub(a, high)
