"""The kernel vocabulary over expressions of loops: what `Pointwise.kernel` speaks to.

A Python scalar is weak, as is a value that comes from one: it takes the dtype of what it meets, rounded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.types import WEAK_DTYPES, is_weak_scalar
from retrograd.native.loops.ir import BOOL, Expr

COMPARISONS = frozenset(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"))
LOGIC = frozenset(("logical_and", "logical_or", "logical_not"))


def literal(value: Any, weak: bool = True) -> Expr:
    """A scalar as an expression."""
    if is_weak_scalar(value):
        return Expr("const", WEAK_DTYPES[type(value)], (), value, weak)
    return Expr("const", value.dtype, (), value.item())


def convert(x: Expr, dtype: np.dtype) -> Expr:
    """`x` in another dtype; constants at once."""
    if x.dtype == dtype:
        return x if not x.weak else Expr(x.op, dtype, x.args, x.attr)
    if x.op == "const":
        with np.errstate(all="ignore"):
            return Expr("const", dtype, (), np.asarray(x.attr, x.dtype).astype(dtype).item())
    return Expr("convert", dtype, (x,))


def _out_of_range(value: Any, dtype: np.dtype) -> bool:
    """Whether a Python integer is none of an integer dtype."""
    if type(value) is not int or dtype.kind not in "iu":
        return False
    return not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def meet(xs: Sequence[Any]) -> tuple[list[Expr], np.dtype, bool]:
    """The expressions in one dtype: that of the strong ones, else the promoted dtype of the weak ones."""
    found = [x if isinstance(x, Expr) else literal(x) for x in xs]
    strong = [x.dtype for x in found if not x.weak]
    dtype = strong[0] if strong else np.result_type(*[x.dtype for x in found])
    for x in found:
        if x.op == "const" and x.weak and _out_of_range(x.attr, dtype):
            raise OverflowError(f"Python integer {x.attr} out of bounds for {dtype}")
    done = [convert(x, dtype) if not x.weak or strong or x.dtype != dtype else x for x in found]
    return done, dtype, not strong


class Words:
    """``words.exp(x)``: an expression; operators on `Value` come here too."""

    def __getattr__(self, name: str) -> Any:
        def word(*xs: Any) -> Value:
            return self.apply(name, *xs)

        return word

    def apply(self, name: str, *xs: Any) -> Value:
        plain = [x.expr if isinstance(x, Value) else x for x in xs]
        if name == "where":
            test = plain[0] if isinstance(plain[0], Expr) else literal(plain[0])
            (yes, no), dtype, weak = meet(plain[1:])
            return Value(Expr("where", dtype, (test, yes, no), None, weak and test.weak))
        if name == "power" and (found := _small_power(plain)) is not None:
            return found
        if name in COMPARISONS and (known := _beyond(name, plain)) is not None:
            return known
        operands, dtype, weak = meet(plain)
        if name in COMPARISONS or name in LOGIC:
            return Value(Expr(name, BOOL, tuple(operands)))
        return Value(Expr(name, dtype, tuple(operands), None, weak))


def _beyond(name: str, xs: Sequence[Any]) -> Value | None:
    """A comparison with an integer that the other's dtype does not have: the same for every element."""
    found = [x if isinstance(x, Expr) else literal(x) for x in xs]
    for i, x in enumerate(found):
        other = found[1 - i]
        if x.op == "const" and x.weak and not other.weak and _out_of_range(x.attr, other.dtype):
            sides = (0, x.attr) if i else (x.attr, 0)  # every number of the dtype is on the same side as 0
            answer = bool(getattr(np, name)(np.sign(sides[0]), np.sign(sides[1])))
            return Value(Expr("const", BOOL, (), answer))
    return None


def _small_power(xs: Sequence[Any]) -> Value | None:
    """A power with a small whole number that is known: products."""
    base, exponent = xs
    n = exponent.attr if isinstance(exponent, Expr) and exponent.op == "const" else exponent
    if isinstance(n, Expr) or not np.isfinite(n) or n != int(n) or not isinstance(base, Expr):
        return None
    n = int(n)
    floating = base.dtype.kind == "f"
    if not (0 <= n <= 4 if floating else 0 <= n < 1 << 16):
        return None
    result: Value | None = None
    square = Value(base)
    while n:
        if n & 1:
            result = square if result is None else result * square
        n >>= 1
        if n:
            square = square * square
    return Value(Expr("const", base.dtype, (), 1)) if result is None else result


WORDS = Words()


class Value:
    """An expression that arithmetic can be written with."""

    __slots__ = ("expr",)

    def __init__(self, expr: Expr) -> None:
        self.expr = expr

    @property
    def dtype(self) -> np.dtype:
        return self.expr.dtype

    def __neg__(self) -> Value:
        return WORDS.apply("negative", self)

    def __add__(self, other: Any) -> Value:
        return WORDS.apply("add", self, other)

    def __radd__(self, other: Any) -> Value:
        return WORDS.apply("add", other, self)

    def __sub__(self, other: Any) -> Value:
        return WORDS.apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Value:
        return WORDS.apply("subtract", other, self)

    def __mul__(self, other: Any) -> Value:
        return WORDS.apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Value:
        return WORDS.apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Value:
        return WORDS.apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return WORDS.apply("divide", other, self)

    def __lt__(self, other: Any) -> Value:
        return WORDS.apply("less", self, other)

    def __le__(self, other: Any) -> Value:
        return WORDS.apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Value:
        return WORDS.apply("greater", self, other)

    def __ge__(self, other: Any) -> Value:
        return WORDS.apply("greater_equal", self, other)
