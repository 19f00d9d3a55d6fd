"""Long chains and wide fans: built, swept and dropped without recursion, each node visited once."""

import gc
import sys
import weakref

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.forward import backpropagate
from retrograd.core.sweep import sweep


def chain(length):
    x = rg.tensor(0.5, dtype="float64", requires_grad=True)
    y = x
    for _ in range(length):
        y = y * 1.0000001
    return x, y


@pytest.mark.parametrize(
    "length", [100_000, pytest.param(1_000_000, marks=[pytest.mark.deep, pytest.mark.timeout(600)])]
)
def test_a_long_chain_is_built_swept_and_dropped(length):
    limit = sys.getrecursionlimit()
    x, y = chain(length)
    y.backward()
    assert x.grad.item() == pytest.approx(1.0000001**length, rel=1e-9)
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize(
    "length", [100_000, pytest.param(1_000_000, marks=[pytest.mark.deep, pytest.mark.timeout(600)])]
)
def test_a_long_chain_is_dropped_unswept(length):
    x, y = chain(length)
    first = weakref.ref(x)
    node = y.node
    del x, y, node
    gc.collect()
    assert first() is None


def test_a_long_chain_inside_grad_and_with_create_graph():
    def f(x):
        for _ in range(4_000):
            x = x * 1.0001 - 0.0001 * x
        return x

    wanted = (1.0001 - 0.0001) ** 4_000
    assert rg.grad(f)(np.float64(0.5)).item() == pytest.approx(wanted)
    x = rg.tensor(0.5, dtype="float64", requires_grad=True)
    (f(x) * x).backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.backward()
    assert x.grad.item() == pytest.approx(2 * wanted)


def test_a_fan_out_sums_and_visits_every_node_once():
    x = rg.tensor(2.0, dtype="float64", requires_grad=True)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y + y
    visited = []
    leaves = sweep([y.node], [np.ones(())], rule=backpropagate, observe=lambda node, *_: visited.append(node))
    assert len(visited) == len({id(n) for n in visited}) == 60
    assert list(leaves.values()) == [2.0**60]


def test_a_wide_fan():
    x = rg.tensor(np.ones(3), requires_grad=True)
    total = rg.sum(rg.stack([rg.sin(x * float(i)) for i in range(2000)]))
    total.backward()
    np.testing.assert_allclose(x.grad, np.full(3, sum(i * np.cos(i) for i in range(2000))), rtol=1e-9)


def test_a_swept_tape_holds_no_values():
    x = rg.tensor(np.ones(1000), requires_grad=True)
    inner = rg.exp(x)
    held = weakref.ref(inner.value)
    y = rg.sum(inner * inner)
    del inner
    assert held() is not None
    y.backward()
    assert held() is None, "the values go as the sweep passes, not with the last output"


def test_tapes_form_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x = rg.tensor(np.ones(10), requires_grad=True)
        inner = rg.tanh(x)
        y = rg.sum(inner * rg.exp(inner))
        values = [weakref.ref(inner.value), weakref.ref(y.value)]
        del inner, y
        assert [v() for v in values] == [None, None]
    finally:
        gc.enable()
