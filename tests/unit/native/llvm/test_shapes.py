"""Nests may be written with their dimensions merged and in another order: they mean the same."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from retrograd.native.llvm.shapes import arranged
from retrograd.native.loops.interpret import interpret
from retrograd.native.loops.ir import Nest, bodies
from retrograd.native.loops.verify import verify
from tests.property.random_programs import RETROGRAD, programs
from tests.property.test_passes import traced
from tests.unit.native.lower.test_memory import arguments, planned
from tests.unit.passes.test_pipeline import PROGRAMS, graph_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def rearranged(body):
    """How many nests have become others."""
    changed = 0
    for i, s in enumerate(body):
        if isinstance(s, Nest) and 0 not in s.space:
            body[i] = arranged(s)
            changed += body[i] is not s
        changed += sum(rearranged(inside) for inside in bodies(s))
    return changed


def check(graph, args):
    program = planned(graph)
    wanted = interpret(program, args)
    changed = rearranged(program.body)
    for x, y in zip(interpret(verify(program), args), wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4 if x.dtype == np.float32 else 1e-12, atol=1e-6)
    return changed


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_mean_the_same(name):
    graph = graph_of(name)
    assert check(graph, arguments(graph, np.random.default_rng(0)))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(programs(steps=10))
def test_random_programs_mean_the_same(program):
    inputs = program.inputs()
    graph, rest = traced(lambda *xs: program.run(RETROGRAD, xs), inputs)
    check(graph, [*inputs, *rest])


def test_dimensions_merge_where_every_view_goes_on_evenly():
    graph, _ = traced(lambda x, y: (x + y, x.T * 2), [np.ones((4, 5, 1)), np.ones((4, 5, 1))])
    spaces = [arranged(s).space for s in planned(graph).body]
    assert (20,) in spaces
