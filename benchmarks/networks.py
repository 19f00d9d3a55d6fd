"""The networks of the training rows: what is trained, from which weights, on which batch."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam's, the defaults of every library


@dataclass(frozen=True)
class Network:
    """Dense layers with one activation between them, a loss, and an optimiser; float32.

    Attributes:
        steps: training steps in one loop.
        labels: where they come from. Every input comes twice, with two targets: the loss cannot vanish, so a run of any
            length keeps ordinary numbers, and nobody's speed depends on how denormal ones are treated.
    """

    sizes: tuple[int, ...]
    batch: int
    activation: str = "tanh"
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    lr: float = 0.1
    steps: int = 100

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each."""
        return list(pairwise(self.sizes))

    @property
    def flop(self) -> float:
        """Of the products of one step: one forward, two backward, but the first layer's input needs no gradient."""
        products = [n * m for n, m in self.layers]
        return 2.0 * self.batch * (3 * sum(products) - products[0])

    @property
    def size(self) -> float:
        """Bytes that a step has to touch: parameters, and moments if any, read and written, and the inputs."""
        numbers = sum((n + 1) * m for n, m in self.layers)
        return 4.0 * (2 * numbers * (3 if self.optimizer == "adam" else 1) + self.batch * self.sizes[0])

    def problem(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Weights and biases in turn, PyTorch's initial ones, and one batch."""
        rng = np.random.default_rng(0)
        state = []
        for n, m in self.layers:
            bound = n**-0.5
            state += [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in ((m, n), (m,))]
        half = self.batch // 2
        x = rng.standard_normal((half, self.sizes[0]), dtype=np.float32)
        x = np.concatenate([x, x])
        if self.loss == "mse":
            y = rng.standard_normal((self.batch, self.sizes[-1]), dtype=np.float32)
        else:
            first = rng.integers(0, self.sizes[-1], half)
            y = np.concatenate([first, (first + 1) % self.sizes[-1]])
        return state, x, y
