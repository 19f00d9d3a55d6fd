"""A linear classifier, then the same with a hidden layer.

    python -m examples.linear_then_two_layers

Softmax regression begins at the logarithm of the number of classes and goes down. With a hidden layer in between, and
zeros from there to the scores, the network begins at the same loss; it then learns what no linear classifier can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import retrograd as rg
from examples.fixtures import det

X = det((6, 3), 1, 0)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def linear_scores(parameters: Any, x: Any) -> Any:
    """The products x W^T + b; without a bias where there is none."""
    return rg.nn.linear(x, *parameters)


def two_layer_scores(parameters: Any, x: Any) -> Any:
    """Tanh units in between."""
    W1, b1, W2, b2 = parameters
    return rg.nn.linear(rg.tanh(rg.nn.linear(x, W1, b1)), W2, b2)


def loss(scores: Any, parameters: Any, x: Any, labels: Any) -> Any:
    """The mean cross-entropy."""
    return rg.nn.cross_entropy(scores(parameters, x), labels)


def train(scores: Any, parameters: Any, x: Any, labels: Any, steps: int, rate: float = 1.0) -> Any:
    """Gradient descent on all rows."""

    @rg.jit
    def run(parameters: Any) -> Any:
        def step(i: Any, parameters: Any) -> Any:
            gradients = rg.grad(lambda p: loss(scores, p, x, labels))(parameters)
            return tuple(p - rate * g for p, g in zip(parameters, gradients, strict=True))

        return rg.fori_loop(0, steps, step, parameters)

    return run(parameters)


def hidden_start(inputs: int, hidden: int, classes: int) -> Any:
    """Zeros from the hidden layer to the scores."""
    return det((hidden, inputs), 1, 0), np.zeros(hidden), np.zeros((classes, hidden)), np.zeros(classes)


def main() -> None:
    """Print both classifiers' losses, and what they make of the exclusive or."""
    zeros = np.zeros((3, 3)), np.zeros(3)
    after = train(linear_scores, zeros, X, LABELS, 100)
    print(f"linear: {loss(linear_scores, zeros, X, LABELS).item():.11f} -> "
          f"{loss(linear_scores, after, X, LABELS).item():.11f}")  # fmt: skip
    start = hidden_start(3, 4, 3)
    after = train(two_layer_scores, start, X, LABELS, 100)
    print(f"two layers: {loss(two_layer_scores, start, X, LABELS).item():.11f} -> "
          f"{loss(two_layer_scores, after, X, LABELS).item():.11f}")  # fmt: skip
    x, labels = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    for name, scores, start in (
        ("linear", linear_scores, (np.zeros((2, 2)), np.zeros(2))),
        ("two layers", two_layer_scores, hidden_start(2, 4, 2)),
    ):
        after = train(scores, start, x, labels, 1000)
        print(f"exclusive or, {name}: {(scores(after, x).numpy().argmax(1) == labels).sum()} of 4 right")


if __name__ == "__main__":
    main()
