"""A chain of 10,000 pointwise operations on one float64 scalar, recorded and swept: the cost of a node."""

import math
from collections.abc import Callable

from benchmarks.contest import Entry, Row, Work

NODES = 10_000
# With these, x = 0.2 is a fixed point of x -> tanh(FACTOR sin x) + SHIFT at which the derivative is 1: however long the
# chain, neither the value nor the gradient overflows or dies out.
START, FACTOR = 0.2, 1.0668675372933873
SHIFT = START - math.tanh(FACTOR * math.sin(START))


def chained(sin: Callable, tanh: Callable, leaf: Callable[[], object]) -> Work:
    """The evidence is the value at the end and the gradient of the start."""

    def run() -> tuple:
        start = value = leaf()
        for _ in range(NODES // 4):
            value = tanh(sin(value) * FACTOR) + SHIFT
        value.backward()
        return value, start

    value, start = run()
    return Work(run, [value.item(), start.grad.item()], scale=1 / NODES)


def retrograd_chain() -> Work:
    """Through the public functions and operators."""
    import numpy as np

    import retrograd as rg

    number = np.asarray(START)
    return chained(rg.sin, rg.tanh, lambda: rg.tensor(number, requires_grad=True))


def torch_chain() -> Work:
    """The same in PyTorch."""
    import torch

    return chained(torch.sin, torch.tanh, lambda: torch.tensor(START, dtype=torch.float64, requires_grad=True))


ROWS = {
    "chain": Row(
        f"Record and sweep: a chain of {NODES:,} pointwise operations on a 0-d float64",
        ("ns a node", 1e9),
        (Entry("torch eager", "torch", torch_chain), Entry("retrograd", "retrograd", retrograd_chain)),
        tolerance=1e-6,
        threads=(1,),  # more play no part in work on scalars
        aims={"torch": 1.0},
    )
}
