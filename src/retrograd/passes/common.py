"""Common subexpressions: equal equations are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var
from retrograd.passes.rewrite import Writer, rewritten


def join_common(graph: Graph) -> Graph:
    """An equation with the primitive and the operands of an earlier one is replaced by it.

    ::

        b = exp(a);  c = exp(a);  d = add(b, c)   ->   b = exp(a);  d = add(b, b)

    Drawing random bits is a function of the generator's state, so equal draws are joined too.
    """
    seen: dict[Any, Equation] = {}

    def join(w: Writer, e: Equation) -> Sequence[Operand] | None:
        operands: tuple[Any, ...] = tuple([o if type(o) is Var else literal_key(o) for o in e.operands])
        kind = type(e.prim)
        prim: Any = kind if kind.__init__ is object.__init__ else e.prim  # without parameters, all instances are equal
        swaps = len(operands) == 2 and e.prim.commutative
        first = seen.setdefault((prim, frozenset(operands) if swaps else operands), e)
        return None if first is e else first.outs

    return rewritten(graph, {}, join_common, default=join)


def literal_key(o: Operand) -> Any:
    """Equal for literals that are the same: type, and value to the bit."""
    assert isinstance(o, Literal)
    if o.type.weak:
        return type(o.value), o.value.hex() if type(o.value) is float else o.value
    return o.type.dtype.num, o.value.tobytes()
