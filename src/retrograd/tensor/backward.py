"""`.backward()`: the sweep from a recorded value to the `.grad` of the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell, commit
from retrograd.core.dispatch import Base, Evaluate, Interpreter, current, escaped, lowest
from retrograd.core.forward import backpropagate, how_to_find
from retrograd.core.sweep import Node, sweep
from retrograd.core.types import ArrayType, Outline
from retrograd.errors import BorderCrossed, DifferentiationError, RetrogradError, ShapeError
from retrograd.graph.stage import Argument, Stage, refuse_sweep
from retrograd.ops.inputs import array_of, converted
from retrograd.ops.shaping import ones_like
from retrograd.primitives.vocabulary import NUMPY


def at_once(node: Node, cotangent: Any) -> Sequence[Any]:
    """Backpropagation on bare arrays: rules say what they mean to NumPy directly."""
    return node.prim.pullback(NUMPY, cotangent, node.args, node.out, node.parents)


def followed(base: Base) -> Any:
    """Backpropagation on boxes with their tape nodes, so that the sweep is recorded too."""

    def rule(node: Node, cotangent: Any) -> Sequence[Any]:
        assert node.args is not None and node.parents is not None
        args = [
            a if p is None or a is None or isinstance(a, Outline) else base.follow(a, p)
            for a, p in zip(node.args, node.parents, strict=True)
        ]
        out = node.out
        if node.prim.residuals is not None and out is not None:
            out = None  # residuals depend on the inputs: have them computed again, recorded
        elif out is not None and not node.prim.multi:
            out = base.follow(out, node)
        return backpropagate(_View(node.prim, args, out, node.parents), cotangent)

    return rule


class _View:
    """A node as the rule sees it."""

    def __init__(self, prim: Any, args: Any, out: Any, parents: Any) -> None:
        self.prim, self.args, self.out, self.parents = prim, args, out, parents


def backward(y: Box, gradient: Any, create_graph: bool, retain_graph: bool) -> None:
    """See `Tensor.backward`."""
    active = current()
    base = lowest(active)
    _check(y, active, base)
    seed = _seed(y, gradient, base, create_graph)
    rule = followed(base) if create_graph else at_once if isinstance(base, Evaluate) else backpropagate
    try:
        leaves = sweep([y.node], [seed], rule=base.sweeping(rule, [y]), keep=retain_graph)
    except RetrogradError as error:
        how_to_find(error, base)
        raise
    for leaf in leaves:
        if isinstance(leaf.target, Argument):
            raise BorderCrossed(
                f"backward() reached {leaf.target.what} of {base.describe()}, which a sweep inside cannot cross. Use "
                "rg.grad or rg.value_and_grad with respect to it, or call backward() outside, on the result."
            )
    gradients: dict[Cell, Any] = {}
    for leaf, ct in leaves.items():  # a cell that was assigned in between has a leaf for each of its values
        gradients[leaf.target] = gradients[leaf.target] + ct if leaf.target in gradients else ct
    _accumulate(base, gradients)


def _check(y: Box, active: Interpreter, base: Base) -> None:
    refuse_sweep(active, "backward()")
    if y.owner is not base.token:
        raise escaped(y)
    if y.node is None:
        raise DifferentiationError(
            "backward() on a value that depends on nothing that requires gradients: make the inputs with "
            "requires_grad=True, and check that it was not computed under no_grad() or by a jitted function that "
            "already swept it"
        )


def _seed(y: Box, gradient: Any, base: Base, create_graph: bool) -> Any:
    if gradient is None:
        if y.shape:
            raise ShapeError(
                f"backward() from shape {tuple(y.shape)} needs gradient= of that shape; for a loss, reduce it first"
            )
        return np.ones((), y.dtype) if isinstance(base, Evaluate) else base.strip(ones_like(y))
    seed = converted(array_of(gradient), y.dtype)
    if tuple(seed.shape) != tuple(y.shape):
        raise ShapeError(f"gradient has shape {tuple(seed.shape)}, the value {tuple(y.shape)}")
    if isinstance(seed, Box) and not create_graph:
        seed = base.strip(seed if seed.owner is base.token else base.foreign(seed))
    return seed


def _accumulate(base: Base, gradients: dict[Cell, Any]) -> None:
    """Add to every `.grad`, all at once."""
    cells = [c.grad_cell for c in gradients]
    if isinstance(base, Evaluate):
        _accumulate_now(cells, list(gradients.values()))
        return
    if isinstance(base, Stage):
        for cell, ct in zip(cells, gradients.values(), strict=True):
            base.accumulate_into(cell, ArrayType(tuple(ct.shape), ct.dtype))
    olds = [base.read(c) for c in cells]
    sums = [ct if old is None else old + ct for old, ct in zip(olds, gradients.values(), strict=True)]
    for cell, value in zip(cells, sums, strict=True):
        base.assign(cell, value)
        if isinstance(base, Stage):
            base.cells[cell].seen = value  # with its tape, if it has one (`create_graph`)


def _accumulate_now(cells: list[Cell], gradients: list[Any]) -> None:
    """At the base: one commit. Boxes are gradients that can be differentiated themselves (`create_graph`)."""
    boxes: list[tuple[Cell, Box]] = []
    arrays: list[np.ndarray | None] = []
    for cell, ct in zip(cells, gradients, strict=True):
        total = ct
        if isinstance(ct, Box) or cell.holds_recorded:
            old = cell.lend(True)
            total = ct if old is None else old + ct
            if total.node is not None:
                boxes.append((cell, total))
            total = total.value
        elif cell.array is not None:
            total = cell.array + ct
        arrays.append(total if type(total) is np.ndarray else np.asarray(total))
    commit(cells, arrays, lent=True)
    for cell, boxed in boxes:
        cell.hold_recorded(boxed)
