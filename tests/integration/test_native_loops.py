"""Whole programs in native code: training in loops, interrupts, memory, threads, and how large the code gets."""

import gc
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import retrograd as rg
from retrograd import native, nn
from retrograd.core.primitive import REGISTRY
from retrograd.core.types import ArrayType
from retrograd.graph.interpret import evaluate
from retrograd.graph.ir import Equation, Graph, Var
from retrograd.native.executable import Executable
from retrograd.native.llvm.program import ProgramWriter
from retrograd.native.loops.ir import Loop, Nest, walk
from retrograd.native.lower.lowering import lower
from retrograd.native.lower.memory import plan
from retrograd.native.runtime.cpu import current_target
from retrograd.passes.backend import for_loops

pytestmark = pytest.mark.skipif(native.available() is not None, reason="nothing runs natively here")


def interpreted(f):
    """The same call on the graph interpreter."""

    def run(*args):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RETROGRAD_ENGINE", "interpreter")
            return f(*args)

    return run


def numbers(tree):
    return [np.asarray(v) for v in (tree if isinstance(tree, list | tuple) else [tree])]


def nearly(found, wanted, tolerance):
    for f, w in zip(numbers(found), numbers(wanted), strict=True):
        assert f.dtype == w.dtype
        np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance)


# Training -------------------------------------------------------------------------------------------------------------


class Training:
    """A net with dropout on a batch gathered by index, any optimiser, all of it in cells."""

    def __init__(self, optimizer, width=37):
        rng = np.random.default_rng(0)
        self.generator = rg.random.Generator(3)
        with rg.default_dtype("float32"):
            self.model = nn.Sequential(nn.Linear(11, width), nn.Tanh(), nn.Linear(width, 5))
        for p in self.model.parameters():
            p.value = rng.normal(size=p.shape, scale=0.3).astype("f")
        self.optimizer = optimizer(self.model.parameters())
        self.x = rg.tensor(rng.normal(size=(70, 11)).astype("f"))
        self.y = rg.tensor(rng.integers(0, 5, 70))
        self.order = rg.Buffer(rng.permutation(70))
        self.words = rg.Buffer(np.zeros(9, "u4"))

    def step(self, i):
        start = rg.where(i * 10 >= 70, 0, i * 10)
        places = self.order[start + rg.arange(10)]
        self.words.value = rg.random.bits(9, generator=self.generator)
        noise = rg.random.uniform((10, 11), generator=self.generator)
        x = self.x[places] * rg.where(noise < 0.2, 0.0, 1.25)
        self.optimizer.zero_grad()
        loss = nn.cross_entropy(self.model(x), self.y[places])
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def run(self, n):
        return rg.jit(lambda: rg.fori_loop(0, n, lambda i, loss: self.step(i), rg.tensor(0.0)))

    def state(self):
        return [np.asarray(p) for p in self.model.parameters()]


OPTIMIZERS = {
    "sgd": lambda p: rg.optim.SGD(p, lr=0.1),
    "momentum": lambda p: rg.optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: rg.optim.Adam(p, lr=1e-2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_in_a_loop(name):
    """As on the interpreter; random words bit for bit."""
    found, wanted = Training(OPTIMIZERS[name]), Training(OPTIMIZERS[name])
    runs = found.run(7), interpreted(wanted.run(7))
    for _ in range(3):
        nearly(runs[0](), runs[1](), 1e-4)
        nearly(found.state(), wanted.state(), 1e-4)
        np.testing.assert_array_equal(found.words.array, wanted.words.array)
        np.testing.assert_array_equal(found.generator.array, wanted.generator.array)


def recurrent(checkpointed):
    def loss(w, u, h, xs):
        def step(h, x):
            h = rg.tanh(h @ w + x @ u)
            return h, rg.sum(h * h, axis=1)

        body = rg.checkpoint(step) if checkpointed else step
        h, squares = rg.scan(body, h, xs)
        return rg.mean(h) + rg.mean(squares[::2])

    return loss


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize("checkpointed", [False, True], ids=["residuals", "checkpoint"])
def test_through_a_recurrent_net(checkpointed, dtype, tolerance):
    """Reverse, forward, and forward over reverse through 33 steps of 17 units, batch 5."""
    rng = np.random.default_rng(0)
    args = [rng.normal(size=s, scale=0.3).astype(dtype) for s in ((17, 17), (3, 17), (5, 17), (33, 5, 3))]
    vs = [rng.normal(size=a.shape).astype(dtype) for a in args]
    f = recurrent(checkpointed)
    places = tuple(range(4))
    roads = {
        "reverse": lambda *a: rg.grad(f, places)(*a),
        "forward": lambda *a: rg.jvp(f, a, vs)[1],
        "over lanes": lambda *a: rg.vmap(rg.grad(f), (None, None, 0, None))(a[0], a[1], rg.stack([a[2], -a[2]]), a[3]),
    }
    if not checkpointed:
        roads["forward over reverse"] = lambda *a: rg.jvp(lambda *b: rg.grad(f)(*b), a, vs)[1]
    for name, road in roads.items():
        nearly(
            rg.jit(road)(*args), interpreted(rg.jit(road))(*args), tolerance if name != "forward over reverse" else 1e-4
        )


# Errors and interrupts ------------------------------------------------------------------------------------------------


class Steps:
    """Cells that agree on how many steps were taken: every element is that number, or twice it."""

    def __init__(self, n=1003):
        self.a = rg.Buffer(np.zeros(n), name="a")
        self.b = rg.Buffer(np.zeros((3, n)), name="b")
        self.n = rg.Buffer(np.array(0), name="n")

    def step(self):
        turned = rg.concatenate([self.a[1:], self.a[:1]])
        self.a.value = turned + 1
        self.b.value = self.b + rg.stack([turned - turned + 2.0] * 3)
        self.n.value = self.n + 1

    def taken(self):
        n = int(self.n.array)
        assert (self.a.array == n).all()
        assert (self.b.array == 2 * n).all()
        return n


@pytest.mark.parametrize("when", ["before", "after", "between"])
def test_a_bad_index_leaves_whole_arrays_as_the_last_completed_iteration(when):
    table, steps = rg.tensor(np.zeros(6)), Steps()

    def body(i, c):
        if when == "before":
            c = c + table[i]
        steps.step()
        if when == "between":
            c = c + table[i] * steps.a[0]
            steps.a.value = steps.a + 0.0
        return c + table[i]

    run = rg.jit(lambda: rg.fori_loop(0, 9, body, rg.tensor(0.0, dtype="float64")))
    for n in (1, 2):
        with pytest.raises(IndexError, match="index 6"):
            run()
        assert steps.taken() == 6 * n


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.parametrize("kind", ["fori", "while", "second"])
def test_an_interrupt_in_native_code_ends_between_two_iterations(kind):
    steps = Steps()
    start = rg.tensor(0.0)

    def body(i, c):
        steps.step()
        return c

    def loops():
        if kind == "while":
            return rg.while_loop(lambda c: c < 1, lambda c: (steps.step(), c)[1], start)
        if kind == "second":
            rg.fori_loop(0, 3, body, start)
        return rg.fori_loop(0, 1 << 40, body, start)

    class Stop(Exception):
        pass

    def handler(*_):
        raise Stop

    run = rg.jit(loops)
    before, seen = signal.signal(signal.SIGVTALRM, handler), []
    try:
        for _ in range(2):
            signal.setitimer(
                signal.ITIMER_VIRTUAL, 1.0 if not seen else 0.1
            )  # the first time it is compiled too; SIGALRM is the test runner's
            with pytest.raises(Stop):
                run()
            seen.append(steps.taken())
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert seen[1] > seen[0] > 0


def test_other_threads_run_beside_a_native_loop():
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    run = rg.jit(lambda x, n: rg.fori_loop(0, n, lambda i, c: rg.tanh(c + 0.1), x))
    x = np.zeros(100_000)
    run(x, rg.tensor(1))
    thread = threading.Thread(target=tick)
    thread.start()
    before = len(ticks)
    run(x, rg.tensor(2000))
    after = len(ticks)
    done.set()
    thread.join()
    assert after - before > 3


# Memory ---------------------------------------------------------------------------------------------------------------

GROWTH = """
import resource
import numpy as np
import retrograd as rg

w, v = rg.Parameter(np.ones((13, 7), "f")), rg.Buffer(np.zeros((13, 7), "f"))
x = rg.tensor(np.full((5, 13), 0.1, "f"))

def step(i, c):
    w.grad = None
    loss = rg.mean(rg.tanh(x @ w + rg.random.uniform((5, 7))) ** 2)
    loss.backward()
    v.value = 0.9 * v + w.grad
    w.value = w - 0.01 * v
    return loss.detach()

run = rg.jit(lambda n: rg.fori_loop(0, n, step, rg.tensor(0.0)))
run(rg.tensor(10)), run(rg.tensor(10))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(rg.tensor(100_000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, float(w.array.sum()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_memory_is_flat_over_a_hundred_thousand_steps():
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    grown, total = done.stdout.split()
    assert int(grown) < 1024  # kilobytes; one step that stayed would cost 100 megabytes
    assert np.isfinite(float(total))


def test_memory_is_flat_over_ten_thousand_calls():
    w = rg.Parameter(np.ones((13, 7), "f"))

    @rg.jit
    def step(x):
        w.grad = None
        loss = rg.mean(rg.tanh(x @ w) ** 2)
        loss.backward()
        w.value = w - 0.01 * w.grad
        return loss.detach()

    x = rg.tensor(np.full((5, 13), 0.1, "f"))
    for _ in range(200):
        step(x)
    gc.collect()
    tracemalloc.start()
    try:
        step(x)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            step(x)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000
    assert peak - before < 100_000


def test_native_code_allocates_nothing():
    training = Training(OPTIMIZERS["adam"])
    run = training.run(3)
    run()
    text = run.programs[-1].engine.executable.llvm_ir
    declared = set(re.findall(r"^declare .*? @([\w.]+)\(", text, re.MULTILINE))
    assert all(name.startswith("llvm.") or name == "rg_run" for name in declared)


# Threads of Python ----------------------------------------------------------------------------------------------------


def together(seconds):
    """Four threads call one step and one predict; what they left, and what they saw."""
    training = Training(OPTIMIZERS["momentum"])
    calls, seen, failures = [], set(), []
    step = rg.jit(lambda: training.step(rg.tensor(2)))
    predict = rg.jit(lambda x: training.model(x))
    x = training.x
    end = time.monotonic() + seconds

    def work():
        try:
            while time.monotonic() < end and len(calls) < 3000:
                step()
                calls.append(1)
                if len(calls) % 7 == 0:
                    seen.add(predict(x).numpy().tobytes())
        except BaseException as error:  # noqa: BLE001 - the thread's, shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    serial = Training(OPTIMIZERS["momentum"])
    again, forward = rg.jit(lambda: serial.step(rg.tensor(2))), rg.jit(lambda x: serial.model(x))
    possible = {forward(x).numpy().tobytes()}
    for _ in calls:
        again()
        possible.add(forward(x).numpy().tobytes())
    for a, b in zip(training.state(), serial.state(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(training.generator.array, serial.generator.array)
    assert seen <= possible


def test_four_threads_equal_a_serial_run():
    together(1.0)


@pytest.mark.deep
def test_four_threads_equal_a_serial_run_for_longer():
    together(10.0)


# Size -----------------------------------------------------------------------------------------------------------------


def chain(n):
    """A graph of n scalar equations, each of the two values before it."""
    one = ArrayType((), np.dtype("float64"))
    x, y = Var(one), Var(one)
    values, equations = [x, y], []
    for i in range(n):
        out = Var(one)
        name = ("sin", "add", "multiply", "tanh", "subtract")[i % 5]
        prim = REGISTRY[name].of()
        operands = (values[-1],) if name in ("sin", "tanh") else (values[-1], values[-2])
        equations.append(Equation(prim, operands, (out,)))
        values.append(out)
    return Graph((x, y), tuple(equations), (values[-1], values[n // 2]))


def functions(graph):
    """The program of a graph, and the number of lines of each function of its code."""
    program = lower(for_loops(graph))
    plan(program)
    text = str(ProgramWriter(current_target(), program).write())
    return program, [f.count("\n") for f in re.split(r"^define ", text, flags=re.MULTILINE)[1:]]


def test_long_programs_are_split_into_functions_of_bounded_size():
    small, large = (functions(chain(n)) for n in (1000, 4000))
    assert max(large[1]) <= 1.2 * max(small[1])
    assert sum(large[1]) <= 4.4 * sum(small[1])
    assert 8 <= len(large[1]) <= 50


def test_a_long_scan_is_no_larger_than_a_short_one():
    def graph(n):
        run = rg.jit(rg.grad(lambda x, xs: rg.sum(rg.scan(lambda c, y: (rg.tanh(c * y), c), x, xs)[1])))
        run(np.ones(3), np.ones((n, 3)))
        return run.graph

    (short, few), (long, many) = (functions(graph(n)) for n in (10, 1000))
    assert sum(many) == sum(few)
    assert [type(s) for s in walk(long.body)] == [type(s) for s in walk(short.body)]
    assert [s.count for s in walk(long.body) if isinstance(s, Loop)] == [1000, 1000]
    assert sum(isinstance(s, Nest) for s in walk(long.body)) < 20


@pytest.mark.deep
@pytest.mark.timeout(120)
def test_ten_thousand_scalar_nodes_compile():
    graph = chain(10_000)
    run = Executable(graph)
    args = [np.asarray(0.3), np.asarray(0.7)]
    for found, wanted in zip(run(args), evaluate(graph, args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
