"""The memory plan: buffers that are alive together never overlap."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.graph.ir import Graph, Var
from retrograd.native.loops.interpret import _Run, interpret
from retrograd.native.loops.ir import root, walk, writes
from retrograd.native.loops.verify import verify
from retrograd.native.lower.lowering import lower
from retrograd.native.lower.memory import ALIGNMENT, plan
from retrograd.passes.backend import for_loops
from tests.property import native_programs
from tests.property.random_programs import RETROGRAD, programs
from tests.property.test_passes import traced
from tests.unit.passes.test_pipeline import PROGRAMS, graph_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SOME = settings(max_examples=30, suppress_health_check=list(HealthCheck))


def planned(graph):
    graph = for_loops(graph)
    outputs = tuple(o for o in graph.outputs if isinstance(o, Var) and o not in graph.inputs)
    program = verify(lower(Graph(graph.inputs, graph.equations, outputs)))
    plan(program)
    return program


class _Planned(_Run):
    """Every buffer lies where the plan puts it, in an arena full of NaN."""

    def __init__(self, program, values):
        super().__init__(program, values)
        arena = np.full(program.arena_bytes, 0xFF, np.uint8)
        for b in program.buffers:
            assert b.place % ALIGNMENT == 0
            self.memory[b] = arena[b.place : b.place + b.bytes].view(b.dtype)


def check(graph, values):
    program = planned(graph)
    for found, wanted in zip(_Planned(program, values).outputs(), interpret(program, values), strict=True):
        np.testing.assert_array_equal(found, wanted)
    return program


def arguments(graph, rng):
    return [rng.uniform(0.1, 0.9, t.shape).astype(t.dtype) if t.is_float else rng.integers(1, 10, t.shape)
            for t in graph.in_types]  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_run_in_their_arena(name):
    graph = graph_of(name)
    check(graph, arguments(graph, np.random.default_rng(0)))


@SOME
@given(programs(steps=14))
def test_random_programs_run_in_their_arena(program):
    inputs = program.inputs()
    graph, rest = traced(lambda *xs: program.run(RETROGRAD, xs), inputs)
    check(graph, [*inputs, *rest])


@SOME
@given(native_programs.loops(7), st.integers(0, 9))
def test_loops_run_in_their_arena(program, seed):
    state = native_programs.state_of(seed, "float64")
    f = native_programs.function(program)

    def with_gradient(*xs):
        outs, pull = rg.vjp(f, *xs)
        return (*outs, *pull(tuple(outs)))

    graph, rest = traced(with_gradient, state)
    check(graph, [*state, *rest])


def test_memory_is_used_again():
    """A long chain of sums, each of which needs an array of its own, takes the memory of four."""

    def f(x):
        for _ in range(20):
            x = rg.tanh(x) * rg.sum(x, axis=0) + rg.flip(x, axis=0)
        return (x,)

    graph, _ = traced(f, [np.ones((30, 40))])
    program = planned(graph)
    written = {root(v.buffer) for s in walk(program.body) for v in writes(s)}
    assert set(program.buffers) <= written
    assert program.arena_bytes < 5 * 30 * 40 * 8


def test_what_no_loop_needs_takes_no_memory():
    graph, _ = traced(lambda x: (x.T.reshape(-1)[::2] + 1,), [np.ones((1, 8))])
    assert planned(graph).arena_bytes == 0
