"""Whether a graph is linear in some of its inputs, as far as its equations show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.graph.ir import Graph, Literal, subgraphs

ZERO, FREE, LINEAR, AFFINE, CUT = "zero", "free", "linear", "affine", "cut"
"""Zero; independent of the inputs, and perhaps not zero; vanishes with them; does not; made of them by what jumps."""

ADDS = {"add": 0, "subtract": 0, "where": 1, "concatenate": 0}  # name -> the first of the arguments that are added
KEEPS_ZERO = frozenset((
    "add", "subtract", "negative", "multiply", "convert", "broadcast", "reshape", "transpose", "slice", "sum", "mean",
    "stop_gradient", "matmul", "pad", "concatenate", "where",
))  # fmt: skip


def roles(graph: Graph, given: Sequence[str]) -> list[str]:
    """The role of each output, from those of the inputs (`FREE` or `LINEAR`).

    A value made of `LINEAR` ones counts as linear wherever it is not plain that something else is added: whether its
    derivative depends on them has to be asked of that derivative.
    """
    found: dict[Any, str] = dict(zip(graph.inputs, given, strict=True))

    def look_up(o: Any) -> str:
        if isinstance(o, Literal):
            return FREE if np.any(o.value) else ZERO
        return found[o]

    for e in graph.equations:
        own = [look_up(o) for o in e.operands]
        graphs = subgraphs(e.prim)
        outs = _through_graphs(e.prim, own) if graphs else [_through(e.prim, own)] * len(e.outs)
        found.update(zip(e.outs, outs, strict=True))
    return [look_up(o) for o in graph.outputs]


def depends(role: str) -> bool:
    """Whether a value of this role depends on the inputs in question."""
    return role in (LINEAR, AFFINE, CUT)


def _through(prim: Any, own: list[str]) -> str:
    if prim.name == "multiply" and ZERO in own:
        return ZERO
    if not any(map(depends, own)):
        added = own[ADDS.get(prim.name, 0) :]
        return ZERO if own and prim.name in KEEPS_ZERO and all(r == ZERO for r in added) else FREE
    if CUT in own or _jumps(prim):
        return CUT
    start = ADDS.get(prim.name)
    return AFFINE if AFFINE in own or (start is not None and FREE in own[start:]) else LINEAR


def _jumps(prim: Any) -> bool:
    """Whether `prim` has no derivative but zero; what the user declares a constant is one."""
    return getattr(prim, "piecewise_constant", False) or not (prim.differentiable or prim.name == "stop_gradient")


def _joined(one: str, other: str) -> str:
    """The role of what may be either."""
    both = {one, other}
    if len(both) == 1:
        return one
    if ZERO in both:
        return (both - {ZERO}).pop()
    return CUT if CUT in both else AFFINE


def _through_graphs(prim: Any, own: list[str]) -> list[str]:
    if prim.name == "cond":
        arms = [roles(g, own[1:]) for g in (prim.true, prim.false)]
        chosen = [_joined(a, b) for a, b in zip(*arms, strict=True)]
        return [LINEAR] * len(chosen) if depends(own[0]) else chosen
    if prim.name == "scan":
        k, c = prim.n_consts, prim.n_consts + prim.n_carry
        carry = _settled(lambda carry: roles(prim.body, [*own[:k], *carry, *own[c:]]), own[k:c])
        return _plain(roles(prim.body, [*own[:k], *carry, *own[c:]]), carry)
    if prim.name == "while":
        a, b = prim.n_condition, prim.n_condition + prim.n_body
        carry = _settled(lambda carry: roles(prim.body, [*own[a:b], *carry]), own[b:])
        tested = roles(prim.condition, [*own[:a], *carry])
        return [LINEAR] * len(carry) if any(map(depends, tested)) else _plain(carry, carry)
    if prim.name == "fixed_point":
        given = own[: prim.n_consts]
        carry = _settled(lambda carry: roles(prim.body, [*given, *carry]), [FREE] * len(prim.body.outputs))
        return _plain(carry, carry)
    return roles(subgraphs(prim)[0], own)  # what is called, or the primal of a declared derivative


def _settled(step: Any, carry: list[str]) -> list[str]:
    """What a loop carries once another iteration adds no dependence."""
    while True:
        after = step(carry)[: len(carry)]
        joined = [c if depends(c) or not depends(a) else LINEAR for c, a in zip(carry, after, strict=True)]
        if joined == carry:
            return carry
        carry = joined


def _plain(outs: list[str], carry: list[str]) -> list[str]:
    """What leaves a loop: whether it depends is known, whether something is added on the way is not."""
    merged = [LINEAR if depends(o) or depends(c) else FREE for o, c in zip(outs, carry, strict=False)]
    return [*merged, *[LINEAR if depends(o) else FREE for o in outs[len(carry) :]]]
