"""The way back: one sweep over what was recorded, watched."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from retrograd.core.dispatch import QUIET, interpreter
from retrograd.core.forward import backpropagate
from retrograd.core.primitive import Primitive
from retrograd.core.sweep import Node, sweep
from retrograd.errors import RetrogradError
from retrograd.explain.borders import Port
from retrograd.explain.formulas import element_place, factor, formula, is_pointwise, local_in_names
from retrograd.explain.recorder import Recorder
from retrograd.explain.records import Contribution, Place, Step, Term, Value
from retrograd.primitives.control import CustomVJP, OfGraphs
from retrograd.primitives.vocabulary import BOXES

MANY = 100_000  # single terms of a step are taken only where its arrays are smaller


class Watcher:
    """Observes the sweep and completes the records."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.visits = count(1)

    def __call__(self, node: Node, cotangent: Any, handed_on: Sequence[Any]) -> None:
        if isinstance(node.prim, Port):
            self.port(node, cotangent)
        else:
            self.step(node, cotangent, handed_on)

    def step(self, node: Node, cotangent: Any, handed_on: Sequence[Any]) -> None:
        """An operation has handed on its contributions."""
        step = self.recorder.steps_of[node]
        step.visit = next(self.visits)
        step.upstream = list(cotangent) if node.prim.multi else [cotangent]
        for value, arrived in zip(step.outputs, step.upstream, strict=True):
            value.cotangent = arrived
        if isinstance(node.prim, CustomVJP):
            self.recorder.declared_derivative(step, node)
        assert node.parents is not None
        for i, (parent, array) in enumerate(zip(node.parents, handed_on, strict=True)):
            if parent is not None and array is not None:
                value = step.operands[i]
                value.received.append(Contribution(step, i, value, np.asarray(array)))
                step.contributions.append(value.received[-1])

    def port(self, node: Node, cotangent: Any) -> None:
        """A cotangent crosses the border of a block."""
        border = self.recorder.ports.get(node)
        if border is None:  # a pick, or a stack: what they hand on is seen again at another border
            return
        inner, step, argument = border
        whole = inner.cotangent = np.asarray(cotangent)
        outer = inner.same_as
        if outer is None or step is None:
            return
        step.visit = step.visit or next(self.visits)
        contribution = Contribution(step, argument, outer, whole, inside=None if argument < 0 else inner)
        outer.received.append(contribution)
        if argument < 0:
            step.upstream.append(whole)
        else:
            step.contributions.append(contribution)


def run_sweep(recorder: Recorder, outputs: Sequence[Any], seeds: Sequence[Any]) -> None:
    """Sweep back from boxes of the recorder and complete the records."""
    live = [(o.node, s) for o, s in zip(outputs, seeds, strict=True) if o.node is not None]
    with interpreter(QUIET), np.errstate(all="ignore"):
        found = sweep(
            [n for n, _ in live], [s for _, s in live], rule=backpropagate, observe=Watcher(recorder), keep=True
        )
    for leaf, cotangent in found.items():
        if leaf in recorder.leaves:
            recorder.leaves[leaf].cotangent = np.asarray(cotangent)


# Details of single steps ----------------------------------------------------------------------------------------------


def trace_elements(steps: Sequence[Step], values: Sequence[Value]) -> None:
    """Choose the element of each value whose numbers are followed.

    From a step's output it is the element of an argument that the traced element of the output owes most to.
    """
    makers = {id(v): step for step in steps for v in step.outputs}
    for step in sorted((s for s in steps if s.visit), key=lambda s: s.visit):
        for v in step.outputs:
            settle(v, _largest(v.array if v.cotangent is None else v.cotangent))
        for c in step.contributions:
            if c.inside is None and c.value.traced is None and c.array.size and step.outputs[0].array.size:
                settle(c.value, _origin(step, c, makers.get(id(c.value))))
    for v in values:
        settle(v, _largest(v.array))


def settle(v: Value | None, at: Place) -> None:
    """Trace this element of `v`, and of what it stands for, unless another one is traced already."""
    while v is not None and v.traced is None:
        v.traced = at
        v = v.same_as


def _largest(array: np.ndarray) -> Place:
    if not array.shape or not array.size:
        return ()
    sizes = np.nan_to_num(np.abs(np.asarray(array, np.float64)), nan=np.inf)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(sizes)), array.shape))


def _origin(step: Step, c: Contribution, maker: Step | None) -> Place:
    """The element of an argument; one that the step before hands on, rather than one where the chain ends."""
    out = step.outputs[0]
    assert step.prim is not None
    if is_pointwise(step.prim):
        return element_place(c.value.array.shape, out.traced or ())
    arrived = step.upstream[0]
    if step.prim.multi or isinstance(step.prim, OfGraphs) or arrived is None or out.array.size > MANY:
        return _largest(c.array)
    unit = np.zeros(out.array.shape)
    unit[out.traced or ()] = arrived[out.traced or ()]
    pulled = pullback(step.prim, [v.array for v in step.operands], out.array, unit)
    found = None if pulled is None else pulled[c.argument]
    if found is None or not np.any(found):
        return _largest(c.array)
    weights = np.asarray(found)
    for before in () if maker is None else maker.contributions:
        if before.array.shape == weights.shape and np.any(weights * before.array):
            weights = np.where(before.array != 0, weights, 0.0)
    return _largest(weights)


def pullback(prim: Primitive, args: Sequence[np.ndarray], out: Any, ct: Any) -> Sequence[Any] | None:
    """What a primitive hands to its floating arguments for a cotangent; None if it has no rule."""
    needs = [True if a.dtype.kind == "f" else None for a in args]
    kept, kept_out = (list(args), None) if isinstance(prim, OfGraphs) else prim.keep(list(args), out)
    try:
        with interpreter(QUIET), np.errstate(all="ignore"):
            return prim.pullback(BOXES, ct, kept, kept_out, needs)
    except RetrogradError:
        return None


def pushforward(prim: Primitive, args: Sequence[Any], out: Any, i: int, tangent: np.ndarray) -> Any:
    """What a primitive makes of a tangent of argument `i`; None if it has no rule, or for zero."""
    tangents = [tangent if j == i else None for j in range(len(args))]
    try:
        with interpreter(QUIET), np.errstate(all="ignore"):
            return prim.pushforward(BOXES, list(args), tangents, out)
    except RetrogradError:
        return None


def spell(step: Step) -> None:
    """The formula of a step, in names."""
    prim = step.prim
    if prim is None or step.title or not step.outputs:
        return
    names = [v.name for v in step.operands]
    label = getattr(prim, "label", "")
    step.formula = (
        f"{label}({', '.join(names)})"
        if label
        else formula(prim, names, step.operands[0].array.ndim if names else None)
    )


def complete(step: Step, name_of_derivative: Any) -> None:
    """Fill in the details of a step: the products that make it, and its local derivatives."""
    prim = step.prim
    if prim is None or step.title or not step.outputs:
        return
    args = [v.array for v in step.operands]
    out = step.outputs[0]
    if out.array.size and not is_pointwise(prim):
        step.terms = products(prim, args, out.array, out.traced or ())
    for c in step.contributions:
        names = [v.name for v in step.operands]
        c.local = local_in_names(prim, c.argument, names, out.name, name_of_derivative(out))
        if is_pointwise(prim):
            c.factor = factor(prim, c.argument, args, out.array)
        c.terms = _terms(prim, c, args, out, step.upstream)


def _terms(prim: Primitive, c: Contribution, args: list[Any], out: Value, upstream: Sequence[Any]) -> list[Term] | None:
    """How the traced element of the receiver reaches each element of the output: upstream and local derivative."""
    sizes = (out.array.size, c.value.array.size)
    if prim.multi or max(sizes) > MANY or not min(sizes) or upstream[0] is None:
        return None
    if c.factor is not None and c.value.array.shape == out.array.shape:
        at = c.value.traced or ()
        return [Term(at, float(upstream[0][at]), float(c.factor[at]))]
    column = tangent_of(prim, args, out.array, c.argument, c.value.traced or ())
    if column is None:
        return None
    places = np.argwhere(column != 0) if column.shape else np.zeros((1 if column else 0, 0), int)
    return [
        Term(at, float(upstream[0][at]), float(column[at])) for at in (tuple(int(i) for i in row) for row in places)
    ]


def tangent_of(prim: Primitive, args: Sequence[Any], out: Any, i: int, at: Place) -> np.ndarray | None:
    """The derivative of every element of the output with respect to one element of argument `i`."""
    if isinstance(prim, OfGraphs):
        return None
    unit = np.zeros(args[i].shape)
    unit[at] = 1.0
    found = pushforward(prim, args, out, i, unit)
    return None if found is None else np.asarray(found)


def products(
    prim: Primitive, args: Sequence[np.ndarray], out: np.ndarray, at: Place
) -> list[tuple[float, float]] | None:
    """The products that add up to element `at` of the output, where the operation is linear in one of its arguments.

    The coefficients are what the derivative says they are; the list is given only if it adds up.
    """
    if prim.multi or isinstance(prim, OfGraphs) or max([out.size, *[a.size for a in args]]) > MANY:
        return None
    if out.dtype.kind != "f":
        return None
    unit = np.zeros(out.shape)
    unit[at] = 1.0
    floats = [i for i, a in enumerate(args) if a.dtype.kind == "f"]
    pulled = pullback(prim, args, out, unit)
    if pulled is None:
        return None
    target = float(out[at])
    for chosen in [[i] for i in reversed(floats)] + [floats[1:], floats]:
        if any(pulled[i] is None for i in chosen) or not chosen:
            continue
        found = []
        for i in chosen:
            weights = np.asarray(pulled[i])
            found += [
                (float(w), float(x)) for w, x in zip(weights.reshape(-1), args[i].reshape(-1), strict=True) if w != 0
            ]
        if found and abs(sum(w * x for w, x in found) - target) <= 1e-12 * max(1.0, sum(abs(w * x) for w, x in found)):
            return found
    return None
