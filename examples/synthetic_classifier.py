"""A 4-5-3 classifier for data that another 4-5-3 network made: one trainer, three sizes of batch.

    python -m examples.synthetic_classifier

Tanh units, softmax, the mean cross-entropy; the classes are far from equally frequent. Rows one at a time, sixteen at a
time or all at once are the same code with another batch size.

McCaffrey, "Variation on Back-Propagation: Mini-Batch Neural Network Training" (2015).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import retrograd as rg


class Data(NamedTuple):
    """800 rows to learn and 200 to test, with their classes 0 to 2."""

    x: np.ndarray
    labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray


def made(draw: np.random.RandomState) -> Data:
    """A thousand random inputs and what a random network says of them."""
    W1, b1, W2, b2 = (draw.uniform(-10, 10, shape) for shape in ((5, 4), (5,), (3, 5), (3,)))
    x = draw.uniform(-10, 10, (1000, 4))
    labels = (np.tanh(x @ W1.T + b1) @ W2.T + b2).argmax(1)
    order = draw.permutation(1000)
    learn, test = order[:800], order[800:]
    return Data(x[learn], labels[learn], x[test], labels[test])


def scores(parameters: Any, x: Any) -> Any:
    """The scores of the three classes, (n, 3)."""
    V1, c1, V2, c2 = parameters
    return rg.nn.linear(rg.tanh(rg.nn.linear(x, V1, c1)), V2, c2)


@rg.jit
def _epoch(parameters: Any, x: Any, labels: Any, batches: Any, rate: float) -> Any:
    """One pass over the rows named by `batches` (steps, rows in a step)."""

    def step(parameters: Any, rows: Any) -> Any:
        def loss(parameters: Any) -> Any:
            return rg.nn.cross_entropy(scores(parameters, rg.take(x, rows, axis=0)), rg.take(labels, rows))

        gradients = rg.grad(loss)(parameters)
        return tuple(p - rate * g for p, g in zip(parameters, gradients, strict=True)), None

    return rg.scan(step, parameters, batches)[0]


def train(data: Data, draw: np.random.RandomState, *, batch: int, rate: float, epochs: int) -> Any:
    """Start from small weights, learn; in every epoch the rows come in a new order."""
    n = len(data.x)
    V1 = draw.uniform(-0.5, 0.5, (5, 4))
    parameters: Any = (V1, np.zeros(5), draw.uniform(-0.5, 0.5, (3, 5)), np.zeros(3))
    for _ in range(epochs):
        batches = draw.permutation(n).reshape(-1, batch)
        parameters = _epoch(parameters, data.x, data.labels, batches, rate)
    return parameters


def accuracy(parameters: Any, x: Any, labels: np.ndarray) -> float:
    """The share of rows whose greatest score is the right one."""
    return float((scores(parameters, x).numpy().argmax(1) == labels).mean())


def main() -> None:
    """Print the accuracy of the three ways to train."""
    for name, batch, rate in (("mini-batches of 16", 16, 0.3), ("one at a time", 1, 0.02), ("all at once", 800, 0.3)):
        draw = np.random.RandomState(1)
        data = made(draw)
        parameters = train(data, draw, batch=batch, rate=rate, epochs=200)
        ours = accuracy(parameters, data.x, data.labels), accuracy(parameters, data.test_x, data.test_labels)
        print(f"{name:20} training {ours[0]:.3f}, test {ours[1]:.3f}")


if __name__ == "__main__":
    main()
