"""Gradients and learning by trying: what people did before backpropagation, and what it is compared with.

A finite difference needs one more evaluation for every parameter, two if it is central; a random direction costs two
evaluations however many there are, and says little about each. Backpropagation costs less than two evaluations more,
for all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from retrograd.core.tree import flatten, pieces, unflatten
from retrograd.errors import RetrogradError, ShapeError


class Estimate(NamedTuple):
    """A gradient that was estimated.

    Attributes:
        gradient: a tree as the parameters are, of float64 arrays.
        evaluations: how often the loss was computed for it.
    """

    gradient: Any
    evaluations: int


class _Vector:
    """The parameters as one vector, and the loss as a function of it that counts its calls."""

    def __init__(self, loss: Callable[[Any], Any], params: Any) -> None:
        leaves, self.structure = flatten(params)
        arrays = [np.asarray(leaf, np.float64) for leaf in leaves]
        if not arrays:
            raise RetrogradError("there are no parameters to vary")
        self.shapes = [a.shape for a in arrays]
        self.start = np.concatenate([a.ravel() for a in arrays])
        self.loss, self.evaluations = loss, 0

    def tree(self, vector: np.ndarray) -> Any:
        """The vector in the shape of the parameters."""
        return unflatten(self.structure, pieces(vector, self.shapes))

    def __call__(self, vector: np.ndarray) -> float:
        self.evaluations += 1
        found = self.loss(self.tree(vector))
        if np.shape(found):
            raise ShapeError(f"the loss has shape {np.shape(found)}: reduce it to one number, with rg.mean for example")
        return float(found)


def one_sided_differences(loss: Callable[[Any], Any], params: Any, epsilon: float = 1e-7) -> Estimate:
    """(C(w + epsilon e_j) - C(w)) / epsilon for every parameter: one evaluation more than there are parameters.

    The error falls with `epsilon` until rounding, which grows with 1 / `epsilon`, takes over.

    Args:
        loss: gives a number for a tree of parameters.
        params: a tree of arrays.
        epsilon: the step.

    >>> one_sided_differences(lambda w: w * w, 3.0, 1e-6).evaluations
    2
    """
    at = _Vector(loss, params)
    here = at(at.start)
    steps = _steps(at, epsilon)
    found = np.array([(at(at.start + step) - here) / epsilon for step in steps])
    return Estimate(at.tree(found), at.evaluations)


def central_differences(loss: Callable[[Any], Any], params: Any, epsilon: float = 1e-5) -> Estimate:
    """(C(w + epsilon e_j) - C(w - epsilon e_j)) / 2 epsilon: two evaluations for every parameter.

    The error falls with the square of `epsilon`. Arguments as for `one_sided_differences`.
    """
    at = _Vector(loss, params)
    found = np.array([(at(at.start + s) - at(at.start - s)) / (2 * epsilon) for s in _steps(at, epsilon)])
    return Estimate(at.tree(found), at.evaluations)


def _step(epsilon: float) -> float:
    if not epsilon > 0:
        raise RetrogradError(f"epsilon is a step, greater than 0, not {epsilon}")
    return epsilon


def _steps(at: _Vector, epsilon: float) -> Any:
    epsilon = _step(epsilon)
    for j in range(at.start.size):
        step = np.zeros(at.start.size)
        step[j] = epsilon
        yield step


def simultaneous_perturbation(
    loss: Callable[[Any], Any], params: Any, signs: Any = None, *, epsilon: float = 1e-4, rng: Any = None
) -> Estimate:
    """All parameters moved at once by a vector of signs d: two evaluations, (C(w + e d) - C(w - e d)) / 2 e times d.

    Its mean over all vectors of signs is the gradient, for a quadratic function exactly (Spall 1992).

    Args:
        loss: gives a number for a tree of parameters.
        params: a tree of arrays with n numbers in all.
        signs: n numbers -1 or 1; drawn from `rng` without them.
        epsilon: the step.
        rng: a `numpy.random.Generator`.
    """
    at = _Vector(loss, params)
    n = at.start.size
    if signs is None:
        rng = np.random.default_rng() if rng is None else rng
        signs = rng.choice([-1.0, 1.0], n)
    d = np.asarray(signs, np.float64)
    if d.shape != (n,) or not np.all(np.abs(d) == 1):
        raise RetrogradError(f"signs are {n} numbers -1 or 1, one for each parameter")
    epsilon = _step(epsilon)
    slope = (at(at.start + epsilon * d) - at(at.start - epsilon * d)) / (2 * epsilon)
    return Estimate(at.tree(slope * d), at.evaluations)


class Search(NamedTuple):
    """How a random search ended.

    Attributes:
        params: the best parameters.
        losses: the loss at the start and after each trial; it never rises.
        trials: how many steps were tried.
    """

    params: Any
    losses: list[float]
    trials: int


def random_search(
    loss: Callable[[Any], Any], params: Any, *, size: float, draw: Any, goal: float = 0.0, trials: int = 10_000
) -> Search:
    """Steps in random directions, kept if they help.

    Args:
        loss: gives a number for a tree of parameters.
        params: where to start: a tree of arrays with n numbers in all.
        size: the standard deviation of a step in each parameter.
        draw: gives n standard normal numbers when called with n, such as ``numpy.random.RandomState(0).randn``.
        goal: stop at a loss of at most this.
        trials: try at most so many steps.
    """
    at = _Vector(loss, params)
    best, here = at.start, at(at.start)
    losses = [here]
    while here > goal and len(losses) <= trials:
        step = best + size * np.asarray(draw(best.size))
        there = at(step)
        if there < here:
            best, here = step, there
        losses.append(here)
    return Search(at.tree(best), losses, len(losses) - 1)
