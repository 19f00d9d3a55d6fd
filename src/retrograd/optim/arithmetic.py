"""Arithmetic that update rules share: the same bits on Python floats and bare arrays as on boxes of a trace.

At the eager top level a rule runs on ndarrays and Python floats, at NumPy's speed; under `jit` or a transform the same
rule runs on tensors. Operators mean the same on both; these functions fill the gaps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from retrograd.ops import arithmetic


def sqrt(x: Any) -> Any:
    """The square root of a float, an ndarray or a tensor."""
    if type(x) is float:
        return math.sqrt(x)
    return np.sqrt(x) if isinstance(x, (np.ndarray, np.generic)) else arithmetic.sqrt(x)


def power(x: Any, y: Any) -> Any:
    """A power of two numbers."""
    # Python's own power differs from NumPy's in the last bit, and a graph computes with NumPy's.
    if type(y) is not float or not isinstance(x, (float, np.ndarray)):
        return arithmetic.power(x, y)
    return np.power(x, y) if isinstance(x, np.ndarray) else float(np.power(x, y))


def maximum(x: Any, y: Any) -> Any:
    """The larger one, elementwise, of two ndarrays or two tensors."""
    return np.maximum(x, y) if isinstance(x, (np.ndarray, np.generic)) else arithmetic.maximum(x, y)


def choose(condition: Any, x: Any, y: Any) -> Any:
    """One number or the other."""
    return (x if condition else y) if type(condition) is bool else arithmetic.where(condition, x, y)
