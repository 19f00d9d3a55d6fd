"""Loops in registers: they give what the interpreters give, end between two iterations, and leave others alone."""

import signal

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import retrograd as rg
from retrograd.core.box import Box
from retrograd.core.types import type_of
from retrograd.graph.interpret import evaluate
from retrograd.graph.trace import trace
from retrograd.native.executable import Executable
from retrograd.native.llvm import registers
from retrograd.native.llvm.builder import Module, Type
from retrograd.native.llvm.combining import combined
from retrograd.native.llvm.elements import pieces
from retrograd.native.llvm.straight import Place, Straight
from retrograd.native.llvm.straight_nests import chunks_of, orders
from retrograd.native.runtime.cpu import FEATURES, describe, target_for
from retrograd.testing.native_laws import by_loops, poisoned

LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
CLOSE = {"f": {"rtol": 2e-4, "atol": 2e-4}, "d": {"rtol": 1e-11, "atol": 1e-11}}


def host_has(level):
    try:
        target_for(level)
    except rg.errors.RetrogradError:
        return False
    return True


def compiled(f, *args, target=None, fits=True):
    """The native code of a function, whose loop has to be in registers."""
    found = trace(lambda *xs: [x if isinstance(x, Box) else np.asarray(x) for x in f(*xs)],
                  [type_of(a) for a in args], "a test", recording=False)  # fmt: skip
    assert not found.extras
    executable = Executable(found.graph, target=target)
    assert ("_registers" in executable.llvm_ir) == fits
    return executable


def agree(executable, args):
    """Native code, the interpreters of loops and of graphs; whatever lies in memory before."""
    with np.errstate(all="ignore"):
        wanted = evaluate(executable.graph, args)
        loops = by_loops(executable, args)
    for found in (executable(args), poisoned(executable, args, 0xFF), loops):
        for f, w in zip(found, wanted, strict=True):
            f, w = np.asarray(f), np.asarray(w)
            assert (f.shape, f.dtype) == (w.shape, w.dtype)
            np.testing.assert_allclose(f, w, **CLOSE.get(w.dtype.char, {}))


@pytest.fixture
def generous(monkeypatch):
    """Loops of any length fit."""
    monkeypatch.setattr(registers, "SHORT", registers.LONG)


# Random loops ---------------------------------------------------------------------------------------------------------

A, B = 3, 5


def unary(rng, x):
    """One step that keeps numbers small."""
    if x.dtype == np.dtype("int64"):
        return x * 3 - 70 if rng.integers(2) else rg.maximum(x, -x)
    kind = rng.integers(5)
    if kind == 0:
        return rg.tanh(x)
    if kind == 1:
        return rg.where(x > 0, x * 0.5, x)
    if kind == 2:
        return rg.exp(-x * x)
    return x * 0.5 - 0.25 if kind == 3 else rg.sqrt(x * x + 0.1)


def reduced(rng, m):
    """A row of a matrix's width: over one axis or over all."""
    op = (rg.sum, rg.max, rg.min, rg.mean)[rng.integers(4)]
    if rng.integers(2):
        return op(m, axis=0) * 0.3
    total = op(m, axis=1) if rng.integers(2) else op(m)
    return rg.tanh(rg.sum(total)) + m[rng.integers(A)]


def moved(rng, m):
    """A matrix of the same shape, its elements elsewhere."""
    kind = rng.integers(5)
    if kind == 0:
        return rg.flip(m, axis=int(rng.integers(2)))
    if kind == 1:
        return m.T.reshape(A, B)
    if kind == 2:
        return rg.concatenate([m[1:], m[:1]])
    return rg.concatenate([m[:, 2:], m[:, :2]], axis=1) if kind == 3 else m * 0.5 + m[0]


def product(rng, m, v):
    """Matrix products of the three kinds."""
    kind = rng.integers(4)
    if kind == 0:
        return rg.tanh((m @ m.T) @ m)
    if kind == 1:
        return rg.tanh(m @ rg.tanh(m.T @ m))
    return rg.tanh((m @ v)[:, None] * v) if kind == 2 else m * 0.5 + rg.tanh(v[:A, None] * v)


def body_of(seed):
    """Steps on (matrix, matrix, vector, scalar, whole number, booleans) and a row of inputs."""

    def body(carry, x):
        rng = np.random.default_rng(seed)
        m, w, v, s, n, b = carry
        for _ in range(rng.integers(2, 6)):
            kind = rng.integers(9)
            if kind == 0:
                m, w = w, m
            elif kind == 1:
                m = moved(rng, m)
            elif kind == 2:
                v = reduced(rng, m)
            elif kind == 3:
                m = product(rng, m, v)
            elif kind == 4:
                w = unary(rng, w) + x
            elif kind == 5:
                v = unary(rng, v)
            elif kind == 6:
                s = rg.tanh(s + rg.sum(v * x))
            elif kind == 7:
                n = unary(rng, n)
                v = v * 0.5 + rg.where(n > 0, 0.5, -0.5)
            else:
                b = b != (v > s)
                m = rg.where(b, m, -m)
        return (m, w, v, s, n, b), (v, s, w[:, 1:3])

    return body


def state_of(seed, dtype, length):
    rng = np.random.default_rng(seed)
    shapes = ((A, B), (A, B), (B,), ())
    state = [rng.normal(size=s).astype(dtype) for s in shapes]
    return [*state, np.array(seed), rng.integers(2, size=B) > 0, rng.normal(size=(length, B)).astype(dtype)]


def random_loop(seed, dtype, backwards, length=4):
    body = body_of(seed)

    def f(m, w, v, s, n, b, xs):
        carry, ys = rg.scan(body, (m, w, v, s, n, b), xs, reverse=backwards)
        return (*carry, *ys)

    return f, state_of(seed, dtype, length)


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize("seed", range(24))
def test_random_loops_give_what_the_interpreters_give(seed):
    f, args = random_loop(seed, ("float32", "float64")[seed % 2], backwards=seed % 3 == 0)
    agree(compiled(f, *args), args)


@pytest.mark.parametrize(
    "level", [pytest.param(v, marks=pytest.mark.skipif(not host_has(v), reason="needs it")) for v in LEVELS]
)
@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize("seed", range(24, 28))
def test_every_level_gives_what_the_interpreters_give(level, seed):
    f, args = random_loop(seed, ("float32", "float64")[seed % 2], backwards=False)
    agree(compiled(f, *args, target=target_for(level)), args)


@pytest.mark.usefixtures("generous")
@pytest.mark.parametrize("seed", range(28, 31))
def test_code_for_wider_vectors_is_valid(seed):
    """What this host cannot run can be compiled for another one."""
    target = describe("x86-64-v4", "x86_64", "znver4", dict.fromkeys(FEATURES["x86-64-v4"], True))
    f, args = random_loop(seed, "float32", backwards=True)
    compiled(f, *args, target=target)


def test_special_numbers_go_their_way():
    def f(v, xs):
        def body(c, x):
            c = rg.where(x > 0, rg.maximum(c, x), c * x)
            return c, rg.stack([rg.max(c), rg.sum(c), rg.min(c * 0)])

        return rg.scan(body, v, xs)

    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0], "float32")
    args = [special[::-1].copy(), np.stack([special, np.roll(special, 1), np.ones(6, "float32")])]
    with np.errstate(all="ignore"):
        agree(compiled(f, *args), args)


def test_carries_change_places():
    """In and out of step with the layouts that an iteration leaves."""

    def f(a, b, c):
        return rg.fori_loop(0, 5, lambda i, s: (s[1], s[2].T.reshape(3, 4), s[0] + 1), (a, b, c))

    args = [np.arange(12.0).reshape(3, 4) * k for k in (1, 10, 100)]
    agree(compiled(f, *args), args)


def test_nothing_and_single_numbers():
    def f(e, s, xs):
        def body(c, x):
            e, s = c
            return (e * 2, s + rg.sum(e) + rg.sum(x, axis=0)), (s, e, x)

        return [x for part in rg.scan(body, (e, s), xs) for x in part]

    args = [np.zeros((2, 0)), np.array(1.5), np.zeros((3, 0))]
    agree(compiled(f, *args), args)


def test_the_counter_is_a_number():
    def f(v):
        return [rg.fori_loop(0, 300, lambda i, c: c * 0.99 + rg.arange(6) * rg.asarray(i, dtype="float64"), v)]

    args = [np.ones(6)]
    agree(compiled(f, *args), args)


@pytest.mark.parametrize("backwards", [False, True])
def test_more_iterations_than_go_at_once(backwards):
    length = 2 * registers.ITERATIONS + 3

    def f(v, xs):
        return rg.scan(lambda c, x: (rg.tanh(c + x), c[::-1] * 2), v, xs, reverse=backwards)

    args = [np.ones(3, "float32"), np.random.default_rng(0).normal(size=(length, 3)).astype("float32")]
    agree(compiled(f, *args), args)


def test_a_loop_within_a_loop_sees_its_rows():
    def f(m, xs):
        def outer(c, block):
            return rg.scan(lambda d, x: (rg.tanh(d * 0.5 + x), rg.sum(d)), c, block)

        return rg.scan(outer, m, xs)

    args = [np.ones((2, 3)), np.random.default_rng(0).normal(size=(4, 5, 3))]
    agree(compiled(f, *args), args)


def test_training_fits():
    """The network for which all this is."""
    rng = np.random.default_rng(0)

    def f(w, b, v, d, x, y):
        def step(i, c):
            w, b, v, d, _ = c
            h = rg.tanh(x @ w + b)
            e = h @ v + d - y
            g = (e * 0.5) @ v.T * (1 - h * h)
            return (w - 0.1 * (x.T @ g), b - 0.1 * rg.sum(g, axis=0), v - 0.1 * (h.T @ (e * 0.5)),
                    d - 0.1 * rg.sum(e * 0.5, axis=0), rg.mean(e * e))  # fmt: skip

        return rg.fori_loop(0, 600, step, (w, b, v, d, rg.asarray(0.0, dtype="float32")))

    shapes = ((2, 8), (8,), (8, 1), (1,), (4, 2), (4, 1))
    args = [rng.normal(size=s).astype("float32") for s in shapes]
    executable = compiled(f, *args)
    agree(executable, args)
    same = executable(args)
    assert all(np.array_equal(a, b) for a, b in zip(executable(args), same, strict=True))


# What does not fit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        lambda i, c: c @ c.T @ c,  # too much work
        lambda i, c: c * c[rg.asarray(i) * 3, 0],  # a check
        lambda i, c: rg.sin(c * 1e6),  # branches
    ],
    ids=["large", "checked", "branches"],
)
def test_other_loops_are_written_as_before(step):
    args = [np.full((40, 40), 0.1)]
    executable = compiled(lambda m: [rg.fori_loop(0, 2, step, m)], *args, fits=False)
    agree(executable, args)


# Interrupts -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_an_interrupt_leaves_the_last_completed_iteration():
    a, b, n = (rg.Buffer(np.zeros(s), name="cell") for s in ((3, 4), 5, ()))

    def body(i, c):
        a.value, b.value, n.value = a + 1, b[::-1] + 2, n + 1
        return c

    class Stop(Exception):
        pass

    def handler(*_):
        raise Stop

    run = rg.jit(lambda: rg.fori_loop(0, 1 << 50, body, rg.tensor(0.0)))
    before, seen = signal.signal(signal.SIGVTALRM, handler), []
    try:
        for _ in range(2):
            signal.setitimer(signal.ITIMER_VIRTUAL, 1.0 if not seen else 0.1)  # the first time it is compiled too
            with pytest.raises(Stop):
                run()
            seen.append(int(n.array))
            assert (a.array == seen[-1]).all()
            assert (b.array == 2 * seen[-1]).all()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert seen[1] > seen[0] > 0
    assert "_registers" in run.last.engine.executable.llvm_ir


# Parts ----------------------------------------------------------------------------------------------------------------


def straight():
    return Straight(Module(), "f", [("ptr", "state")], target_for("x86-64-v2"), 1000, {}, False)


def test_pieces_are_runs_in_powers_of_two():
    assert pieces([7, 0, 1, 2, 3, 4], 4) == [range(4), range(4, 5), range(7, 8)]


def test_every_order_has_every_point_once():
    for space in ((), (1,), (5,), (3, 5), (2, 1, 9), (4, 3, 2)):
        for reduced in ((False,) * len(space), tuple(i % 2 == 1 for i in range(len(space)))):
            for way in orders(space, reduced, 4):
                points = sorted(p for c in way for p in c if p is not None)
                assert points == list(range(int(np.prod(space))))
                assert all(len(c) in (1, 2, 4) for c in way)
    assert chunks_of([1, 2, 3], 4) == [(1, 2, 3, None)]


def test_equal_instructions_are_written_once_and_constant_ones_before_the_loop():
    f = straight()
    first = f.value("load i64, ptr %state")
    assert f.value("load i64, ptr %state") == first
    assert len(f.before) == 1 and not f.lines
    assert f.value(f"add i64 {first}, %index") == f.value(f"add i64 {first}, %index")
    assert len(f.lines) == 1


def test_a_trial_leaves_no_trace():
    f = straight()
    assert f.price(lambda: f.value("add i64 %index, 1"), 10.0) == 1.0
    assert f.price(lambda: f.value("add i64 %index, 1"), 0.5) == float("inf")
    assert not f.lines and f.cost == 0.0


def test_lanes_in_order_cost_nothing():
    f = straight()
    own = [Place("%index", i, 4) for i in range(4)]
    assert f.gather("float", own) == "%index"
    assert f.gather("float", [None, *own[1:]]) == "%index"
    assert not f.lines
    f.gather("float", own[::-1])
    assert len(f.lines) == 1


@pytest.mark.parametrize("ids", [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, None), (2, 2, 2, 2), (0, 1, 2, 3)])
def test_what_belongs_together_is_combined(ids):
    f, sums = straight(), {}
    registers = [(f"%r{n}", ids) for n in range(3)]

    def add(lanes, a, b):
        sums[name := f.op("add", Type("i32", lanes), a, b)] = (a, b)
        return name

    found = [i for _, own in combined(f, "i32", registers, add) for i in own if i is not None]
    assert sorted(found) == sorted({i for i in ids if i is not None})
