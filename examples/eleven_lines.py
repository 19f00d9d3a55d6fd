"""The network in eleven lines of Python, and its bigger brother.

    python -m examples.eleven_lines

Logistic units without biases (the third input is always 1), steps of size 1 on all four rows, ten thousand and sixty
thousand times. The error of the output goes through half the sum of squares, so the step is the tutorial's
``l1_error * l1 * (1 - l1)``.

Trask, "A neural network in 11 lines of Python" (2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg

X = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
FIRST_COLUMN = np.array([[0.0, 0.0, 1.0, 1.0]]).T  # what two layers learn
XOR = np.array([[0.0, 1.0, 1.0, 0.0]]).T  # what takes three


def outputs(weights: Any) -> Any:
    """The last layer's units, (4, 1)."""
    layer = X
    for W in weights:
        layer = rg.sigmoid(rg.matmul(layer, W))
    return layer


@rg.jit
def train(weights: Any, y: Any, steps: Any) -> Any:
    """`steps` steps of gradient descent."""

    def loss(weights: Any) -> Any:
        return 0.5 * rg.sum((y - outputs(weights)) ** 2)

    def step(i: Any, weights: Any) -> Any:
        return tuple(w - g for w, g in zip(weights, rg.grad(loss)(weights), strict=True))

    return rg.fori_loop(0, steps, step, weights)


def start(*shapes: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Weights uniform in [-1, 1), from NumPy's generator with seed 1."""
    draw = np.random.RandomState(1)
    return tuple(2 * draw.random_sample(shape) - 1 for shape in shapes)


def main() -> None:
    """Print what both learn."""
    (W,) = train(start((3, 1)), FIRST_COLUMN, rg.tensor(10_000))
    print("two layers:  ", outputs((W,)).numpy().ravel(), "weights", W.numpy().ravel())
    weights: Any = start((3, 4), (4, 1))
    for done in range(0, 60_000, 10_000):
        print(f"error after {done:6d} steps: {float(rg.mean(rg.absolute(XOR - outputs(weights)))):.12f}")
        weights = train(weights, XOR, rg.tensor(10_000))
    print("three layers:", outputs(weights).numpy().ravel())


if __name__ == "__main__":
    main()
