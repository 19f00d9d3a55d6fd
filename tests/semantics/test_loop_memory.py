"""Reverse mode through loops in little memory: the same bits, and no more bytes than were allowed."""

import re
import tracemalloc

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError
from retrograd.primitives.segments import plan_for
from tests.semantics.ways import LOOP_WAYS, loop_ways, nearly, same


def rolled(steps, memory, reverse=False):
    """A recurrence over several arrays, an integer and a cell among what it carries, and its arguments."""
    rng = np.random.default_rng(steps)

    def f(w, start, xs, noise):
        def body(carry, x):
            c, n = carry
            c = rg.tanh(w @ c + x) + 0.01 * n * rg.random.uniform((4,), generator=noise, dtype="float64")
            return (c, n + 1), rg.sum(c * x)

        (last, _), ys = rg.scan(body, (start, rg.tensor(0)), xs, reverse=reverse, memory=memory)
        return rg.sum(last**2) + rg.sum(ys**2)

    def run(way, *args):
        noise = rg.random.Generator(5)
        return way(rg.value_and_grad(lambda *xs: f(*xs, noise), argnums=(0, 1, 2)))(*args)

    return run, (rng.normal(size=(4, 4)) * 0.3, np.ones(4), rng.normal(size=(steps, 4)))


@loop_ways
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_a_scan_in_segments_gives_the_same_bits(way, reverse, steps):
    plain, args = rolled(steps, None, reverse)
    value, gradients = plain(way, *args)
    for memory in ("sqrt", 10**9, *((2400, 1600) if steps == 30 else ())):
        run, _ = rolled(steps, memory, reverse)
        found, others = run(way, *args)
        compare = nearly if way is LOOP_WAYS["jit"] else same
        compare(found, value)
        for g, w in zip(others, gradients, strict=True):
            compare(g, w)


def test_plans_keep_what_they_promise():
    assert plan_for(100, 50, 10, 5000) == ()
    for memory in (1000, 500, 300, 200, 180):
        plan = plan_for(100, 50, 10, memory)
        lengths = (100, *plan)
        carries = sum(-(-a // b) for a, b in zip(lengths, plan, strict=False))
        assert 10 * carries + 50 * lengths[-1] <= memory, plan
        assert list(plan) == sorted(plan, reverse=True)
    assert [len(plan_for(100, 50, 10, m)) for m in (1000, 270, 200)] == [1, 2, 3]
    with pytest.raises(RetrogradError, match="the least in all is"):
        plan_for(100, 50, 10, 60)


def kept_by(y):
    """The bytes that the tape of a loop holds."""
    node = y.node.parents[0]
    node = node if node.prim is not None else node.parents[0]
    return sum(np.asarray(getattr(v, "value", v)).nbytes for v in node.out)


def peak_of(f):
    """The bytes that were allocated at once while `f` ran."""
    f()
    tracemalloc.start()
    f()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_reverse_sweep_allocates_no_more_than_it_may():
    steps, w, c = 200, rg.tensor(np.full(4096, 0.9)), rg.tensor(np.ones(4096))
    row = c.numpy().nbytes
    fixed = 16 * row  # what the sweep needs without any steps: arguments, gradients, what a step computes
    for memory in (None, "sqrt", 1_000_000):
        f = lambda w: rg.fori_loop(0, steps, lambda _, c: rg.tanh(w * c), c, memory=memory)
        total = lambda w: rg.sum(f(w))
        held, peak = kept_by(f(rg.tensor(w, requires_grad=True))), peak_of(lambda: rg.grad(total)(w))
        compiled = rg.jit(rg.grad(total))
        compiled(w)
        arena = int(re.findall(r"arena of ([\d,]+) bytes", str(compiled.report()))[-1].replace(",", ""))
        if memory is None:
            assert min(held, peak, arena) > steps * row
        elif memory == "sqrt":
            assert held < 0.2 * steps * row
            assert max(peak, arena) < 0.5 * steps * row + fixed
        else:
            assert held <= memory
            assert max(peak, arena) <= memory + fixed


def test_derivatives_of_all_kinds_go_through_segments():
    f = lambda x: rg.sum(rg.fori_loop(0, 7, lambda _, c: rg.sin(c * x), x, memory="sqrt"))
    plain = lambda x: rg.sum(rg.fori_loop(0, 7, lambda _, c: rg.sin(c * x), x))
    x = np.array([0.7, 1.2])
    nearly(rg.hessian(f)(x), rg.hessian(plain)(x))
    nearly(rg.jacobian(rg.grad(f), mode="reverse")(x), rg.hessian(plain)(x))
    nearly(rg.vmap(rg.grad(f))(np.stack([x, -x])), rg.vmap(rg.grad(plain))(np.stack([x, -x])))
    nearly(rg.grad(lambda xs: rg.sum(rg.vmap(f)(xs)))(np.stack([x, -x])), rg.vmap(rg.grad(plain))(np.stack([x, -x])))


def test_what_memory_may_be():
    loop = lambda memory, n=3: rg.fori_loop(0, n, lambda _, c: c * 2.0, rg.tensor(1.0), memory=memory)
    for wrong in (-1, "half", 2.5):
        with pytest.raises(RetrogradError, match="number of bytes"):
            loop(wrong)
    with pytest.raises(RetrogradError, match="Python integers"):
        loop(100, rg.tensor(3))
    with pytest.raises(RetrogradError, match="does not fit into memory=1 bytes"):
        rg.grad(lambda w: rg.fori_loop(0, 9, lambda _, c: rg.sin(c * w), w, memory=1))(1.0)
    same(loop(np.int64(0)), np.float32(8))
