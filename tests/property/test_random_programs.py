"""Random programs give NumPy's values, and the same derivative forward, reverse, recorded, staged and over lanes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import retrograd as rg
from tests.property.random_programs import NUMPY, RETROGRAD, programs

DEEP = settings(max_examples=1500, suppress_health_check=list(HealthCheck))
FAST = settings(max_examples=60, suppress_health_check=list(HealthCheck))
EPS = {"float64": 1e-11, "float32": 2e-3}


def close(found, wanted, program, what):
    for f, w in zip(found, wanted, strict=True):
        f, w = np.asarray(f), np.asarray(w)
        assert f.shape == w.shape, what
        assert f.dtype == w.dtype == np.dtype(program.dtype), what
        np.testing.assert_allclose(f, w, rtol=EPS[program.dtype], atol=EPS[program.dtype], err_msg=what)


def check_values(program):
    inputs = program.inputs()
    close(program.run(RETROGRAD, inputs), program.run(NUMPY, inputs), program, "values")


def check_derivatives(program):
    inputs = program.inputs()
    f = lambda *xs: program.run(RETROGRAD, xs)
    rng = np.random.default_rng(1)
    draw = lambda arrays: [np.asarray(rng.normal(size=a.shape), program.dtype) for a in arrays]
    outs, pull = rg.vjp(f, *inputs)
    us, vs = draw(outs), draw(inputs)
    pulled = pull(tuple(us))
    close(pulled, rg.jit(lambda *xs: rg.vjp(f, *xs)[1](tuple(us)))(*inputs), program, "staged reverse")
    pushed = rg.jvp(f, inputs, vs)[1]
    left = sum(float(np.vdot(u, np.asarray(t))) for u, t in zip(us, pushed, strict=True))
    right = sum(float(np.vdot(np.asarray(p), v)) for p, v in zip(pulled, vs, strict=True))
    scale = max(
        1.0, sum(float(np.abs(u).ravel() @ np.abs(np.asarray(t)).ravel()) for u, t in zip(us, pushed, strict=True))
    )
    assert abs(left - right) <= EPS[program.dtype] * scale, "forward and reverse"
    leaves = [rg.tensor(x, requires_grad=True) for x in inputs]
    total = sum((rg.sum(o * u) for o, u in zip(f(*leaves), us, strict=True)), start=rg.sum(leaves[0]) * 0.0)
    total.backward()
    recorded = [rg.zeros_like(x) if x.grad is None else x.grad for x in leaves]
    close(recorded, pulled, program, "recorded")
    lanes = [np.stack([x, -x]) for x in inputs]
    close([o[0] for o in rg.vmap(f)(*lanes)], outs, program, "over lanes")
    over = rg.vmap(lambda *xs: rg.vjp(f, *xs)[1](tuple(us)))(*lanes)
    close([g[0] for g in over], pulled, program, "reverse over lanes")


@FAST
@given(programs())
def test_values(program):
    check_values(program)


@FAST
@given(programs())
def test_derivatives(program):
    check_derivatives(program)


@pytest.mark.deep
@pytest.mark.timeout(1200)
@DEEP
@given(programs(steps=14))
def test_values_of_more_and_longer_programs(program):
    check_values(program)


@pytest.mark.deep
@pytest.mark.timeout(1200)
@DEEP
@given(programs(steps=14))
def test_derivatives_of_more_and_longer_programs(program):
    check_derivatives(program)
