"""Where on the loss surface a point is: minimum, maximum, saddle, plateau, ravine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.tree import flatten, pieces, unflatten
from retrograd.errors import NonFiniteError, RetrogradError
from retrograd.transforms.derivatives import grad, hessian


@dataclass(frozen=True)
class Point:
    """What gradient and Hessian say of a point.

    Attributes:
        kind: "slope" where the gradient is not small; else "minimum", "maximum", "saddle" or "degenerate", where a
            curvature is zero and the second order says nothing.
        gradient_norm: the Euclidean norm of the gradient.
        curvatures: the eigenvalues of the Hessian, ascending.
        index: how many of them are negative.
        condition: the largest size of a curvature over the smallest: large in a ravine, infinite where one is zero.
    """

    kind: str
    gradient_norm: float
    curvatures: np.ndarray
    index: int
    condition: float


def classify_point(f: Callable[[Any], Any], x: Any, *, tolerance: float = 1e-6) -> Point:
    """What kind of point of `f` x is, in float64.

    Args:
        f: a function of a tree of arrays, n numbers in all, with a scalar result; its Hessian is made, n by n.
        x: the point.
        tolerance: a gradient whose norm is at most this times max(1, largest curvature) counts as zero, as does a
            curvature of at most this share of the largest.

    Raises:
        NonFiniteError: gradient or Hessian are not finite there.
        RetrogradError: the point has no numbers.

    >>> classify_point(lambda x: x[0] ** 2 - x[1] ** 2, np.zeros(2)).kind
    'saddle'
    """
    leaves, structure = flatten(x)
    arrays = [np.asarray(leaf, np.float64) for leaf in leaves]
    if not sum(a.size for a in arrays):
        raise RetrogradError("classify_point: the point has no numbers")
    shapes = [a.shape for a in arrays]

    def of_vector(v: Any) -> Any:
        return f(unflatten(structure, pieces(v, shapes)))

    at = np.concatenate([a.ravel() for a in arrays])
    norm = float(np.linalg.norm(np.asarray(grad(of_vector)(at))))
    matrix = np.asarray(hessian(of_vector)(at))
    if not (np.isfinite(norm) and np.isfinite(matrix).all()):
        raise NonFiniteError("classify_point: gradient or Hessian are not finite here, so there is nothing to classify")
    curvatures = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    sizes = np.abs(curvatures)
    largest, smallest = float(sizes.max()), float(sizes.min())
    flat = sizes <= tolerance * largest
    index = int(((curvatures < 0) & ~flat).sum())
    condition = largest / smallest if smallest > tolerance * largest else float("inf")
    if norm > tolerance * max(1.0, largest):
        kind = "slope"
    elif 0 < index < (~flat).sum():
        kind = "saddle"
    elif flat.any():
        kind = "degenerate"
    else:
        kind = "maximum" if index else "minimum"
    return Point(kind, norm, curvatures, index, condition)


def plateaus(
    gradient_norms: Sequence[float], losses: Sequence[float], *, target: float, small: float = 1e-3, steps: int = 20
) -> list[tuple[int, int]]:
    """Stretches of a run in which the gradient is small though the loss is not.

    Args:
        gradient_norms: of each step.
        losses: of each step.
        target: a loss that would be good enough.
        small: a gradient norm below this is small.
        steps: a stretch has at least so many steps.

    Returns:
        (first step, step after the last) of each stretch.
    """
    if len(gradient_norms) != len(losses):
        raise RetrogradError(f"plateaus: {len(gradient_norms)} gradient norms for {len(losses)} losses")
    stuck = (np.asarray(gradient_norms) < small) & (np.asarray(losses) > target)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], stuck.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= steps]
