"""Dead code: equations, and parts of loops and arms, that no output depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from retrograd.graph.ir import Equation, Graph, Operand, Var, subgraphs
from retrograd.passes.rewrite import replaced, within
from retrograd.primitives.control import OfGraphs
from retrograd.primitives.derive import remembered


def drop_dead(graph: Graph) -> Graph:
    """Only what the outputs depend on stays; inputs and outputs do.

    Of a loop or a `cond` go the outputs that nobody reads, the inputs that nothing needs any more, and the carried
    values that serve only themselves. What can raise (an index out of range) stays: it raises in every engine.
    """
    live = {o for o in graph.outputs if type(o) is Var}
    kept: list[Equation] = []
    for e in reversed(graph.equations):
        used = any(v in live for v in e.outs)
        if not used and not can_raise(e):
            continue
        if isinstance(e.prim, OfGraphs):
            trim = TRIMS.get(e.prim.name)
            if trim is not None and used:
                e = trim(e, [v in live for v in e.outs])
            e = within(e, drop_dead)
        kept.append(e)
        for o in e.operands:
            if type(o) is Var:
                live.add(o)
    return replaced(graph, kept[::-1], graph.outputs)


def can_raise(e: Equation) -> bool:
    """Whether an equation looks at values that may be out of range."""
    return e.prim.raises or any(remembered(g, "can_raise", partial(_any_raises, g))[0] for g in subgraphs(e.prim))


def _any_raises(graph: Graph) -> tuple[bool]:
    return (any(map(can_raise, graph.equations)),)


def needed(graph: Graph, roots: Iterable[Operand], follow: Mapping[Var, Operand] | None = None) -> set[Var]:
    """The variables that `roots` and what can raise depend on; `follow` has a further root for an input among them."""
    makers = {v: e for e in graph.equations for v in e.outs}
    found: set[Var] = set()
    waiting = [*roots, *[v for e in graph.equations if can_raise(e) for v in e.outs]]
    while waiting:
        o = waiting.pop()
        if type(o) is not Var or o in found:
            continue
        found.add(o)
        e = makers.get(o)
        if e is not None:
            waiting += e.operands
        elif follow and o in follow:
            waiting.append(follow[o])
    return found


def reduced(graph: Graph, inputs: Sequence[bool], outputs: Sequence[bool]) -> Graph:
    """The graph with only the flagged inputs and outputs, and what those outputs depend on."""
    if all(inputs) and all(outputs):
        return graph
    key = ("reduced", tuple(inputs), tuple(outputs))
    found = graph.derived.get(key)
    if found is None:
        outs = _flagged(graph.outputs, outputs)
        wanted = needed(graph, outs)
        equations = tuple(e for e in graph.equations if any(v in wanted for v in e.outs))
        found = graph.derived[key] = Graph(tuple(_flagged(graph.inputs, inputs)), equations, tuple(outs))
    return found


def _flagged(items: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    return [x for x, flag in zip(items, flags, strict=True) if flag]


def _trimmed(e: Equation, prim: Any, operands: Sequence[bool], outs: Sequence[bool]) -> Equation:
    if all(operands) and all(outs):
        return e
    return Equation(prim, tuple(_flagged(e.operands, operands)), tuple(_flagged(e.outs, outs)), e.line)


def _scan(e: Equation, live: list[bool]) -> Equation:
    prim: Any = e.prim
    body, k, n = prim.body, prim.n_consts, prim.n_carry
    carry = body.inputs[k : k + n]
    after = dict(zip(carry, body.outputs, strict=False))
    used = needed(body, _flagged(body.outputs, live), after)
    carried = [a or v in used for a, v in zip(live, carry, strict=False)]
    read = [v in used for v in body.inputs]
    inputs, outs = [*read[:k], *carried, *read[k + n :]], [*carried, *live[n:]]
    small = replace(prim, body=reduced(body, inputs, outs), n_consts=sum(read[:k]), n_carry=sum(carried))
    return _trimmed(e, small, inputs, outs)


def _while(e: Equation, live: list[bool]) -> Equation:
    prim: Any = e.prim
    test, body, a, b = prim.condition, prim.body, prim.n_condition, prim.n_body
    tested = needed(test, test.outputs)
    read = [v in tested for v in test.inputs]
    roots = [x or y for x, y in zip(live, read[a:], strict=True)]
    after = dict(zip(body.inputs[b:], body.outputs, strict=True))
    used = needed(body, _flagged(body.outputs, roots), after)
    carried = [x or v in used for x, v in zip(roots, body.inputs[b:], strict=True)]
    consts = [v in used for v in body.inputs[:b]]
    small = replace(
        prim,
        condition=reduced(test, [*read[:a], *carried], [True]),
        body=reduced(body, [*consts, *carried], carried),
        n_condition=sum(read[:a]),
        n_body=sum(consts),
    )
    return _trimmed(e, small, [*read[:a], *consts, *carried], carried)


def _cond(e: Equation, live: list[bool]) -> Equation:
    prim: Any = e.prim
    arms = [prim.true, prim.false]
    used = [needed(g, _flagged(g.outputs, live)) for g in arms]
    read = [any(g.inputs[i] in u for g, u in zip(arms, used, strict=True)) for i in range(len(e.operands) - 1)]
    small = replace(prim, true=reduced(arms[0], read, live), false=reduced(arms[1], read, live))
    return _trimmed(e, small, [True, *read], live)


def _call(e: Equation, live: list[bool]) -> Equation:
    prim: Any = e.prim
    used = needed(prim.graph, _flagged(prim.graph.outputs, live))
    read = [v in used for v in prim.graph.inputs]
    flags = None if prim.live is None else tuple(_flagged(prim.live, live))
    return _trimmed(e, replace(prim, graph=reduced(prim.graph, read, live), live=flags), read, live)


TRIMS = {"scan": _scan, "while": _while, "cond": _cond, "call": _call}
