r"""Ordered derivatives: backpropagation as Werbos wrote it (1974; 1994), for equations in an order.

.. math:: z_i = f_i(z_1, \dots, z_{i-1}), \qquad
    \frac{\partial^+ T}{\partial z_i} = \frac{\partial f_n}{\partial z_i}
    + \sum_{i < j < n} \frac{\partial^+ T}{\partial z_j} \frac{\partial f_j}{\partial z_i}

The ordered derivative of the target :math:`T = z_n` counts what :math:`z_i` does to it by way of all equations in
between, the simple partial derivative only what it does in the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.transforms.derivatives import grad


class OrderedSystem:
    """A list of equations, each a function of the values of all before it.

    Args:
        functions: the first takes nothing, the next one value, then two, ...; the last gives the target.

    >>> system = OrderedSystem(
    ...     lambda: 1.0, lambda a: 2 * a, lambda a, b1: 3 * a + b1, lambda a, b1, b2: 4 * b1 + 5 * b2
    ... )
    >>> system.simple_derivatives(), system.ordered_derivatives()
    ([0.0, 4.0, 5.0], [33.0, 9.0, 5.0])
    """

    def __init__(self, *functions: Callable[..., Any]) -> None:
        if len(functions) < 2:
            raise RetrogradError("an ordered system needs at least two equations: one to vary, and a target")
        self.functions = functions

    def values(self) -> list[float]:
        """The value of every equation, in order."""
        values: list[float] = []
        for f in self.functions:
            values.append(float(f(*values)))
        return values

    def partials(self) -> list[list[float]]:
        """The simple partial derivatives of each equation with respect to each value before it."""
        values = self.values()
        return [_gradient(f, values[:i]) for i, f in enumerate(self.functions)]

    def simple_derivatives(self) -> list[float]:
        """The partial derivatives of the target's own equation."""
        return self.partials()[-1]

    def ordered_derivatives(self) -> list[float]:
        """The ordered derivative of the target with respect to every value before it: one sweep back."""
        partials = self.partials()
        ordered = list(partials[-1])
        for j in reversed(range(len(ordered))):
            for i, derivative in enumerate(partials[j]):
                ordered[i] += ordered[j] * derivative
        return ordered

    def forward_derivatives(self, source: int) -> list[float]:
        """The ordered derivative of every value with respect to value `source`: the dual, one sweep forward."""
        partials = self.partials()
        n = len(partials)
        if not 0 <= source < n:
            raise RetrogradError(f"there are {n} values, 0 to {n - 1}; source={source} is none")
        found = [0.0] * n
        found[source] = 1.0
        for j in range(source + 1, n):
            found[j] = sum(partials[j][k] * found[k] for k in range(source, j))
        return found


def _gradient(f: Callable[..., Any], values: Sequence[float]) -> list[float]:
    """The partial derivatives of one equation, 0 with respect to values that it does not use."""
    return [float(g) for g in grad(f, argnums=tuple(range(len(values))))(*values)] if values else []
