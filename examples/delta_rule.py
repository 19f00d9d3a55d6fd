"""The delta rule: backpropagation through a single unit (Adaline).

    python -m examples.delta_rule

A linear unit learns the conjunction, inputs and targets -1 and 1, an example at a time. It settles near the least
squares solution (0.5, 0.5), -0.5, not on it: with a fixed rate each example pulls it a little its own way.

Widrow and Hoff (1960).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg

X = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
T = np.array([-1.0, -1.0, -1.0, 1.0])


def identity(z: Any) -> Any:
    """A linear unit's transfer function."""
    return z


def delta_rule(w: Any, b: Any, x: Any, t: Any, rate: float) -> Any:
    """One step for one example, written out for a linear unit: the change is rate * (t - y) * x."""
    error = t - (rg.sum(w * x) + b)
    return w + rate * error * x, b + rate * error


def backpropagation(w: Any, b: Any, x: Any, t: Any, rate: float, transfer: Any = identity) -> Any:
    """The same step from the gradient of half the squared error, for any transfer function."""

    def loss(w: Any, b: Any) -> Any:
        return 0.5 * (t - transfer(rg.sum(w * x) + b)) ** 2

    dw, db = rg.grad(loss, argnums=(0, 1))(w, b)
    return w - rate * dw, b - rate * db


@rg.jit
def train(w: Any, b: Any, epochs: Any, rate: float) -> Any:
    """`epochs` times the four examples in turn."""

    def step(i: Any, state: Any) -> Any:
        row = i % 4
        return delta_rule(*state, rg.take(X, row, axis=0), rg.take(T, row), rate)

    return rg.fori_loop(0, 4 * epochs, step, (w, b))


def main() -> None:
    """Print what is learned, and the least squares solution."""
    w, b = train(np.zeros(2), np.float64(0.0), rg.tensor(2000), 0.01)
    print("delta rule    w =", w.numpy(), "b =", b.item())
    solution = np.linalg.lstsq(np.c_[X, np.ones(4)], T, rcond=None)[0]
    print("least squares w =", solution[:2], "b =", solution[2])


if __name__ == "__main__":
    main()
