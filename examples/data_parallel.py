"""Data-parallel backpropagation: every worker has a share of the rows, the gradients are added.

    python -m examples.data_parallel

The gradient of a mean is the weighted mean of the shares' gradients. It is added up in the order of the shares, not of
their arrival, so it is the same bit for bit whatever the number of workers.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import retrograd as rg
from examples.fixtures import det

X = det((12, 3), 1, 0)
T = det((12, 2), 0.5, 40)
START = det((4, 3), 0.5, 0), det((4,), 0.1, 2), det((2, 4), 0.5, 1), det((2,), 0.1, 3)


def loss(parameters: Any, x: Any, t: Any) -> Any:
    """The mean over the rows of half the squared error of a tanh network."""
    W1, b1, W2, b2 = parameters
    out = rg.nn.linear(rg.tanh(rg.nn.linear(x, W1, b1)), W2, b2)
    return 0.5 * rg.sum((out - t) ** 2) / len(x)


gradient = rg.jit(rg.grad(loss))


def sharded_gradient(parameters: Any, x: np.ndarray, t: np.ndarray, shards: int, workers: int) -> list[np.ndarray]:
    """The gradient of the loss over all rows, from `shards` interleaved shares of them."""
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda s: gradient(parameters, x[s::shards], t[s::shards]), range(shards)))
    shares = [len(x[s::shards]) / len(x) for s in range(shards)]
    return [
        sum(share * g.numpy() for share, g in zip(shares, pieces, strict=True)) for pieces in zip(*parts, strict=True)
    ]


def main() -> None:
    """Print how far the sum of the shares is from the whole."""
    whole = gradient(START, X, T)
    for workers in (1, 2, 4):
        found = sharded_gradient(START, X, T, 4, workers)
        far = max(float(np.abs(f - w.numpy()).max()) for f, w in zip(found, whole, strict=True))
        print(f"{workers} workers: differs by {far:.1e}")


if __name__ == "__main__":
    main()
