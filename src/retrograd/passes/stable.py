"""Stable forms: the few compositions that lose digits, or overflow, where one function of ours does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from retrograd.core.primitive import REGISTRY
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var
from retrograd.graph.text import literal
from retrograd.passes.rewrite import Rule, Writer, rewritten
from retrograd.primitives.reduction import Logsumexp, Max, Sum

Found = Sequence[Operand] | None


def stabilise(graph: Graph) -> Graph:
    r"""Rewrite compositions whose parts nobody else reads; values agree up to rounding, overflow and underflow.

    ===================  ==================================  ========================================================
    before               after                               why
    ===================  ==================================  ========================================================
    log(softmax(x))      s - log(sum(exp(s))), s = x - max   a small probability rounds to 0, its logarithm to -inf
                                                             (Blanchard, Higham and Higham 2021, section 4)
    log(sum(exp(x)))     logsumexp(x)                        overflow from x = 89 in float32 (the same, section 1)
    log(sigmoid(x))      0 - softplus(-x)                    the case of two classes, (x, 0)
    log(1 + exp(x))      softplus(x)                         overflow, and exp(x) lost beside 1 (Maechler 2012)
    log(1 + x)           log1p(x)                            1 + x rounds (Goldberg 1991, theorem 4)
    exp(x) - 1           expm1(x)                            cancellation near 0 (Kahan 1987)
    ===================  ==================================  ========================================================

    Infinite and undefined arguments keep their results. log1p and expm1 keep the sign of a zero, which before was lost.
    """
    reads = Counter([o for e in graph.equations for o in e.operands if type(o) is Var])
    reads.update([o for o in graph.outputs if type(o) is Var])

    def only(w: Writer, o: Operand, name: str) -> Equation | None:
        """The equation that makes `o`, if nothing else reads that."""
        e = w.maker(o, name)
        return e if e is not None and reads[o] == 1 else None  # type: ignore[index]

    def log(w: Writer, e: Equation) -> Found:
        (x,) = e.operands
        if (inner := only(w, x, "softmax")) is not None:
            return _log_softmax(w, *inner.operands)
        if (inner := only(w, x, "sigmoid")) is not None:
            minus = w.write(NEGATIVE, *inner.operands)
            return (w.write(SUBTRACT, literal(0.0), w.write(SOFTPLUS, minus)),)
        if (inner := only(w, x, "sum")) is not None:
            total: Any = inner.prim
            exponential = only(w, inner.operands[0], "exp")
            if exponential is None or _is_shifted(w, exponential.operands[0]):
                return None
            return (w.write(Logsumexp.of(total.axes, total.keepdims), *exponential.operands),)
        if (inner := only(w, x, "add")) is not None and (rest := _beside_one(inner)) is not None:
            exponential = only(w, rest, "exp")
            return (w.write(LOG1P, rest) if exponential is None else w.write(SOFTPLUS, *exponential.operands),)
        return None

    def subtract(w: Writer, e: Equation) -> Found:
        x, y = e.operands
        exponential = only(w, x, "exp")
        return (w.write(EXPM1, *exponential.operands),) if exponential is not None and _is_one(y) else None

    rules: dict[str, Rule] = {"log": log, "subtract": subtract}
    return rewritten(graph, rules, stabilise)


def _is_shifted(w: Writer, x: Operand) -> bool:
    """Whether x is something less its maximum already (or less 0 where that is not finite)."""
    less = w.maker(x, "subtract")
    if less is None:
        return False
    chosen = w.maker(less.operands[1], "where")
    return any(w.maker(o, "max") is not None for o in (less.operands[1], *(chosen.operands if chosen else ())))


def _is_one(o: Operand) -> bool:
    return type(o) is Literal and o.value == 1 and o.dtype.kind != "b"


def _beside_one(e: Equation) -> Operand | None:
    """The x of 1 + x or x + 1."""
    x, y = e.operands
    return x if _is_one(y) else y if _is_one(x) else None


def _log_softmax(w: Writer, x: Operand) -> Found:
    """The steps of softmax itself, so that it is computed once if it is computed elsewhere too."""
    last = (len(x.shape) - 1,)
    less = w.write(SUBTRACT, x, w.write(Max.of(last, True), x))
    total = w.write(Sum.of(last, True), w.write(REGISTRY["exp"].of(), less))
    return (w.write(SUBTRACT, less, w.write(REGISTRY["log"].of(), total)),)


NEGATIVE, SUBTRACT, SOFTPLUS = (REGISTRY[n].of() for n in ("negative", "subtract", "softplus"))
LOG1P, EXPM1 = REGISTRY["log1p"].of(), REGISTRY["expm1"].of()
