"""Threads: contexts are isolated; two threads may trace and call at once; steps over shared cells are serial."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import EVALUATE, current


@pytest.fixture(autouse=True)
def _often():
    """Switch threads as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(n, f):
    """`f(i)` in n threads that start together; their results."""
    barrier = threading.Barrier(n)

    def run(i):
        barrier.wait()
        return f(i)

    with ThreadPoolExecutor(n) as pool:
        return [t.result() for t in [pool.submit(run, i) for i in range(n)]]


def test_two_threads_trace_and_call_at_once():
    w = rg.tensor(np.linspace(0, 1, 6).reshape(2, 3))

    def f(x, k):
        return rg.sum(rg.tanh(x @ w.T) * k)

    for _ in range(20):
        jitted = rg.jit(lambda x, k: f(x, k))
        xs = [np.full((i % 3 + 1, 3), i / 7) for i in range(4)]
        found = at_once(4, lambda i: [float(jitted(xs[i], float(k))) for k in range(5)])
        for i, values in enumerate(found):
            assert values == pytest.approx([float(f(xs[i], float(k))) for k in range(5)], rel=1e-14)
        assert len(jitted.programs) == 3 * (1 if jitted.programs else 0)
        from retrograd.jit import jitted as module

        module._recent.clear()


def test_one_program_for_threads_that_ask_at_once():
    count = []

    @rg.jit
    def f(x):
        count.append(1)
        return rg.fori_loop(0, 3, lambda i, c: c * 2, x)

    assert at_once(4, lambda i: float(f(float(i)))) == [0.0, 8.0, 16.0, 24.0]
    assert len(count) == 1


def test_lambdas_of_one_code_in_many_threads():
    def call(i):
        return [float(rg.jit(lambda x: x * k)(1.0)) for k in range(10 * i, 10 * i + 10)]

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert at_once(4, call) == [[float(k) for k in range(10 * i, 10 * i + 10)] for i in range(4)]


def test_contexts_are_isolated():
    inside = threading.Event()
    leave = threading.Event()

    def hold(_):
        def f(x):
            inside.set()
            assert leave.wait(10)
            return rg.sum(x * x)

        with rg.default_dtype("float64"), rg.debug():
            return rg.grad(f)(np.ones(2))

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold, 0)
        assert inside.wait(10)
        assert current() is EVALUATE
        assert rg.zeros(1).dtype == np.float32
        x = rg.tensor([1.0], requires_grad=True)
        (x * 3).backward(np.ones(1, "f"))
        assert x.grad.tolist() == [3.0]
        leave.set()
        assert held.result().tolist() == [2.0, 2.0]


def test_transforms_in_many_threads():
    def f(x):
        return rg.sum(rg.sin(x) * rg.exp(x))

    xs = [np.linspace(i, i + 1, 5) for i in range(4)]
    expected = [np.array(rg.hessian(f)(x)) for x in xs]
    found = at_once(4, lambda i: [np.array(rg.hessian(f)(xs[i])) for _ in range(5)])
    for e, results in zip(expected, found, strict=True):
        for r in results:
            np.testing.assert_array_equal(r, e)


@pytest.mark.parametrize("lend", [False, True])
def test_a_compiled_step_from_four_threads_equals_serial(lend):
    """Every step must see the state that the one before left, whole."""
    p, v, n = rg.Parameter(np.ones(50)), rg.Buffer(np.zeros(50)), rg.Buffer(np.array(0))

    @rg.jit
    def step():
        p.grad = None
        rg.sum(p * p).backward()
        v.value = 0.5 * v + p.grad
        p.value = p - 1e-3 * v
        n.value = n + 1
        return n.value

    def run(_):
        seen = []
        for _ in range(25):
            if lend:
                p.numpy()
            seen.append(int(step()))
        return seen

    step()
    found = at_once(4, run)
    assert sorted(i for seen in found for i in seen) == list(range(2, 102))
    a, b = np.ones(50), np.zeros(50)
    for _ in range(101):
        b = 0.5 * b + 2 * a
        a = a - 1e-3 * b
    np.testing.assert_array_equal(p.numpy(), a)
    np.testing.assert_array_equal(v.numpy(), b)


def test_a_reader_never_sees_half_a_step():
    """All elements of both cells are the step count; a program that reads them must find them equal."""
    a, b = rg.Buffer(np.zeros(20000)), rg.Buffer(np.zeros(20000))
    step = rg.jit(lambda: (setattr(a, "value", a + 1), setattr(b, "value", b + 1))[0])
    read = rg.jit(lambda: (a.value * 1, b.value * 1))
    step(), read()
    stop = threading.Event()

    def write(_):
        for _ in range(300):
            step()
        stop.set()

    def look(_):
        while not stop.is_set():
            x, y = read()
            x, y = x.numpy(), y.numpy()
            assert x[0] == x[-1] == y[0] == y[-1], (x[0], x[-1], y[0], y[-1])

    at_once(3, lambda i: (write if i == 0 else look)(i))


def test_an_eager_reader_keeps_what_it_read():
    """A value that was read is not written into, however the reading and a commit fall together."""
    a = rg.Buffer(np.zeros(20000))
    step = rg.jit(lambda: setattr(a, "value", a + 1))
    step()
    stop = threading.Event()

    def write(_):
        for _ in range(300):
            step()
        stop.set()

    def look(_):
        while not stop.is_set():
            x = a.numpy()
            first = x.copy()
            assert first[0] == first[-1]
            np.testing.assert_array_equal(x, first)

    at_once(3, lambda i: (write if i == 0 else look)(i))


def test_programs_over_disjoint_cells_do_not_wait_for_each_other():
    inner = threading.Event()

    def slow(_):
        p = rg.Parameter(np.ones(2))

        def f():
            p.value = p * 2
            return rg.sum(p)

        return float(rg.jit(f)())

    assert at_once(4, slow) == [4.0] * 4
    assert not inner.is_set()
