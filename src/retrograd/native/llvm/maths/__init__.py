"""Vector mathematics: functions written as LLVM IR, without calls of a library.

Each is ``emit(f, t, target, *xs) -> value`` for values of type `t`, float or double with any number of lanes. The code
is the same for every width; where the CPU has no fused multiply-add, products and sums take its place. The errors are
in docs/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Callable

from retrograd.native.llvm.maths import (
    division,
    error_function,
    exponential,
    extrema,
    hyperbolic,
    logarithm,
    power,
    trigonometric,
)

FUNCTIONS: dict[str, Callable[..., str]] = {
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "log": logarithm.log,
    "log2": logarithm.log2,
    "log1p": logarithm.log1p,
    "softplus": logarithm.softplus,
    "sin": trigonometric.sin,
    "cos": trigonometric.cos,
    "tan": trigonometric.tan,
    "atan": trigonometric.atan,
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "tanh": hyperbolic.tanh,
    "sigmoid": hyperbolic.sigmoid,
    "erf": error_function.erf,
    "power": power.power,
    "sqrt": power.sqrt,
    "rsqrt": power.rsqrt,
    "fmod": division.fmod,
    "remainder": division.remainder,
    "floor_divide": division.floor_divide,
    "maximum": extrema.maximum,
    "minimum": extrema.minimum,
}
BINARY = ("power", "fmod", "remainder", "floor_divide", "maximum", "minimum")  # the others take one argument

# The most that a result may be off, in units in the last place, for both types and at every CPU level.
BOUND: dict[str, float] = dict.fromkeys(FUNCTIONS, 2.0) | {
    "exp": 1.1, "exp2": 1.5, "log": 1.0, "sin": 1.0, "cos": 1.0, "tan": 1.2, "erf": 1.5, "power": 1.5,
    "sqrt": 0.5, "rsqrt": 1.5, "fmod": 0.0, "remainder": 0.51, "floor_divide": 2.0, "maximum": 0.0, "minimum": 0.0,
}  # fmt: skip
