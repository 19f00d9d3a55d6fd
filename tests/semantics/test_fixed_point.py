"""`fixed_point`: the solution, its derivatives of three orders, and what happens where there is none."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import CellError, DTypeError, NotConverged, RetrogradError, ShapeError
from tests.semantics.ways import ways

A, X = np.array([[0.2, -0.3], [0.1, 0.25]]), np.array([0.5, -1.5])
TIGHT = {"tolerance": 1e-15}


def close(a, b, tolerance=1e-11):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance, strict=True)


def solution(x, start=None):
    return rg.fixed_point(lambda z, x: rg.tanh(A @ z) + x, np.zeros(2) if start is None else start, x, **TIGHT)


def unrolled(x):
    return rg.fori_loop(0, 100, lambda _, z: rg.tanh(A @ z) + x, np.zeros(2))


@ways
def test_it_is_the_limit_of_the_iteration(way):
    total, wanted = lambda x: rg.sum(solution(x) ** 3), lambda x: rg.sum(unrolled(x) ** 3)
    close(way(total)(X), wanted(X))
    close(way(rg.grad(total))(X), rg.grad(wanted)(X))
    close(rg.jvp(way(solution), (X,), (X,))[1], rg.jvp(unrolled, (X,), (X,))[1])
    close(way(rg.hessian(total))(X), rg.hessian(wanted)(X))
    rows = np.stack([X, 2 * X, -X])
    close(way(rg.vmap(solution))(rows), rg.vmap(unrolled)(rows))
    close(way(rg.vmap(rg.grad(total)))(rows), rg.vmap(rg.grad(wanted))(rows))
    close(way(rg.grad(lambda xs: rg.sum(rg.vmap(total)(xs))))(rows), rg.vmap(rg.grad(wanted))(rows))


def test_the_third_order():
    third = lambda f: rg.grad(lambda x: rg.hvp(lambda y: rg.sum(f(y) ** 3), x, X) @ X)
    close(third(solution)(X), third(unrolled)(X))


def test_lanes_end_for_themselves():
    """Each gives, bit for bit, what it gives alone, though they need different numbers of iterations."""
    f = lambda k: rg.fixed_point(lambda z, k: k * rg.cos(z), 1.0, k)
    ks = np.array([0.01, 0.9, 0.5])
    for g in (f, rg.grad(f), lambda k: rg.jvp(f, (k,), (np.float64(1.0),))[1]):
        np.testing.assert_array_equal(rg.vmap(g)(ks).numpy(), [g(k).item() for k in ks])


@ways
def test_the_guess_has_no_derivative(way):
    same = lambda start: rg.sum(solution(X, start))
    close(way(rg.grad(same))(np.ones(2)), np.zeros(2))
    close(rg.jvp(way(lambda s: solution(X, s)), (np.ones(2),), (np.ones(2),))[1], np.zeros(2))
    x, start = rg.tensor(X, requires_grad=True), rg.tensor(np.ones(2), requires_grad=True)
    rg.sum(solution(x, start)).backward()
    assert start.grad is None
    close(x.grad, rg.grad(lambda x: rg.sum(unrolled(x)))(X))


@ways
def test_trees_and_captured_parameters(way):
    w, b = rg.Parameter(A, name="w"), rg.Parameter(X)

    def f(state):
        return {"v": 0.3 * rg.sin(state["u"]), "u": rg.tanh(w @ state["v"]) + b}

    def loss():
        found = rg.fixed_point(f, {"u": np.zeros(2), "v": np.zeros(2)}, **TIGHT)
        return rg.sum(found["u"] ** 2) + rg.sum(found["v"])

    def step():
        w.grad = b.grad = None
        loss().backward()
        return w.grad, b.grad

    def plainly(w, b):
        state = (np.zeros(2), np.zeros(2))
        u, v = rg.fori_loop(0, 100, lambda _, s: (rg.tanh(w @ s[1]) + b, 0.3 * rg.sin(s[0])), state)
        return rg.sum(u**2) + rg.sum(v)

    for found, wanted in zip(way(step)(), rg.grad(plainly, argnums=(0, 1))(A, X), strict=True):
        close(found, wanted)


def test_variables_of_transforms_around_may_be_captured():
    f = lambda a: rg.grad(lambda b: rg.fixed_point(lambda z: 0.2 * rg.sin(z * a) + b, 0.0, **TIGHT) * b)(a)
    plain = lambda a: rg.grad(lambda b: rg.fori_loop(0, 60, lambda _, z: 0.2 * rg.sin(z * a) + b, 0.0) * b)(a)
    close(rg.grad(f)(0.7), rg.grad(plain)(0.7))


@ways
def test_inside_loops_branches_and_checkpoints(way):
    root = lambda a: rg.fixed_point(lambda x, a: 0.5 * (x + a / x), 1.0, a, **TIGHT)
    f = lambda a: rg.cond(a > 0, rg.checkpoint(root), lambda a: a, rg.fori_loop(0, 2, lambda _, v: root(v) + 1, a))
    plain = lambda a: rg.sqrt(rg.sqrt(rg.sqrt(a) + 1) + 1)
    close(way(f)(2.0), plain(2.0))
    close(way(rg.grad(f))(2.0), rg.grad(plain)(2.0))
    close(way(rg.vmap(rg.grad(f)))(np.array([2.0, 3.0])), rg.vmap(rg.grad(plain))(np.array([2.0, 3.0])))


def test_nothing_is_kept_of_the_iterations():
    x = rg.tensor(X, requires_grad=True)
    y = solution(x)
    node = y.node.parents[0]
    kept = [*node.args, *node.out]
    assert sum(np.asarray(getattr(k, "value", k)).size for k in kept) <= 2 * X.size + A.size + X.size


def test_float32_keeps_its_dtype():
    f = lambda x: rg.fixed_point(lambda z, x: 0.5 * rg.cos(z) * x, 0.0, x)
    x = rg.tensor([0.3, 0.9])
    g = lambda x: rg.sum(rg.vmap(f)(x))
    assert f(x[0]).dtype == rg.grad(g)(x).dtype == np.float32
    close(rg.grad(g)(x), rg.grad(g)(np.array([0.3, 0.9])).numpy().astype("f"), 1e-4)


DIVERGING = {
    "slow": (lambda x: rg.fixed_point(rg.cos, x, max_iterations=3), "did not converge in 3 iterations"),
    "away": (lambda x: rg.fixed_point(lambda z: z * 2 + 1, x, max_iterations=10_000), "infinite or NaN"),
    "round": (lambda x: rg.fixed_point(lambda z: 1 - z, x), "did not converge in 1000 iterations"),
    "the derivative": (
        lambda x: rg.grad(lambda y: rg.fixed_point(lambda z, y: 2 * z - y, y, y, max_iterations=50))(x),
        "the derivative of fixed_point.* did not converge",
    ),
    "one lane": (lambda x: rg.vmap(lambda k: rg.fixed_point(lambda z: k * z + 1, x))(np.array([0.5, 1.0])), "converge"),
}


@ways
@pytest.mark.parametrize("name", DIVERGING)
def test_what_does_not_converge_raises_in_every_engine(way, name):
    f, message = DIVERGING[name]
    with pytest.raises(NotConverged, match=message):
        way(f)(np.float64(0.3))


def test_a_program_that_does_not_converge_commits_nothing():
    count = rg.Buffer(np.array(0))

    @rg.jit
    def step(x):
        count.value = count + 1
        return rg.fixed_point(rg.cos, x, max_iterations=3)

    with pytest.raises(NotConverged):
        step(1.0)
    assert int(count.value) == 0


def test_errors():
    b = rg.Buffer(np.zeros(2), name="running")
    with pytest.raises(CellError, match="running"):
        rg.fixed_point(lambda z: (setattr(b, "value", z), 0.5 * z)[1], X)
    with pytest.raises(DTypeError, match="fixed_point"):
        rg.fixed_point(lambda z: z, np.array([1, 2]))
    with pytest.raises(ShapeError):
        rg.fixed_point(lambda z: z[:1], X)
    with pytest.raises(RetrogradError, match="carry enters"):
        rg.fixed_point(lambda z: (z, z), X)
    with pytest.raises(RetrogradError, match="max_iterations"):
        rg.fixed_point(lambda z: z, X, max_iterations=0)
    with pytest.raises(RetrogradError, match="no arrays"):
        rg.fixed_point(lambda z: z, ())


def test_debug_runs_the_iteration_as_python():
    seen = []

    def f(z, x):
        seen.append(z)
        return 0.5 * rg.cos(z) * x

    with rg.debug():
        found = rg.grad(lambda x: rg.fixed_point(f, 0.0, x))(0.8)
    assert len(seen) > 5
    close(found, rg.grad(lambda x: rg.fixed_point(f, 0.0, x))(0.8))
