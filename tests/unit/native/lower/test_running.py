"""Running sums and products compiled: a loop that carries a row, in the interpreter's order and with its bits."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import retrograd as rg
from retrograd.core.types import type_of
from retrograd.graph.interpret import evaluate
from retrograd.graph.trace import trace_pure
from retrograd.native.executable import Executable
from retrograd.native.llvm import program, registers
from retrograd.native.loops.ir import Loop, walk
from retrograd.native.runtime.cpu import current_target
from retrograd.testing.cases import need_same
from retrograd.testing.native_laws import poisoned

SIZES = (1, 2, 3, 7, 8, 16, 17, 33, 64, 100, 1000)
SHAPES = [(1, 5), (5, 1), (9, 16), (16, 9), (3, 1000), (1000, 3), (4, 3, 5)]


def executable(f, *args, **target):
    graph = trace_pure(lambda *xs: list(f(*xs)), [type_of(a) for a in args], "a test")
    return Executable(graph, target=replace(current_target(), **target) if target else None)


def agrees(f, *args):
    run = executable(f, *args)
    wanted = [np.asarray(v) for v in evaluate(run.graph, args)]
    need_same(run(args), wanted, "native")
    need_same(poisoned(run, args, 0xFF), wanted, "native in old memory")
    return run


def every(x, axis):
    """Forwards and backwards, fed and read by what is fused around it, and the recurrence that gradients are made of."""
    back = rg.flip(rg.cumsum(rg.flip(x, axis=axis), axis=axis), axis=axis)
    fed = rg.cumprod(x * 0.5 + 1, axis=axis) - x
    return (
        rg.cumsum(x, axis=axis),
        rg.cumprod(x, axis=axis),
        back,
        fed,
        rg.grad(lambda x: rg.sum(rg.cumprod(x, axis=axis)))(x),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_all_sizes(dtype):
    for n in SIZES:
        agrees(lambda x: every(x, 0), np.random.default_rng(n).uniform(-1.2, 1.2, n).astype(dtype))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_along_every_axis(shape):
    x = np.random.default_rng(0).uniform(-1.2, 1.2, shape)
    for axis in range(len(shape)):
        agrees(lambda x, axis=axis: every(x, axis), x)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "bool"])
def test_integers_wrap_and_booleans_are_logic(dtype):
    from retrograd.core.dispatch import apply1
    from retrograd.primitives.cumulative import CumulativeProduct, CumulativeSum, Prod

    prims = [CumulativeSum.of(1, True), CumulativeProduct.of(0, False), Prod.of((1,), False), Prod.of((0, 1), True)]
    x = np.random.default_rng(0).integers(-50, 50, (5, 9)).astype(dtype)
    agrees(lambda x: [apply1(p, x) for p in prims], x)
    agrees(lambda x: [apply1(p, x) for p in prims], np.ones((5, 9), dtype))


def test_what_is_no_array_in_memory():
    """Numbers counted, and one number stretched."""
    agrees(lambda x: (rg.cumsum(rg.arange(9)), rg.cumprod(rg.broadcast_to(x, (3, 4)), axis=0)), np.array(1.5))
    agrees(lambda x: (rg.cumsum(x.T, axis=0), rg.cumsum(x[::2, ::-1], axis=1)), np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize("n", [2, 3, 5, 8, 16, 17, 63, 64, 100, 1000, 4099])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_all_sizes(n, dtype):
    x = np.exp(np.random.default_rng(n).normal(size=(3, n)) / np.sqrt(n)).astype(dtype)
    for axis, y in ((1, x), (0, np.ascontiguousarray(x.T))):
        run = executable(lambda x, axis=axis: [rg.prod(x, axis=axis)], y)
        wanted = np.prod(y.astype(np.longdouble), axis=axis)
        error = np.abs(np.asarray(run([y])[0]) - wanted) / wanted
        assert (error <= n * np.finfo(dtype).eps).all()
    need_same(run([y]), executable(lambda x: [rg.prod(x, axis=0)], y, threads=1)([y]), "threads")


def test_a_short_row_stays_in_registers(monkeypatch):
    loops = []
    write = registers.write_loop

    def noted(module, target, table, whole, loop, name):
        loops.append(write(module, target, table, whole, loop, name))
        return loops[-1]

    monkeypatch.setattr(program.registers, "write_loop", noted)
    agrees(lambda x: [rg.cumsum(x, axis=0)], np.random.default_rng(0).normal(size=(300, 8)))
    assert loops[0] is not None


def test_a_long_one_may_be_interrupted_and_is_no_iteration_of_the_program():
    few, many = (executable(lambda x: [rg.cumsum(x)], np.zeros(n, "f4")) for n in (1000, 2_000_000))
    for run, polls in ((few, False), (many, True)):
        (loop,) = [s for s in walk(run.program.body) if isinstance(s, Loop)]
        assert (loop.top, loop.polls) == (False, polls)
    x = np.random.default_rng(0).normal(size=2_000_000).astype("f4")
    need_same(many([x]), [np.cumsum(x)], "a long row")


def test_inside_a_loop_over_steps():
    @rg.jit
    def run(x):
        return rg.fori_loop(0, 5, lambda i, v: rg.cumsum(v) / rg.prod(1 + v * v) + rg.astype(i, "float64"), x)

    v = x = np.random.default_rng(0).normal(size=6)
    for i in range(5):
        v = np.cumsum(v) / np.prod(1 + v * v) + i
    np.testing.assert_allclose(run(x), v, rtol=1e-13)
    assert "host" not in run.loops
