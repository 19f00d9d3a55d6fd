"""The 2-3-1 network class: hours of sleep and study, and the mark in the test.

    python -m examples.two_three_one

A class with forward, backward, train and predict, as the tutorials build it: no biases, inputs divided by the largest
of their column, a step of size 1 up the gradient of the sum of squares over two. What `backward` gives are the
tutorial's "delta output sums"; they come from the engine.

Shamdasani (2017), after Welch, *Neural Networks Demystified* (2014).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

import retrograd as rg
from examples.fixtures import det

HOURS = np.array([[2.0, 9.0], [1.0, 5.0], [3.0, 6.0]])
X = HOURS / HOURS.max(axis=0)
Y = np.array([[92.0], [86.0], [89.0]]) / 100


class NeuralNetwork:
    """Two inputs, three hidden units, one output, all logistic.

    Args:
        W1: weights of the hidden layer, (2, 3).
        W2: weights of the output, (3, 1).
    """

    def __init__(self, W1: np.ndarray, W2: np.ndarray) -> None:
        self.W1, self.W2 = rg.asarray(W1), rg.asarray(W2)

    @staticmethod
    def net_inputs(weights: Any, x: Any, nudges: Any = (0.0, 0.0)) -> Any:
        """The net inputs of the output; `nudges` are added to those of both layers."""
        W1, W2 = weights
        hidden = rg.sigmoid(rg.matmul(x, W1) + nudges[0])
        return rg.matmul(hidden, W2) + nudges[1]

    def forward(self, x: Any) -> Any:
        """The outputs, (n, 1)."""
        return rg.sigmoid(self.net_inputs((self.W1, self.W2), x))

    predict = forward

    def gain(self, weights: Any, nudges: Any, x: Any, y: Any) -> Any:
        """What is climbed: minus half the squared error, summed."""
        return -0.5 * rg.sum((y - rg.sigmoid(self.net_inputs(weights, x, nudges))) ** 2)

    def backward(self, x: Any, y: Any) -> Any:
        """The changes of both matrices, and the deltas of both layers.

        The delta of a layer is the derivative with respect to its net input.
        """
        zero = np.zeros((len(x), 3)), np.zeros((len(x), 1))
        return rg.grad(self.gain, argnums=(0, 1))((self.W1, self.W2), zero, x, y)

    def train(self, x: Any, y: Any, steps: int = 1) -> None:
        """Climb."""
        for _ in range(steps):
            (dW1, dW2), _ = self.backward(x, y)
            self.W1, self.W2 = self.W1 + dW1, self.W2 + dW2

    def loss(self, x: Any, y: Any) -> float:
        """The mean squared error."""
        return float(rg.mean((y - self.forward(x)) ** 2))

    def save(self, path: str | Path) -> None:
        """Write both matrices."""
        save_file({"W1": np.ascontiguousarray(self.W1), "W2": np.ascontiguousarray(self.W2)}, path)

    @classmethod
    def load(cls, path: str | Path) -> NeuralNetwork:
        """What `save` wrote."""
        return cls(**load_file(path))


def main() -> None:
    """Print the loss while the network learns."""
    net = NeuralNetwork(det((2, 3), 1, 0), det((3, 1), 1, 6))
    for steps in (0, 1, 999):
        net.train(X, Y, steps)
        print(f"loss {net.loss(X, Y):.12f}, outputs {net.predict(X).numpy().ravel()}")


if __name__ == "__main__":
    main()
