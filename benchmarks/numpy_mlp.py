"""The SGD step of a tanh network with one hidden layer, written by hand in NumPy: what a library is measured against.

The derivatives are worked out on paper, every array is allocated once, every operation writes into one of them, sums
over the batch are products with ones (BLAS is faster than `sum` here), and the learning rate and the mean are folded
into one factor. Weights are (out, in), as in PyTorch; the transposes are views.
"""

from collections.abc import Callable

import numpy as np

Weights = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def make_step(weights: Weights, x: np.ndarray, y: np.ndarray, lr: float) -> Callable[[], np.float32]:
    """A function that takes one step on the batch (x, y), changing `weights`, and returns the loss before it.

    With h = tanh(x W1^T + b1), z = h W2^T + b2 and p = softmax(z), the mean cross-entropy has
    dL/dz = (p - onehot(y)) / n and dL/d(x W1^T + b1) = (dL/dz W2) * (1 - h^2).
    """
    w1, b1, w2, b2 = weights
    n, hidden, classes = len(x), len(b1), len(b2)
    dtype = x.dtype
    h, square, dh = (np.empty((n, hidden), dtype) for _ in range(3))
    z = np.empty((n, classes), dtype)
    top, total = np.empty((n, 1), dtype), np.empty((n, 1), dtype)
    g1, gb1, g2, gb2 = (np.empty_like(w) for w in (w1, b1, w2, b2))
    over_batch, over_classes = np.ones(n, dtype), np.ones((classes, 1), dtype)
    z_flat = z.reshape(-1)
    labelled = np.arange(n) * classes + y
    factor = dtype.type(lr / n)

    def step() -> np.float32:
        np.dot(x, w1.T, out=h)
        np.add(h, b1, out=h)
        np.tanh(h, out=h)
        np.dot(h, w2.T, out=z)
        np.add(z, b2, out=z)

        np.maximum.reduce(z, axis=1, keepdims=True, out=top)
        np.subtract(z, top, out=z)
        z_of_labels = z_flat.take(labelled).sum()
        np.exp(z, out=z)
        np.dot(z, over_classes, out=total)
        loss = (np.log(total).sum() - z_of_labels) / n

        np.divide(z, total, out=z)  # z is p from here on, then lr dL/dz
        z_flat[labelled] -= 1
        np.multiply(z, factor, out=z)
        np.dot(z, w2, out=dh)
        np.multiply(h, h, out=square)
        np.subtract(1, square, out=square)
        np.multiply(dh, square, out=dh)
        np.dot(z.T, h, out=g2)
        np.dot(over_batch, z, out=gb2)
        np.dot(dh.T, x, out=g1)
        np.dot(over_batch, dh, out=gb1)

        np.subtract(w1, g1, out=w1)
        np.subtract(b1, gb1, out=b1)
        np.subtract(w2, g2, out=w2)
        np.subtract(b2, gb2, out=b2)
        return loss

    return step
