"""The error surface of a linear neuron.

    python -m examples.error_surface

Half the squared error of a linear neuron is a quadratic function of its weights: its Hessian is X^T X everywhere. One
case with two weights gives a parabolic trough, with a whole line of minima; as many independent cases as weights make
it an elliptic bowl, down which gradient descent goes to the least squares solution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg

CASES = np.array([[1.0, 1.0], [1.0, -0.5], [0.2, 2.0]]), np.array([0.0, 1.0, 0.5])
ONE_CASE = np.array([[1.0, 1.0]]), np.array([0.0])


def error(w: Any, x: Any, t: Any, scale: float = 0.5) -> Any:
    """`scale` times the squared error of w x, summed over the cases."""
    return scale * rg.sum((t - rg.matmul(x, w)) ** 2)


def hessian(x: Any, t: Any, scale: float = 0.5) -> np.ndarray:
    """The second derivatives, the same at every point."""
    return rg.hessian(lambda w: error(w, x, t, scale))(np.zeros(x.shape[1])).numpy()


def minimum(x: Any, t: Any) -> np.ndarray:
    """Where the gradient is zero: one step of Newton's method, from anywhere."""
    gradient = rg.grad(error)(np.zeros(x.shape[1]), x, t).numpy()
    return -np.linalg.solve(hessian(x, t), gradient)


@rg.jit
def path(w: Any, x: Any, t: Any, rate: float) -> Any:
    """The weights after each of 100 steps of gradient descent, (100, 2)."""

    def step(w: Any, _: Any) -> Any:
        w = w - rate * rg.grad(error)(w, x, t)
        return w, w

    return rg.scan(step, w, None, length=100)[1]


def main() -> None:
    """Print both surfaces' curvatures, the minimum and where the descent ends."""
    print("one case:    eigenvalues", np.linalg.eigvalsh(hessian(*ONE_CASE, 1.0)), "of E = (w1 + w2)^2: a trough")
    print("three cases: eigenvalues", np.linalg.eigvalsh(hessian(*CASES)), "a bowl")
    best = minimum(*CASES)
    print("minimum at", best, "E =", error(best, *CASES).item())
    print("after 100 steps", path(np.zeros(2), *CASES, 0.1).numpy()[-1])


if __name__ == "__main__":
    main()
