"""What an attack on the native engine found."""

import signal
import threading

import numpy as np
import pytest

import retrograd as rg


def same(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)


def test_a_group_is_not_moved_into_one_that_reads_it_turned():
    x = rg.tensor([1.0, 2.0, 3.0])
    for f in (
        lambda x: rg.flip(rg.tanh(x), axis=0) + 1,
        lambda x: rg.tanh(x) * 2 + rg.flip(rg.tanh(x), axis=0),
        rg.grad(lambda x: rg.sum(rg.sin(x) * 0.1) + rg.sum(rg.sin(rg.flip(x, axis=0)) * 0.1)),
    ):
        same(rg.jit(f)(x), f(x))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "uint64"])
def test_python_integers_that_the_dtype_does_not_have(dtype):
    x = rg.asarray(np.array([0, 1, 5], dtype))
    for f in (
        lambda x: x < -1000,
        lambda x: x == 2**70,
        lambda x: -1000 <= x,
        lambda x: x > 2**70,
        lambda x: x != -999,
    ):
        np.testing.assert_array_equal(rg.jit(f)(x).numpy(), f(x).numpy())
    for f in (lambda x: rg.maximum(x, -1000), rg.jit(lambda x: rg.maximum(x, -1000))):
        with pytest.raises(OverflowError, match=f"out of bounds for {dtype}"):
            f(x)


@pytest.mark.parametrize("n", [np.inf, -np.inf, np.nan, 0.5, 3.0])
def test_powers_whose_exponent_is_known(n):
    x = rg.tensor([0.5, 2.0])
    same(rg.jit(lambda x: x ** float(n))(x), x ** float(n))


def test_keyword_defaults_changed_in_place_are_seen():
    def f(x, *, a=2.0):
        return x * a

    jitted, x = rg.jit(f), rg.tensor([1.0])
    for _ in range(3):
        same(jitted(x), [2.0])
    f.__kwdefaults__["a"] = 3.0
    same(jitted(x), [3.0])


def test_static_arguments_by_type_and_value():
    x = rg.asarray(np.array([1, 2], "int32"))
    f = rg.jit(lambda x, n: x * n[0], static="n")
    assert f(x, (1,)).dtype == np.int32
    assert f(x, (1.0,)).dtype == np.float32
    g = rg.jit(lambda x, n: x / n, static="n")
    assert g(rg.tensor([1.0]), 0.0).numpy()[0] == np.inf
    assert g(rg.tensor([1.0]), -0.0).numpy()[0] == -np.inf


def test_a_loop_without_reverse_mode_fails_where_the_derivative_is_asked_for():
    w = rg.Parameter([1.0, 2.0])
    f = rg.jit(lambda x: rg.while_loop(lambda s: rg.sum(s) < 5, lambda s: s + w.value, x))
    out = f(rg.tensor([0.0, 0.0]))
    same(out.detach(), [2.0, 4.0])
    with pytest.raises(rg.errors.MissingRule, match="while_loop"):
        rg.sum(out).backward()


def test_readers_and_writers_in_several_threads():
    w, one = rg.Buffer(np.zeros(20000, "f4")), rg.tensor(1.0)

    def add(x):
        w.value = w.value * 1.0 + x
        return rg.sum(w.value[:1])

    step, spread = rg.jit(add), rg.jit(lambda x: rg.sum(w.value - w.value[0]) + x)
    for _ in range(3):
        step(one), spread(one)
    bad, done = [], threading.Event()

    def write():
        for _ in range(300):
            step(one)

    def read():
        while not done.is_set():
            if float(spread(one)) != 1.0:
                bad.append("a value half written")
            snapshot = np.asarray(w.value)
            kept = snapshot.copy()
            if not np.array_equal(snapshot, kept):
                bad.append("a snapshot that changed")

    writers, reader = [threading.Thread(target=write) for _ in range(2)], threading.Thread(target=read)
    for t in (*writers, reader):
        t.start()
    for t in writers:
        t.join()
    done.set()
    reader.join()
    assert not bad
    assert float(w.numpy()[0]) == 603.0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_signals_neither_tear_commits_nor_change_snapshots():
    cells, kept = [rg.Buffer(np.zeros(2000)) for _ in range(6)], []

    def add(x):
        for c in cells:
            c.value = c.value + 1
        return x

    step = rg.jit(add)
    loop = rg.jit(lambda x: rg.fori_loop(0, 2, lambda i, s: add(s), x))

    def look(*_):
        value = np.asarray(cells[-1].value)
        kept.append((value, value.copy()))
        if len(kept) % 3 == 0:
            raise InterruptedError

    step(1.0), loop(1.0)
    before = signal.signal(signal.SIGVTALRM, look)
    try:
        for i in range(300):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0001 + i * 1e-6)
            try:
                for _ in range(3):
                    (step, loop)[i % 2](1.0)
            except InterruptedError:
                pass
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            assert len({float(c.array[0]) for c in cells}) == 1
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert all(np.array_equal(value, copy) for value, copy in kept)


def test_a_carry_that_lies_in_a_row_of_a_stack():
    """The next carry, a constant, was written into the first row whatever the row."""

    def inner(c, x):
        a, b = c
        return (a * 0.7 + b + x, rg.zeros(4, dtype="float64")), a

    def outer(c, x):
        (a, b), ys = rg.scan(inner, (c, x), x[:3])
        return a, (b, rg.sum(ys))

    def f(x):
        last, (rows, sums) = rg.scan(outer, rg.ones(4, dtype="float64"), x)
        return last, rows + 1.0, sums

    x = np.arange(12.0).reshape(3, 4)
    for found, wanted in zip(rg.jit(f)(x), f(x), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-14)
