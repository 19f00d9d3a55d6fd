r"""What a gradient costs: multiplications and additions of the products, forward and backward.

A dense network with layers of :math:`n_0, \dots, n_L` units takes :math:`\sum_l n_{l-1} n_l` of them forward.
Backward each product is made twice, for the weights and for what comes in, except that nobody wants the derivative of
the data: so a gradient costs less than two evaluations more, however many weights there are (Baur and Strassen 1983 for
the bound, Griewank and Walther 2008, chapter 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from retrograd.core.sweep import Node
from retrograd.errors import RetrogradError
from retrograd.learning.recording import Recording


class Cost(NamedTuple):
    """Multiply-adds of the matrix products.

    Attributes:
        forward: to evaluate.
        backward: to differentiate.
    """

    forward: int
    backward: int


def multiply_adds(recording: Recording) -> Cost:
    """What the products of a program cost, counted while its tape is swept.

    Sums, elementwise functions and biases count for nothing: they cost what their results have elements.

    Raises:
        RetrogradError: for a program with loops, branches or compiled functions, whose products are not on the tape.
    """
    forward = backward = 0

    def count(node: Node, cotangent: Any, handed_on: Sequence[Any]) -> None:
        nonlocal forward, backward
        if node.prim.multi:
            raise RetrogradError(
                f"multiply_adds: what {node.prim.name} does in {recording.name} is not on the tape, so its products "
                "cannot be counted; write loops in Python, without rg.jit"
            )
        if not node.prim.contracts:
            return
        assert node.args is not None
        each = math.prod(cotangent.shape) * node.args[0].shape[-1]
        forward += each
        backward += each * sum(c is not None for c in handed_on[:2])

    recording.backward(None, observe=count)
    return Cost(forward, backward)
