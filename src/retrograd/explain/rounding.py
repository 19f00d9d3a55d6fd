r"""Linnainmaa's estimate of the rounding error: what reverse mode was invented for.

.. math:: |\Delta y| \lesssim u \sum_i |\bar v_i|\,|v_i|

over all intermediate results :math:`v_i`, with :math:`\bar v_i` the derivative of y with respect to each and u the unit
round-off: each operation is off by at most u times its result, and the derivative says how much of that reaches y.

Linnainmaa (1970; 1976, section 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from retrograd.errors import RetrogradError
from retrograd.explain.records import Step
from retrograd.primitives.loops import Scan
from retrograd.primitives.while_loop import While


def rounding_error(steps: list[Step], dtype: Any) -> float:
    """A first-order bound on how far the result is off if every step is rounded to `dtype`.

    Operations that only move numbers count like the others, so the bound may be too large, not too small. What follows
    from rounding the inputs is not in it. A function with a derivative of its own (`custom_vjp`, `custom_jvp`, a fixed
    point) counts as one operation: how far its intermediate results matter is not known.

    Raises:
        RetrogradError: a loop stayed closed, so that its steps are not known; or `dtype` is no floating type.
    """
    try:
        unit = float(np.finfo(np.dtype(dtype)).eps) / 2
    except (TypeError, ValueError):
        raise RetrogradError(f"rounding_error: dtype is a floating type such as 'float32', not {dtype!r}") from None
    return unit * sum(
        float((np.abs(value.cotangent) * np.abs(value.array)).sum())
        for step in _operations(steps)
        for value in step.outputs
        if value.is_float and value.cotangent is not None
    )


def _operations(steps: list[Step]) -> Iterator[Step]:
    """The steps that compute: a block is what is inside it."""
    for step in steps:
        if step.title and step.inside:
            yield from _operations(step.inside)
        elif isinstance(step.prim, (Scan, While)) and not step.title:
            raise RetrogradError(
                f"rounding_error: step {step.number} is a loop that stayed closed, so its steps are not known; explain "
                "fewer iterations"
            )
        else:
            yield step
