"""Passes on random programs, and on programs made of every part of the library: results stay, to the bit.

NumPy sums, and calls BLAS, in an order that depends on how an array lies in memory, and a pass may change that. So that
nothing but the values counts, every operand here lies row by row, and pointwise operands are stretched to full shape.
"""

from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import retrograd as rg
from retrograd.core.box import Box
from retrograd.core.types import type_of
from retrograd.graph.ir import Literal
from retrograd.graph.trace import trace
from retrograd.passes.expand import expand
from retrograd.passes.pipeline import PASSES, optimise
from retrograd.passes.stable import stabilise
from retrograd.primitives.families import Pointwise
from tests.composition.programs import POINT, PROGRAMS
from tests.property.random_programs import RETROGRAD, programs

EXACT = tuple(p for p in PASSES if p is not stabilise)
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 3.0])
DEEP = settings(max_examples=1000, suppress_health_check=list(HealthCheck))
FAST = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def row_by_row(graph, args, watch=None):
    """`evaluate`, whatever the operands' strides are."""
    values = dict(zip(graph.inputs, args, strict=True))

    def value(operand):
        return operand.value if isinstance(operand, Literal) else values[operand]

    for e in graph.equations:
        xs = [value(o) for o in e.operands]
        if isinstance(e.prim, Pointwise):
            xs = [np.broadcast_to(x, e.outs[0].shape) if isinstance(x, np.ndarray) else x for x in xs]
        out = e.prim.evaluate(*[np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in xs])
        values.update(zip(e.outs, map(np.asarray, out if e.prim.multi else (out,)), strict=True))
    return [np.asarray(value(o)) for o in graph.outputs]


def run(graph, args):
    inner = [mock.patch(f"retrograd.primitives.{name}", row_by_row) for name in ("loops.evaluate", "control.run_inner")]
    with inner[0], inner[1], np.errstate(all="ignore"):
        return row_by_row(graph, args)


def traced(f, args):
    """The graph of a function, and the values it closes over."""

    def flat(*xs):
        return [x if isinstance(x, Box) else np.asarray(x) for x in f(*xs)]

    found = trace(flat, [type_of(a) for a in args], "a test", recording=False)
    return found.graph, [np.asarray(getattr(e, "value", e)) for e in found.extras]


def bits(array):
    """What has to be the same: dtype, shape, every bit but a NaN's sign and payload."""
    plain = np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array
    return array.dtype, array.shape, plain.tobytes()


def check(f, *argument_lists):
    graph, rest = traced(f, argument_lists[0])
    small = optimise(graph, passes=EXACT)
    wide = optimise(expand(optimise(graph), labels_checked=True))
    assert small.in_types == wide.in_types == graph.in_types
    assert small.out_types == wide.out_types == graph.out_types
    for args in argument_lists:
        wanted = run(graph, [*args, *rest])
        assert list(map(bits, run(small, [*args, *rest]))) == list(map(bits, wanted))
    for found, value in zip(
        run(wide, [*argument_lists[0], *rest]), run(graph, [*argument_lists[0], *rest]), strict=True
    ):
        tolerance = 1e-3 if value.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(found, value, rtol=tolerance, atol=tolerance)


def check_random(program):
    """A program and its derivative, on ordinary and on special values."""
    inputs = program.inputs()
    rng = np.random.default_rng(program.seed)
    special = [SPECIAL[rng.integers(0, len(SPECIAL), s)].astype(program.dtype) for s in program.shapes]
    f = lambda *xs: program.run(RETROGRAD, xs)
    cts = tuple(np.asarray(rng.normal(size=o.shape), program.dtype) for o in f(*inputs))

    def both(*xs):
        outs, pull = rg.vjp(f, *xs)
        return (*outs, *pull(cts))

    check(both, inputs, special)


@FAST
@given(programs(steps=10))
def test_random_programs(program):
    check_random(program)


@pytest.mark.deep
@pytest.mark.timeout(1200)
@DEEP
@given(programs(steps=16))
def test_more_and_longer_random_programs(program):
    check_random(program)


LEVELS = {
    "value": lambda f: lambda x: (f(x),),
    "gradient": lambda f: rg.value_and_grad(f),
    "tangent": lambda f: lambda x: rg.jvp(f, (x,), (x * x,)),
    "product with the Hessian": lambda f: rg.grad(lambda v: rg.sum(rg.grad(f)(v) * v)),
    "lanes": lambda f: rg.vmap(rg.grad(f)),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_part_of_the_library(name, level):
    of = LEVELS[level](PROGRAMS[name])
    function = of if level in {"value", "gradient", "tangent"} else lambda x: (of(x),)
    points = [POINT, np.array([0.0, -1.0, np.inf]), np.array([-0.0, np.nan, 1.0])]
    if name == "solved":  # an iteration that finds no number raises
        points = points[:1]
    check(function, *[[np.stack([p, -p]) if level == "lanes" else p] for p in points])


def test_cells_that_loops_and_arms_assign():
    total, count, unread = (rg.Buffer(np.zeros(3)), rg.Buffer(np.asarray(0)), rg.Buffer(np.zeros(3)))

    def step(i, v):
        total.value = total.value + v * (2.0 / 4.0)
        count.value = count.value + 1
        unread.value = v * 1.0
        return rg.tanh(v) + total.value

    @rg.jit
    def f(x):
        y = rg.fori_loop(0, 4, step, x)
        z = rg.while_loop(lambda v: rg.sum(v * v) > 0.1, lambda v: step(0, v) * 0.1 - total.value, y)
        return rg.cond(rg.sum(z) > 0, lambda v: step(1, v), lambda v: v, y)

    f(rg.tensor(POINT))
    graph = f.graph
    rng = np.random.default_rng(0)
    args = [rng.normal(size=t.shape) if t.is_float else rng.integers(0, 9, t.shape) for t in graph.in_types]
    small = optimise(graph, passes=EXACT)
    assert small.in_types == graph.in_types
    assert small.out_types == graph.out_types
    assert list(map(bits, run(small, args))) == list(map(bits, run(graph, args)))
