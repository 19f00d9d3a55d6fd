"""What to try, where what happened fits a pattern that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from retrograd.transforms.nonfinite import Finding

Remedy = Callable[[Finding], str]
GROWN = 1e8
"""Numbers beyond it were not meant: parameters that grew, or inputs that nobody scaled."""


def suggestion(f: Finding) -> str:
    """What to try; a general word where no pattern fits."""
    if f.phase != "forward" and not f.declared:
        return _of_derivative(f)
    if f.produced == "NaN" and any(a.size and np.isinf(a).any() for _, a in f.args):
        return _INDEFINITE.get(f.operation, _INFINITE_OPERAND)
    found = _FORWARD.get(f.operation)
    return found(f) if found is not None else _overflow(f)


def _value(f: Finding, i: int) -> Any:
    """The element of operand `i` that made it, or None."""
    return f.element(f.args[i][1]) if i < len(f.args) else None


def _log(f: Finding) -> str:
    x = _value(f, 0)
    if x is not None and x < 0:
        return "log of a negative number is NaN: find out why it is negative, or clip it, rg.log(rg.clip(x, 1e-12))"
    return (
        "log of 0 is -inf: in a loss, give the raw scores to rg.nn.cross_entropy (or use rg.log_softmax), not the "
        "log of a probability; elsewhere rg.log(rg.clip(x, min=1e-12)), or rg.log1p(x) for log(1 + x)"
    )


def _log1p(f: Finding) -> str:
    return "log1p needs x > -1: clip it, rg.log1p(rg.clip(x, min=-1 + 1e-7)), or find out why x is so small"


def _sqrt(f: Finding) -> str:
    return "sqrt of a negative number is NaN: a difference that should be 0 was rounded? rg.sqrt(rg.clip(x, min=0.0))"


def _rsqrt(f: Finding) -> str:
    return "rsqrt(x) = 1 / sqrt(x) needs x > 0: add a small number inside, rg.rsqrt(x + 1e-6)"


def _divide(f: Finding) -> str:
    x, y = _value(f, 0), _value(f, 1)
    if y == 0:
        what = "0 / 0 is NaN" if x == 0 else "division by 0"
        return (
            f"{what}: add a small number to the denominator, or replace zeros before dividing: "
            "rg.where(y == 0, 0.0, x / rg.where(y == 0, 1.0, y)). A mean or a variance divides by a count: "
            "are there enough elements?"
        )
    return f"the quotient is beyond {_largest(f)}: the denominator is too small; add a small number to it"


def _exp(f: Finding) -> str:
    top = np.log(np.finfo(f.out.dtype).max)
    return (
        f"exp overflows above {top:.4g} in {f.out.dtype}: in a softmax, subtract the largest element first, or use "
        "rg.softmax, rg.log_softmax or rg.logsumexp; for 1 / (1 + exp(-x)) use rg.sigmoid, for log(1 + exp(x)) "
        "rg.softplus"
    )


def _power(f: Finding) -> str:
    x, y = _value(f, 0), _value(f, 1)
    if x is not None and x == 0:
        return "0 to a negative power is a division by 0: add a small number to the base"
    if f.produced == "NaN" and (x is None or x < 0):
        whole = "" if y is None else f" (here {y:g})"
        return (
            f"a negative base with a fractional exponent{whole} is NaN: use rg.absolute(x) or rg.clip(x, min=0.0); a "
            "Python integer as exponent is fine for any base"
        )
    return _overflow(f)


def _mean(f: Finding) -> str:
    if f.args and not f.args[0][1].size:
        return "the mean of no elements is 0 / 0: is a mask, a slice or a batch empty?"
    return _overflow(f)


def _convert(f: Finding) -> str:
    return f"the value is beyond {_largest(f)}: keep float64 here, or scale it before it is converted"


def _overflow(f: Finding) -> str:
    """A result beyond the range of its dtype."""
    held = [(n, float(np.max(np.abs(a[np.isfinite(a)])))) for n, a in f.args if a.size and np.isfinite(a).any()]
    name, size = max(held, key=lambda p: p[1], default=("x", 0.0))
    if f.operation in ("affine", "matmul", "layer_norm") and size > GROWN:
        return (
            f"overflow: {name} has grown to {size:.3g}. The learning rate is too large or gradients explode: lower it, "
            "clip gradients, or bring the inputs to a common scale"
        )
    if size > GROWN:
        return (
            f"overflow: the result is beyond {_largest(f)}, {name} being as large as {size:.3g}. Scale it first, or "
            "compute here in float64; if it grew in training, lower the learning rate or clip gradients"
        )
    return "look at the operands above: one of them is outside of where this operation is defined, or too large"


def _largest(f: Finding) -> str:
    return f"the largest {f.out.dtype} ({np.finfo(f.out.dtype).max:.3g})"


_INFINITE_OPERAND = (
    "an operand is infinite already. A mask of -inf is fine for softmax and max as long as it leaves an element; "
    "elsewhere use a large finite number"
)
_INDEFINITE = {
    "subtract": "inf - inf is NaN: subtract logarithms or scores that are finite; to normalise, use rg.log_softmax",
    "add": "inf + -inf is NaN: one of the two must stay finite",
    "multiply": "0 * inf is NaN: select with rg.where(mask, x, 0.0) instead of multiplying by a mask",
    "divide": "inf / inf is NaN: a softmax written by hand? Use rg.softmax, or subtract the largest element before exp",
    "softmax": "a row is -inf everywhere: the mask leaves it no element. Leave one, or drop the row",
    "logsumexp": "inf in a row: logsumexp of it has no finite value",
    "softmax_cross_entropy": "a row of the scores is not finite: the mask leaves it no class, or the scores overflowed",
    "matmul": "0 * inf or inf - inf inside of the product: an operand is infinite already",
}  # fmt: skip
_FORWARD: dict[str, Remedy] = {
    "log": _log, "log1p": _log1p, "sqrt": _sqrt, "rsqrt": _rsqrt, "divide": _divide, "exp": _exp, "expm1": _exp,
    "power": _power, "integer_power": _power, "mean": _mean, "convert": _convert,
}  # fmt: skip


def _of_derivative(f: Finding) -> str:
    known = _DERIVATIVE.get(f.operation)
    if any(f.element(g) == 0 for name, g in f.given if name != "its result"):
        return (
            "what came in is 0 there, and 0 times an infinite slope is NaN. If a where() behind it throws this element "
            "away, its derivative is taken all the same: use rg.piecewise, or give the operation a harmless argument "
            "where it is not wanted, rg.where(ok, f(rg.where(ok, x, 1.0)), other). Otherwise: "
            f"{known or 'see why the slope is infinite there'}"
        )
    if known is not None:
        return known
    if any(a.size and not np.isfinite(a).all() for _, a in f.args):
        return "an operand was not finite before: see where it came from, and replace it before it is used"
    return (
        "a derivative beyond what the dtype holds: scale the loss or the inputs, clip gradients, lower the learning "
        "rate, or compute in float64"
    )


_DERIVATIVE = {
    "sqrt": "sqrt has an infinite slope at 0: add a small number inside, rg.sqrt(x + 1e-12); for a norm "
    "rg.sqrt(rg.sum(x**2) + 1e-12)",
    "rsqrt": "rsqrt has an infinite slope near 0: add a small number inside, rg.rsqrt(x + 1e-6)",
    "power": "a power with a small or fractional exponent has an infinite derivative (first or later) at 0: add a "
    "small number to the base, rg.power(x + 1e-12, y)",
    "log": "the slope of log, 1 / x, is infinite near 0: rg.log(x + 1e-12), or rg.log(rg.clip(x, min=1e-12))",
    "log1p": "the slope of log1p, 1 / (1 + x), is infinite near -1: rg.log1p(rg.clip(x, min=-1 + 1e-7))",
    "divide": "the denominator is so small that the derivative overflows: add a small number to it",
}  # fmt: skip
