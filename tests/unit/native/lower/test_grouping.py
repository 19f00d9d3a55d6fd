"""Which equations share a nest."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.native.loops.ir import Nest
from retrograd.native.lower.grouping import LARGEST
from tests.property.test_passes import traced
from tests.unit.native.lower.test_memory import planned

X, Y = np.ones((20, 300)), np.ones((300, 20))
FUSED = {
    "a chain": (lambda x, y: (rg.tanh(x * 2) + x,), 1),
    "a chain and its sum": (lambda x, y: (rg.sum(rg.exp(x), axis=1),), 1),
    "sums of one value": (lambda x, y: (rg.sum(x * x), rg.max(x * x, axis=0), x * x), 1),
    "what waits for a sum": (lambda x, y: (x - rg.max(x, axis=1, keepdims=True),), 2),
    "a product and what follows": (lambda x, y: (rg.tanh(x @ y + 1),), 1),
    "a product and its sum": (lambda x, y: (rg.sum(x @ y, axis=0),), 2),
    "what comes back is not fused across": (lambda x, y: (rg.tanh(x) + rg.sum(rg.tanh(x)),), 2),
    "views cost nothing": (lambda x, y: (x.T * y + y[::-1],), 1),
    "neighbours that share an operand": (lambda x, y: (x + 1, rg.tanh(x), x * x), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FUSED)
def test_nests(name):
    f, n = FUSED[name]
    graph, _ = traced(f, [X, Y])
    assert len([s for s in planned(graph).body if isinstance(s, Nest)]) == n


def test_groups_are_of_bounded_size():
    def f(x):
        for _ in range(1000):
            x = rg.sin(x) * x
        return (x,)

    graph, _ = traced(f, [np.ones(5)])
    nests = planned(graph).body
    assert len(nests) == -(-2000 // LARGEST)
