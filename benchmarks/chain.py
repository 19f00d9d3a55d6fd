"""A chain of 10,000 pointwise operations on one float64 scalar, recorded and swept: the cost of a node."""

import math
from collections.abc import Callable, Iterator

from benchmarks.harness import Contestant, Maker

TITLE = "Record and sweep: a chain of 10,000 pointwise operations on a 0-d float64"
UNIT = ("ns a node", 1e9)
TOLERANCE = 1e-6
AIMS = {"torch": 1.0}

NODES = 10_000
# With these, x = 0.2 is a fixed point of x -> tanh(FACTOR sin x) + SHIFT at which the derivative is 1: however long the
# chain, neither the value nor the gradient overflows or dies out.
START, FACTOR = 0.2, 1.0668675372933873
SHIFT = START - math.tanh(FACTOR * math.sin(START))


def contestant(name: str, sin: Callable, tanh: Callable, leaf: Callable[[], object]) -> Contestant:
    """The evidence is the value at the end and the gradient of the start."""

    def run() -> tuple:
        start = value = leaf()
        for _ in range(NODES // 4):
            value = tanh(sin(value) * FACTOR) + SHIFT
        value.backward()
        return value, start

    value, start = run()
    return Contestant(name, run, [value.item(), start.grad.item()], scale=1 / NODES)


def retrograd_chain() -> Contestant:
    """Through the public functions and operators."""
    import numpy as np

    import retrograd as rg

    number = np.asarray(START)
    return contestant("retrograd", rg.sin, rg.tanh, lambda: rg.tensor(number, requires_grad=True))


def torch_chain() -> Contestant:
    """The same in PyTorch."""
    import torch

    return contestant(
        "torch eager",
        torch.sin,
        torch.tanh,
        lambda: torch.tensor(START, dtype=torch.float64, requires_grad=True),
    )


def makers() -> Iterator[Maker]:
    """Threads play no part in work on scalars."""
    yield torch_chain
    yield retrograd_chain
