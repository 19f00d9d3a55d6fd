r"""The reverse sweep: the heart of the project.

A *tape* is a set of nodes, one for every operation that was recorded. A node knows the primitive that ran, the nodes
that its arguments came from (`parents`), and the values that the primitive's derivative needs (`args`, `out`): values,
never boxes, so that nodes form no reference cycles and a tape is dropped by dropping its last output.

For an output :math:`L` the sweep computes, for every node :math:`v` that reaches it, the *cotangent*
:math:`\bar v = \partial L / \partial v`. The chain rule says that

.. math:: \bar v = \sum_{c \,\in\, \text{consumers of } v} \Big(\frac{\partial c}{\partial v}\Big)^{\!T} \bar c ,

so a node may hand cotangents on to its parents only when all of its consumers have done so. Nodes are numbered in the
order in which they were made, and a consumer is always younger than what it consumes: the sweep therefore just takes
the youngest node that is waiting, again and again. No recursion, no separate ordering pass, nothing visited twice.

Linnainmaa (1970); Speelpenning (1980); Griewank and Walther, *Evaluating Derivatives* (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

from retrograd.errors import SpentTape

_younger = count(0, -1).__next__  # falls, so that the smallest number is the youngest node


class Node:
    """One recorded operation. `parents` is None once a sweep freed it; `line` is set only where lines are kept."""

    __slots__ = ("args", "line", "order", "out", "parents", "prim")
    line: Any

    def __init__(self, prim: Any, parents: Sequence[Any], args: Sequence[Any] | None, out: Any) -> None:
        self.order = _younger()
        self.prim = prim
        self.parents: Sequence[Any] | None = parents
        self.args = args
        self.out = out

    def free(self) -> None:
        """Let go of everything: this node has been swept."""
        self.parents = self.args = self.out = None


class Leaf(Node):
    """Where a sweep ends: an input that requires gradients. `target` is what the gradient is for."""

    __slots__ = ("target",)

    def __init__(self, target: Any) -> None:
        super().__init__(None, (), None, None)
        self.target = target

    def collect(self, cotangent: Any, leaves: dict[Leaf, Any]) -> Sequence[Any]:
        """Keep the cotangent; there is nobody to hand it on to."""
        leaves[self] = cotangent
        return ()


class Output(Node):
    """Output `index` of a node that has several: gathers the cotangents of all `size` outputs for it."""

    __slots__ = ("index", "size")

    def __init__(self, node: Node, index: int, size: int) -> None:
        super().__init__(None, (node,), None, None)
        self.index = index
        self.size = size

    def collect(self, cotangent: Any, leaves: dict[Leaf, Any]) -> Sequence[Any]:
        """The list of cotangents, one for each output, of which this knows one."""
        return ([cotangent if i == self.index else None for i in range(self.size)],)


Rule = Callable[[Node, Any], Sequence[Any]]
Observer = Callable[[Node, Any, Sequence[Any]], None]


def sweep(
    outputs: Sequence[Node],
    cotangents: Sequence[Any],
    *,
    rule: Rule,
    observe: Observer | None = None,
    keep: bool = False,
) -> dict[Leaf, Any]:
    """Carry `cotangents` from `outputs` back to the leaves.

    Args:
        outputs: nodes to start from (the same node may come twice: its cotangents add).
        cotangents: one for each, of its output's shape and dtype.
        rule: `rule(node, cotangent)` gives what the node hands to each parent, or None for nothing. Backpropagation is
            the rule "the transposed Jacobian times the cotangent"; other learning rules hand on something else.
        observe: called as `observe(node, cotangent, handed_on)` after each rule.
        keep: leave the tape whole for another sweep, instead of freeing each node once it is done.

    Returns:
        The cotangent of every leaf that was reached.

    Raises:
        SpentTape: if a node was freed by an earlier sweep.
    """
    waiting: dict[int, list[Any]] = {}  # order -> [node, sum of the cotangents that have arrived]
    youngest_first: list[int] = []
    leaves: dict[Leaf, Any] = {}
    arrivals = zip(outputs, cotangents, strict=True)

    while True:
        for parent, contribution in arrivals:
            if parent is None or contribution is None:  # type: ignore[redundant-expr] # parents of constants
                continue
            entry = waiting.get(parent.order)
            if entry is None:
                waiting[parent.order] = [parent, contribution]
                heappush(youngest_first, parent.order)
            else:
                entry[1] = add(entry[1], contribution)
        if not youngest_first:
            return leaves
        node, cotangent = waiting.pop(heappop(youngest_first))
        parents = node.parents
        if parents is None:
            raise spent()
        if node.prim is None:
            handed_on = node.collect(cotangent, leaves)
        else:
            handed_on = rule(node, cotangent)
            if observe is not None:
                observe(node, cotangent, handed_on)
            if not keep:
                node.free()
        arrivals = zip(parents, handed_on, strict=True)


def add(a: Any, b: Any) -> Any:
    """The sum of two cotangents; those of a node with several outputs are lists, with None for zero."""
    if type(a) is list:
        return [y if x is None else x if y is None else x + y for x, y in zip(a, b, strict=True)]
    return a + b


def spent() -> SpentTape:
    """The error for a second sweep."""
    return SpentTape(
        "this tape was already swept and freed. Call backward(retain_graph=True) the first time, "
        "or compute the value again."
    )
