"""Commit: after an error or an interrupt, at any point, cells are as the last completed iteration left them."""

import linecache
import sys
from pathlib import Path

import numpy as np
import pytest

import retrograd as rg

PACKAGE = str(Path(rg.__file__).parent)


BETWEEN = ("with ", "try:", "finally:", "token = ", "class ", "def ", "@")


class Bomb:
    """Raise KeyboardInterrupt at the n-th line that runs inside the package.

    Not at lines that a trace function sees twice or too early: CPython runs signal handlers after calls, at the head of
    functions and at the end of a loop's body, never between the parts of a `with` statement.
    """

    def __init__(self, fuse):
        self.fuse = fuse
        self.went_off = False

    def trace(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            code = frame.f_code
            if linecache.getline(code.co_filename, frame.f_lineno).strip().startswith(BETWEEN):
                return self.trace
            self.fuse -= 1
            if self.fuse == 0:
                self.went_off = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.trace

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, kind, *_):
        sys.settrace(self.before)
        return kind is KeyboardInterrupt


class Pair:
    """Two cells and a count that belong together: after n steps they hold (start + n, 2 (start + n), n)."""

    def __init__(self):
        self.a = rg.Parameter(np.array([0.0]), requires_grad=True, name="a")
        self.b = rg.Buffer(np.array([0.0]), name="b")
        self.n = rg.Buffer(np.array(0), name="n")

    def step(self, extra=0.0):
        self.a.grad = None
        loss = rg.sum(self.a * 3)
        loss.backward()
        self.a.value = self.a + self.a.grad / 3 + extra
        self.b.value = self.b + 2
        self.n.value = self.n + 1
        return loss.detach()

    def state(self):
        """The number of steps taken, if the cells agree on it."""
        n = int(self.n.array)
        assert float(self.a.array[0]) == n, (self.a.array, n)
        assert float(self.b.array[0]) == 2 * n, (self.b.array, n)
        grad = self.a.grad_cell.array
        assert (grad is None) if n == 0 else (grad is None or float(grad[0]) == 3.0)
        return n


def start():
    return rg.tensor(0.0, dtype="float64")


PROGRAMS = {  # name -> (function of a pair, steps it takes, steps after which it may stop)
    "jit": (lambda p: rg.jit(p.step), 1, {0, 1}),
    "eager loop": (lambda p: lambda: rg.fori_loop(0, 3, lambda i, c: p.step(), start()), 3, {0, 1, 2, 3}),
    "eager while": (
        lambda p: lambda: rg.while_loop(lambda c: c < 3, lambda c: (p.step(), c + 1)[1], start()), 3, {0, 1, 2, 3},
    ),
    "loop in jit": (lambda p: rg.jit(lambda: rg.fori_loop(0, 3, lambda i, c: p.step(), start())), 3, {0, 1, 2, 3}),
    "while in jit": (
        lambda p: rg.jit(lambda: rg.while_loop(lambda c: c < 3, lambda c: (p.step(), c + 1)[1], start())), 3,
        {0, 1, 2, 3},
    ),
    "loop of jit": (
        lambda p: lambda step=rg.jit(p.step): rg.fori_loop(0, 3, lambda i, c: step(), start()), 3, {0, 1, 2, 3},
    ),
    "loop of loops": (
        lambda p: rg.jit(
            lambda: rg.fori_loop(
                0, 2, lambda i, c: rg.fori_loop(0, 2, lambda j, d: p.step(), start()), start()
            )
        ), 4, {0, 2, 4},
    ),
    "step, loop, step": (
        lambda p: rg.jit(lambda: (p.step(), rg.fori_loop(0, 2, lambda i, c: p.step(), start()), p.step())[1]), 4,
        {0, 2, 3, 4},
    ),
    "two loops": (
        lambda p: rg.jit(
            lambda: [rg.fori_loop(0, 2, lambda i, c: p.step(), start()) for _ in range(2)]
        ), 4, {0, 1, 2, 3, 4},
    ),
    "recorded jit": (lambda p: rg.jit(lambda: (p.step(), rg.sum(p.a * 2))[1]), 1, {0, 1}),
    "checkpoint": (lambda p: rg.checkpoint(p.step), 1, {0, 1}),
    "cond": (lambda p: lambda: rg.cond(rg.tensor(True), p.step, start), 1, {0, 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("lent", [False, True], ids=["own", "lent"])
def test_an_interrupt_at_any_line_leaves_a_completed_iteration(name, lent):
    make, steps, allowed = PROGRAMS[name]
    pair = Pair()
    program = make(pair)
    program()
    assert pair.state() == steps
    fuse, seen = 1, set()
    while True:
        for cell in (pair.a, pair.b, pair.n):
            cell.rebind(np.zeros_like(cell.array))
            cell.lent = lent
        pair.a.grad_cell.rebind(None)
        with Bomb(fuse) as bomb:
            program()
        seen.add(pair.state())
        if not bomb.went_off:
            break
        fuse += 1 if fuse < 25 else 17 if fuse < 250 else 241
    assert fuse > 20
    assert seen <= allowed
    assert steps in seen
    assert 0 in seen
    pair.step()  # nothing is left behind that would hinder the next step


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_interrupt_while_tracing_changes_no_cell(name):
    make, steps, allowed = PROGRAMS[name]
    fuse = 1
    while True:
        pair = Pair()
        with Bomb(fuse) as bomb:
            make(pair)()
        assert pair.state() in allowed
        if not bomb.went_off:
            break
        fuse = int(fuse * 1.5) + 1
    assert pair.state() == steps


FAILURES = {
    "jit": (lambda p, f: rg.jit(lambda: f(p, 0)), 0),
    "loop in jit": (lambda p, f: rg.jit(lambda: rg.fori_loop(0, 4, lambda i, c: f(p, i), start())), 2),
    "eager loop": (lambda p, f: lambda: rg.fori_loop(0, 4, lambda i, c: f(p, i), start()), 2),
    "scan": (lambda p, f: lambda: rg.scan(lambda c, i: (f(p, i), c), start(), rg.arange(4)), 2),
    "while in jit": (
        lambda p, f: rg.jit(lambda: rg.while_loop(lambda i: i < 4, lambda i: (f(p, i), i + 1)[1], rg.tensor(0))), 2,
    ),
    "dynamic count": (lambda p, f: lambda: rg.fori_loop(0, rg.tensor(4), lambda i, c: f(p, i), start()), 2),
}  # fmt: skip


@pytest.mark.parametrize("make", FAILURES.values(), ids=FAILURES.keys())
def test_a_bad_index_leaves_the_last_completed_iteration(make):
    table = rg.tensor([0.0, 0.0], dtype="float64")

    def failing(p, i):
        """Fails at the third iteration, or at once in a program without a loop."""
        loss = p.step()
        place = rg.asarray(i) if isinstance(i, rg.Tensor) else limit.value
        return loss + table[place]

    limit = rg.Buffer(np.array(0))
    build, expected = make
    pair = Pair()
    program = build(pair, failing)
    if expected == 0:
        program()
        assert pair.state() == 1
        limit.value = 7
        with pytest.raises(IndexError, match="7"):
            program()
        assert pair.state() == 1
        return
    with pytest.raises(IndexError, match="2"):
        program()
    assert pair.state() == expected
    with pytest.raises(IndexError):
        program()
    assert pair.state() == 2 * expected


def test_an_error_while_tracing_changes_no_cell():
    pair = Pair()

    @rg.jit
    def f():
        pair.step()
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            f()
        assert pair.state() == 0
    with pytest.raises(LookupError):
        rg.fori_loop(0, 3, lambda i, c: (pair.step(), f())[1], start())
    assert pair.state() == 0


def test_a_sweep_that_fails_commits_no_leaf():
    """The second leaf's cotangent cannot be computed: the first gets none either."""
    p, q = rg.Parameter(np.ones(2), name="p"), rg.Parameter(np.ones(2), name="q")

    @rg.custom_vjp
    def broken(x):
        return x * 1

    def backward(r, ct):
        raise LookupError("broken rule")

    broken.defvjp(lambda x: (x * 1, ()), backward)
    with pytest.raises(LookupError):
        rg.sum(p * 2 + broken(q)).backward()
    assert p.grad is None
    assert q.grad is None


def test_a_sweep_that_crosses_a_border_commits_no_leaf():
    p = rg.Parameter(np.ones(2))

    def body(i, c):
        rg.sum(p * outside).backward()
        return c

    outside = p * 2
    with pytest.raises(rg.errors.BorderCrossed):
        rg.fori_loop(0, 2, body, start())
    assert p.grad is None


def test_python_loops_keep_what_was_assigned():
    pair = Pair()
    step = rg.jit(pair.step)
    with pytest.raises(KeyboardInterrupt):
        for i in range(5):
            step()
            if i == 2:
                raise KeyboardInterrupt
    assert pair.state() == 3
