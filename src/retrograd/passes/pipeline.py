"""The passes in order, with the verifier between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retrograd.graph.ir import Equation, Graph, Var
from retrograd.graph.verify import verify
from retrograd.passes.borders import narrow_borders
from retrograd.passes.canonicalise import canonicalise
from retrograd.passes.common import join_common
from retrograd.passes.dead import drop_dead
from retrograd.passes.fold import fold
from retrograd.passes.hoist import hoist
from retrograd.passes.inline import inline_calls
from retrograd.passes.rewrite import Pass
from retrograd.passes.stable import stabilise

PASSES: tuple[Pass, ...] = (inline_calls, canonicalise, join_common, stabilise, fold, hoist, narrow_borders, drop_dead)
ROUNDS = 2


def optimise(
    graph: Graph,
    observe: Callable[[str, Graph], None] | None = None,
    *,
    keep: Sequence[Var] = (),
    passes: Sequence[Pass] = PASSES,
) -> Graph:
    """`graph` with less to compute: the passes in order, and again if they changed anything.

    Args:
        graph: a verified one, as traces are.
        observe: is told of the graph after each pass that changed it.
        keep: further variables of `graph` whose values are wanted; they come after its outputs.
        passes: other passes, or fewer.
    """
    checked = {id(e): e for e in graph.equations}
    here = Graph(graph.inputs, graph.equations, (*graph.outputs, *keep)) if keep else graph
    for _ in range(ROUNDS):
        start = here
        for apply in passes:
            after = apply(here)
            if after is not here:
                here = verify_changed(after, checked)
                if observe is not None:
                    observe(apply.__name__, here)
        if here is start:
            break
    return here


def verify_changed(graph: Graph, checked: dict[int, Equation]) -> Graph:
    """`verify`, but the types of equations that are in `checked`, by identity, are not looked at again.

    Inferring the types is nearly all of what verifying costs, and a pass leaves most equations as they are.
    """
    known = set(graph.inputs)
    for e in graph.equations:
        for o in e.operands:
            if type(o) is Var and o not in known:
                return verify(graph)  # which says what is wrong
        if id(e) not in checked:
            verify(Graph(tuple({o for o in e.operands if type(o) is Var}), (e,), ()))
            checked[id(e)] = e
        if not known.isdisjoint(e.outs):
            return verify(graph)
        known.update(e.outs)
    if any(type(o) is Var and o not in known for o in graph.outputs):
        return verify(graph)
    return graph
