"""`record`: the tape of a program, in the hands of whoever wants to sweep it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.dispatch import EVALUATE, current
from retrograd.core.sweep import Leaf, Node, Observer, Rule, sweep
from retrograd.errors import DifferentiationError, RetrogradError, ShapeError
from retrograd.tensor.backward import at_once
from retrograd.tensor.tensor import tensor
from retrograd.transforms.arguments import name_of


class Recording:
    """What a function did with its arguments.

    Attributes:
        value: the result, an ndarray.
        output: the node that made it; None if the result depends on no argument.
        inputs: the leaf of each argument.
    """

    def __init__(self, name: str, value: np.ndarray, output: Node | None, inputs: Sequence[Leaf]) -> None:
        self.name, self.value, self.output, self.inputs = name, value, output, tuple(inputs)

    def nodes(self) -> list[Node]:
        """Every node that the output depends on, the oldest first: each stands behind all that it consumes."""
        if self.output is None:
            return []
        found, waiting = {self.output}, [self.output]
        while waiting:
            for parent in waiting.pop().parents or ():
                if parent is not None and parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return sorted(found, key=lambda node: -node.order)

    def leaf(self, argument: int) -> Leaf:
        """The leaf of one argument.

        Raises:
            RetrogradError: if there is no such argument.
        """
        n = len(self.inputs)
        if not -n <= argument < n:
            raise RetrogradError(f"{self.name} was recorded with {n} arguments, 0 to {n - 1}; argument={argument}")
        return self.inputs[argument]

    def backward(
        self, cotangent: Any = None, *, rule: Rule = at_once, observe: Observer | None = None
    ) -> list[np.ndarray | None]:
        """Sweep, and leave the tape whole for another sweep.

        Args:
            cotangent: of the output, of its shape; by default 1.
            rule: ``rule(node, cotangent)`` gives what the node hands to each parent; by default backpropagation.
            observe: called as ``observe(node, cotangent, handed_on)`` after each rule.

        Returns:
            What arrived at each input, None where nothing did.

        Raises:
            ShapeError: for a cotangent of another shape, or none where the output is no scalar.
        """
        if self.output is None:
            return [None] * len(self.inputs)
        if cotangent is None and self.value.shape:
            raise ShapeError(f"the result of {self.name} has shape {self.value.shape}: give a cotangent of that shape")
        seed = np.asarray(1.0 if cotangent is None else cotangent, self.value.dtype)
        if seed.shape != self.value.shape:
            raise ShapeError(f"a cotangent of shape {seed.shape} for a result of shape {self.value.shape}")
        arrived = sweep([self.output], [seed], rule=rule, observe=observe, keep=True)
        return [arrived.get(leaf) for leaf in self.inputs]


def partials(node: Node) -> list[tuple[Node, float]]:
    """The derivative of a scalar operation with respect to each argument that was followed, as (argument, number).

    An argument that comes twice is there twice. These are the factors of the connections in a computational graph.

    Raises:
        ShapeError: if the operation is not one of single numbers.
    """
    if node.prim is None:
        return []
    handed_on = at_once(node, np.ones(()))
    pairs = [(p, c) for p, c in zip(node.parents or (), handed_on, strict=True) if p is not None and c is not None]
    for _, c in pairs:
        if np.shape(c):
            raise ShapeError(
                f"{node.prim.name} here works on arrays of shape {np.shape(c)}; connections have single numbers as "
                "derivatives: write the program with scalars"
            )
    return [(p, float(c)) for p, c in pairs]


def record(f: Callable[..., Any], *args: Any) -> Recording:
    """Run `f` once, in float64, and keep its tape.

    Args:
        f: a function of arrays with one array as its result.
        args: its arguments, numbers or arrays; all are followed.

    Raises:
        RetrogradError: inside a transform, or if the result is no array.

    >>> tape = record(lambda a, b: a * b + b, 3.0, 2.0)
    >>> [float(gradient) for gradient in tape.backward()]
    [2.0, 4.0]
    """
    if current() is not EVALUATE:
        raise RetrogradError(f"record inside {current().describe()}: call it outside, on plain numbers")
    leaves = [tensor(a, dtype="float64", requires_grad=True) for a in args]
    out = f(*leaves)
    if not isinstance(out, Box) or out.owner is not None:
        raise RetrogradError(f"record: {name_of(f)} gives one array, not a {type(out).__name__}")
    return Recording(name_of(f), np.asarray(out.value), out.node, [_leaf(x) for x in leaves])


def _leaf(x: Any) -> Leaf:
    if not isinstance(x.node, Leaf):
        raise DifferentiationError("record: an argument that requires gradients has no leaf")  # pragma: no cover
    return x.node
