"""Random programs, with and without loops, and their derivatives: native code gives what the interpreters give."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

import retrograd as rg
from retrograd.graph.interpret import evaluate
from retrograd.native.executable import Executable
from retrograd.native.loops.verify import verify
from retrograd.testing.native_laws import by_loops, poisoned
from tests.property import native_programs
from tests.property.random_programs import RETROGRAD, programs
from tests.property.test_passes import traced

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
FAST = settings(max_examples=40, suppress_health_check=list(HealthCheck))
DEEP = settings(max_examples=250, suppress_health_check=list(HealthCheck))
CLOSE = {"float64": 1e-10, "float32": 2e-3}
SPECIAL = np.array([0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 3.0])


def close(found, wanted, dtype, what):
    for f, w in zip(found, wanted, strict=True):
        f, w = np.asarray(f), np.asarray(w)
        assert (f.shape, f.dtype) == (w.shape, w.dtype), what
        np.testing.assert_allclose(f, w, rtol=CLOSE[dtype], atol=CLOSE[dtype], err_msg=what)


def check(f, argument_lists, dtype):
    graph, rest = traced(f, argument_lists[0])
    executable = Executable(graph)
    verify(executable.program)
    for n, own in enumerate(argument_lists):
        args = [*own, *rest]
        # Special values are compared after the passes: a stable form may be finite where the plain one is not.
        wanted = evaluate(executable.graph if n else graph, args)
        found = [np.array(o) for o in executable(args)]
        close(found, wanted, dtype, "native")
        close(by_loops(executable, args), wanted, dtype, "loops")
        for a, b in zip(poisoned(executable, args, 0xFF), found, strict=True):
            np.testing.assert_array_equal(a, b, err_msg="memory full of NaN")


def with_gradient(f, outs, seed):
    rng = np.random.default_rng(seed)
    cts = tuple(np.asarray(rng.normal(size=o.shape), o.dtype) for o in outs)

    def both(*xs):
        values, pull = rg.vjp(f, *xs)
        return (*values, *pull(cts))

    return both


def check_straight(program):
    inputs = program.inputs()
    rng = np.random.default_rng(program.seed)
    special = [SPECIAL[rng.integers(0, len(SPECIAL), s)].astype(program.dtype) for s in program.shapes]
    f = lambda *xs: program.run(RETROGRAD, xs)
    # BLAS skips factors of zero, also where the other one is infinite: no specification of products of such values.
    multiplies = any(step.name == "times_own_transpose" for step in program.steps)
    check(with_gradient(f, f(*inputs), program.seed), [inputs, special][: 1 if multiplies else 2], program.dtype)


def check_loops(program, seed, dtype):
    state = native_programs.state_of(seed, dtype)
    f = native_programs.function(program)
    outs = f(*state)
    check(f, [state], dtype)
    check(with_gradient(f, outs, seed), [state], dtype)


@FAST
@given(programs(steps=10))
def test_straight_programs(program):
    check_straight(program)


@FAST
@given(native_programs.loops(), st.integers(0, 99), st.sampled_from(["float64", "float64", "float32"]))
def test_loops(program, seed, dtype):
    check_loops(program, seed, dtype)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@DEEP
@given(programs(steps=16))
def test_more_and_longer_straight_programs(program):
    check_straight(program)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@DEEP
@given(native_programs.loops(8), st.integers(0, 99), st.sampled_from(["float64", "float32"]))
def test_more_and_longer_loops(program, seed, dtype):
    check_loops(program, seed, dtype)
