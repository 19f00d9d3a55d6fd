"""Forward levels: dual numbers. A box is a primal and its tangent, both values of the level below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.core.box import Box, box
from retrograd.core.dispatch import Base, Interpreter, apply, current, interpreter, lowest
from retrograd.core.primitive import REGISTRY
from retrograd.core.reverse import Reverse, primal
from retrograd.core.sweep import sweep
from retrograd.errors import RetrogradError, SpentTape

if TYPE_CHECKING:
    from retrograd.core.cells import Cell
    from retrograd.core.primitive import Primitive

_vocabulary: list[Any] = []


def set_vocabulary(k: Any) -> None:
    """Install the kernel vocabulary over boxes (called once, by `retrograd.primitives`)."""
    _vocabulary.append(k)


class Forward(Interpreter):
    """What `jvp` pushes."""

    name = "jvp"

    def __init__(self, below: Interpreter) -> None:
        super().__init__(below)
        base = lowest(below)
        self.unfolds, self.push = base.unfolds, base.pushing(pushforward)

    def dual(self, value: Any, tangent: Any) -> Any:
        """A box of this level; without a tangent just the value."""
        return value if tangent is None else box(value, self, tangent, getattr(value, "weak", False))

    def split(self, value: Any) -> tuple[Any, Any]:
        """(primal, tangent or None)."""
        return (value.value, value.node) if isinstance(value, Box) and value.owner is self else (value, None)

    def process(self, prim: Primitive, args: Sequence[Any]) -> Any:
        assert self.below is not None
        if self.unfolds and prim.residuals is not None:
            found = lowest(self).unfolded(prim, args)
            if found is not None:
                return found
        pairs = [self.split(a) for a in args]
        values, tangents = [p for p, _ in pairs], [t for _, t in pairs]
        with interpreter(self.below):
            out = apply(prim, *values)
            if not prim.differentiable or all(t is None for t in tangents):
                return out
            tangent = self.push(prim, values, tangents, out)
        return self.joined(prim, out, tangent)

    def joined(self, prim: Primitive, out: Any, tangent: Any) -> Any:
        """The outputs of `prim` as boxes, where they have tangents."""
        if not prim.multi:
            return self.dual(out, tangent)
        if tangent is None:
            return out
        live = prim.differentiable_outputs
        return tuple(
            self.dual(o, t) if o.dtype.kind == "f" and (live is None or live[i]) else o
            for i, (o, t) in enumerate(zip(out, tangent, strict=True))
        )

    def lowered(self, cell: Cell, value: Any, only_if: Any) -> tuple[Any, Any]:
        return primal(self, cell, value), self.split(only_if)[0]


def pushforward(prim: Primitive, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
    """The rule of forward mode: the Jacobian of the operation times the tangents."""
    return prim.pushforward(_vocabulary[-1], args, tangents, out)


def zeros_for(value: Any) -> Any:
    """Zeros of the shape and dtype of `value`, without storage of their own."""
    return apply(REGISTRY["broadcast"].of(tuple(value.shape)), np.zeros((), value.dtype))


def reverse_of_reverse(prim: Primitive, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
    r"""The forward derivative of a primitive that declares its vjp.

    :math:`\bar y \mapsto J^T \bar y` is linear, and its own transpose is :math:`t \mapsto J t`: record the vjp as a
    function of :math:`\bar y` and sweep that record with the tangents.
    """
    level = Reverse(current(), f"jvp of {prim.name}")
    single = not prim.multi
    outs = (out,) if single else out
    cts = [level.leaf(zeros_for(o)) if o.dtype.kind == "f" else None for o in outs]
    with interpreter(level):
        kept = None if prim.residuals is not None else out
        pulled = prim.pullback(_vocabulary[-1], cts[0] if single else list(cts), args, kept, tangents)
    pairs = [
        (p.node, t)
        for p, t in zip(pulled, tangents, strict=True)
        if t is not None and isinstance(p, Box) and p.owner is level
    ]
    leaves = sweep([n for n, _ in pairs], [t for _, t in pairs], rule=backpropagate)
    tangents_out = tuple(None if c is None else leaves.get(c.node) for c in cts)
    return tangents_out[0] if single else tangents_out


def how_to_find(error: RetrogradError, base: Base) -> None:
    """Say with an error of a sweep how to get the line that it is about, where lines are not kept."""
    if not base.keeps_lines and not isinstance(error, SpentTape):
        error.add_note("This is about a derivative; to see the line it belongs to, run it inside: with rg.debug():")


def backpropagate(node: Any, cotangent: Any) -> Sequence[Any]:
    """The rule of backpropagation: the transposed Jacobian of the operation times the cotangent."""
    return node.prim.pullback(_vocabulary[-1], cotangent, node.args, node.out, node.parents)
