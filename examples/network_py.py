"""Mini-batch descent in the style of Nielsen's network.py: one class, lists of weights and biases.

    python -m examples.network_py

`backprop` is the engine's gradient; the class around it is the one that so many people have read. It learns ten digits
from 3 by 5 dots, each dot flipped one time in twenty, as well as the nearest prototype does, which is the best that
anyone can do here.

Nielsen, *Neural Networks and Deep Learning* (2015), chapter 1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

import retrograd as rg

DIGITS = """111101101101111 010110010010111 111001111100111 111001111001111 101101111001001
            111100111001111 111100111101111 111001001001001 111101111101111 111101111001111"""
PROTOTYPES = np.array([[float(dot) for dot in row] for row in DIGITS.split()])  # (10, 15), top row of dots first


def noisy_digits(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Dots (rows, 15) with a twentieth of them flipped, and their digits 0 to 9 in turn (rows,)."""
    labels = np.arange(rows) % 10
    flips = np.random.RandomState(seed).rand(rows, 15) < 0.05
    return np.where(flips, 1.0 - PROTOTYPES[labels], PROTOTYPES[labels]), labels


def nearest_prototype(x: np.ndarray) -> np.ndarray:
    """The digit that differs in the fewest dots."""
    return np.abs(x[:, None, :] - PROTOTYPES).sum(-1).argmin(-1)


class Network:
    """Layers of logistic units, trained on half the squared error.

    Args:
        sizes: units of each layer, inputs first.
        draw: where weights (standard normal) and the order of the rows come from.
    """

    def __init__(self, sizes: list[int], draw: np.random.RandomState) -> None:
        self.sizes, self.draw = sizes, draw
        self.weights: list[Any] = [draw.randn(n, m) for m, n in pairwise(sizes)]
        self.biases: list[Any] = [draw.randn(n) for n in sizes[1:]]

    @staticmethod
    def feedforward(parameters: Any, a: Any) -> Any:
        """The outputs for inputs `a`, a row each."""
        for W, b in zip(*parameters, strict=True):
            a = rg.sigmoid(rg.nn.linear(a, W, b))
        return a

    @staticmethod
    def cost(parameters: Any, x: Any, y: Any) -> Any:
        """The mean over the rows of half the squared error; its derivative in the outputs is a - y, over the rows."""
        return 0.5 * rg.sum((Network.feedforward(parameters, x) - y) ** 2) / len(x)

    def backprop(self, x: Any, y: Any) -> Any:
        """The gradients of the cost: weights, biases."""
        return rg.grad(self.cost)((self.weights, self.biases), x, y)

    def update_mini_batch(self, x: Any, y: Any, eta: float) -> None:
        """One step of gradient descent."""
        self.weights, self.biases = _update((self.weights, self.biases), x, y, eta)

    def SGD(self, x: np.ndarray, labels: np.ndarray, epochs: int, mini_batch_size: int, eta: float) -> None:
        """Descend, in a new random order of the rows in each epoch."""
        targets = np.eye(self.sizes[-1])[labels]
        for _ in range(epochs):
            order = self.draw.permutation(len(x))
            for i in range(0, len(x), mini_batch_size):
                batch = order[i : i + mini_batch_size]
                self.update_mini_batch(x[batch], targets[batch], eta)

    def evaluate(self, x: Any, labels: np.ndarray) -> float:
        """The share of rows whose greatest output is the right one."""
        found = self.feedforward((self.weights, self.biases), x).numpy()
        return float((found.argmax(-1) == labels).mean())


@rg.jit
def _update(parameters: Any, x: Any, y: Any, eta: float) -> Any:
    gradients = rg.grad(Network.cost)(parameters, x, y)
    return tuple([p - eta * g for p, g in zip(*pair, strict=True)] for pair in zip(parameters, gradients, strict=True))


def main() -> None:
    """Print the accuracy before training, and after 1, 10 and 30 epochs."""
    x, labels = noisy_digits(1000, 0)
    test_x, test_labels = noisy_digits(500, 1)
    net = Network([15, 12, 10], np.random.RandomState(2))
    done = 0
    for epochs in (0, 1, 10, 30):
        net.SGD(x, labels, epochs - done, 10, 3.0)
        done = epochs
        print(f"epoch {epochs:2d}: accuracy {net.evaluate(test_x, test_labels):.3f}")
    print(f"nearest prototype:  {(nearest_prototype(test_x) == test_labels).mean():.3f}")


if __name__ == "__main__":
    main()
