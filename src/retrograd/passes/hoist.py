"""Hoisting: what is the same in every iteration is computed before the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retrograd.graph.ir import Equation, Graph, Operand, Var
from retrograd.passes.rewrite import Writer, rewritten

POWERS = frozenset(("power", "integer_power"))  # of integers, a negative one is refused

Constants = list[tuple[Var, Operand]]  # what the body calls a value, and what it is outside


def hoist(graph: Graph) -> Graph:
    """Equations of a loop's body that read only its constants move out; a value carried unchanged becomes a constant.

    ::

        scan[body=graph(k, c, x) { d = exp(k);  e = multiply(c, d);  return e }, ...](a, ...)
        ->  b = exp(a);  scan[body=graph(d, c, x) { e = multiply(c, d);  return e }, ...](b, ...)

    What could raise stays, but for the check of labels before a loop that runs at least once. So does what is larger
    than what it is made of: a stretched number is cheaper to make again than to read.
    """
    return rewritten(graph, {"scan": _scan, "while": _while}, hoist)


def _movable(e: Equation, runs: bool) -> bool:
    """Whether it may be computed before a loop; `runs` says that the loop has an iteration, so that it may raise."""
    refuses = e.prim.raises or (e.prim.name in POWERS and e.outs[0].dtype.kind != "f")
    fine = not refuses or (runs and e.prim.name == "check_labels")
    return fine and e.outs[0].type.size <= max([o.type.size for o in e.operands], default=0)


def _lift(w: Writer, graph: Graph, constants: Constants, runs: bool) -> tuple[list[Equation], Constants]:
    """The equations that stay, and what those that left are to those that stay."""
    outside = {v: o for v, o in constants if v.type == o.type}
    stay: list[Equation] = []
    moved: Constants = []
    for e in graph.equations:
        inner = [o for o in e.operands if type(o) is Var]
        if inner and all(o in outside for o in inner) and not e.prim.multi and _movable(e, runs):
            found = w.write(e.prim, *[outside[o] if type(o) is Var else o for o in e.operands])
            if found.type == e.outs[0].type:
                outside[e.outs[0]] = found
                moved.append((e.outs[0], found))
                continue
        stay.append(e)
    read = {o for e in stay for o in e.operands if type(o) is Var} | {o for o in graph.outputs if type(o) is Var}
    return stay, [(v, o) for v, o in moved if v in read]


def _unchanged(e: Equation, before: Sequence[Operand], carry: Sequence[Var], after: Sequence[Operand]) -> list[bool]:
    """Which carried values leave an iteration as they enter it."""
    outs = e.outs[: len(carry)]
    return [a is v and o.type == v.type == out.type for a, v, o, out in zip(after, carry, before, outs, strict=True)]


def _split(items: Sequence[Any], flags: Sequence[bool]) -> tuple[list[Any], list[Any]]:
    """Those that are flagged, and the others."""
    pairs = list(zip(items, flags, strict=True))
    return [x for x, f in pairs if f], [x for x, f in pairs if not f]


def _scan(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    body, k = prim.body, prim.n_consts
    n = k + prim.n_carry
    carry, entry = body.inputs[k:n], e.operands[k:n]
    same = _unchanged(e, entry, carry, body.outputs[: n - k])
    constants: Constants = list(zip(body.inputs[:k], e.operands[:k], strict=True))
    constants += _split(list(zip(carry, entry, strict=True)), same)[0]
    stay, moved = _lift(w, body, constants, runs=True) if prim.length else (body.equations, [])
    if len(stay) == len(body.equations) and not any(same):
        return None
    (fixed, outs), after = _split(e.outs[: n - k], same), _split(body.outputs[: n - k], same)[1]
    constants += moved
    inputs = (*[v for v, _ in constants], *_split(carry, same)[1], *body.inputs[n:])
    small = replace(
        prim,
        body=Graph(inputs, tuple(stay), (*after, *body.outputs[n - k :])),
        n_consts=len(constants),
        n_carry=len(outs),
    )
    operands = (*[o for _, o in constants], *_split(entry, same)[1], *e.operands[n:])
    w.append(Equation(small, operands, (*outs, *e.outs[n - k :]), e.line))
    return _renamed(e, fixed, _split(entry, same)[0])


def _while(w: Writer, e: Equation) -> Sequence[Operand] | None:
    prim: Any = e.prim
    test, body, a, b = prim.condition, prim.body, prim.n_condition, prim.n_body
    entry = e.operands[a + b :]
    same = _unchanged(e, entry, body.inputs[b:], body.outputs)
    parts: list[tuple[Graph, Constants]] = []
    changed = any(same)
    for graph, n, operands in ((test, a, e.operands[:a]), (body, b, e.operands[a : a + b])):
        constants: Constants = list(zip(graph.inputs[:n], operands, strict=True))
        constants += _split(list(zip(graph.inputs[n:], entry, strict=True)), same)[0]
        stay, moved = _lift(w, graph, constants, runs=graph is test)
        changed = changed or len(stay) != len(graph.equations)
        constants += moved
        inputs = (*[v for v, _ in constants], *_split(graph.inputs[n:], same)[1])
        outputs = graph.outputs if graph is test else tuple(_split(graph.outputs, same)[1])
        parts.append((Graph(inputs, tuple(stay), outputs), constants))
    if not changed:
        return None
    (condition, first), (after, second) = parts
    fixed, outs = _split(e.outs, same)
    small = replace(prim, condition=condition, body=after, n_condition=len(first), n_body=len(second))
    operands = (*[o for _, o in (*first, *second)], *_split(entry, same)[1])
    w.append(Equation(small, operands, tuple(outs), e.line))
    return _renamed(e, fixed, _split(entry, same)[0])


def _renamed(e: Equation, fixed: Sequence[Var], entry: Sequence[Operand]) -> Sequence[Operand]:
    """What stands for the outputs of a loop: for a value carried unchanged, what it entered as."""
    stands: dict[Var, Operand] = dict(zip(fixed, entry, strict=True))
    return [stands.get(v, v) for v in e.outs]
