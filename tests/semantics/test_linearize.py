"""`linearize`: the same derivative as forward mode, without running the function again."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import BorderCrossed, DTypeError, EscapedTracer, ShapeError
from tests.semantics.ways import ways

X, V = np.array([0.5, -1.5]), np.array([0.3, 0.7])


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-13, strict=True)


def wave(x):
    return rg.sin(x) * x[0]


@ways
def test_it_is_forward_mode(way):
    value, push = rg.linearize(way(wave), X)
    close(value, wave(X))
    close(push(V), rg.jvp(wave, (X,), (V,))[1])
    close(way(lambda x, v: rg.linearize(wave, x)[1](v))(X, V), push(V))
    close(way(push)(V), push(V))
    close(way(rg.vmap(push))(np.stack([V, 2 * V])), np.stack([push(V), 2 * push(V).numpy()]))


def test_the_function_runs_once():
    calls = []

    def f(x):
        calls.append(x)
        return rg.exp(x) * x

    _, push = rg.linearize(f, X)
    for _ in range(3):
        close(push(V), (np.exp(X) * (X + 1)) * V)
    assert len(calls) == 1


def count(graph):
    """The names of the primitives in a graph, those inside of others too."""
    from retrograd.graph.ir import subgraphs

    found = []
    for e in graph.equations:
        found += [e.prim.name, *[n for g in subgraphs(e.prim) for n in count(g)]]
    return found


@pytest.mark.parametrize(
    "f",
    [
        lambda x: rg.exp(rg.sin(x)),
        lambda x: rg.scan(lambda c, i: (rg.exp(c) * 0.1, rg.sin(c)), x, length=4)[0],
        lambda x: rg.cond(x[0] > 0, rg.exp, rg.sin, x),
        rg.jit(lambda x: rg.exp(rg.sin(x))),
        lambda x: rg.fixed_point(lambda z, a: rg.sin(z) * 0.3 + rg.exp(a), X, x),
    ],
    ids=["plain", "scan", "cond", "jit", "fixed_point"],
)
def test_the_linear_function_computes_nothing_that_needs_no_tangent(f):
    """No exp, sin or cos is left in it, not in loops and branches either: what they gave has been kept."""
    from retrograd.core.types import type_of
    from retrograd.graph.trace import trace

    _, push = rg.linearize(f, X)
    graph = trace(lambda t: [push(t)], [type_of(V)], "the linear function").graph
    assert not {"exp", "sin", "cos"} & set(count(graph))
    close(push(V), rg.jvp(f, (X,), (V,))[1])


def test_derivatives_go_through_it():
    along = lambda x: rg.linearize(lambda y: rg.sum(rg.sin(y) ** 2), x)[1](V)
    close(rg.grad(along)(X), rg.hvp(lambda y: rg.sum(rg.sin(y) ** 2), X, V))
    close(rg.grad(lambda v: rg.linearize(lambda y: rg.sum(rg.sin(y) ** 2), X)[1](v))(V), np.sin(2 * X))
    twice = lambda x: rg.linearize(along, x)[1](V)
    close(rg.grad(twice)(X), rg.jvp(lambda x: rg.grad(along)(x), (X,), (V,))[1])
    close(rg.vmap(along)(np.stack([X, V])), np.stack([along(X), along(V)]))


def test_python_may_branch_on_the_primals():
    f = lambda x: rg.sin(x) if x[0] > 0 else rg.exp(x)
    close(rg.linearize(f, X)[1](V), np.cos(X) * V)
    close(rg.linearize(f, -X)[1](V), np.exp(-X) * V)


@ways
def test_trees_and_several_arguments(way):
    def f(p, s):
        return {"y": p["w"] * s, "n": rg.sum(p["b"])}

    p, t = {"w": X, "b": X}, {"w": V, "b": V}
    value, push = rg.linearize(way(f), p, 2.0)
    found = push(t, 1.0)
    close(value["y"], 2 * X)
    close(found["y"], 2 * V + X)
    close(found["n"], np.sum(V))


def test_parameters_and_recorded_values():
    w = rg.Parameter(X)
    f = lambda x: rg.sum(rg.sin(x * w))
    rg.linearize(f, np.ones(2))[1](V).backward()
    close(w.grad, V * (np.cos(X) - X * np.sin(X)))
    x = rg.tensor(X, requires_grad=True)
    value, push = rg.linearize(lambda y: rg.sum(y**3), x)
    push(V).backward()
    close(x.grad, 6 * X * V)
    x.grad = None
    value.backward()
    close(x.grad, 3 * X**2)


def test_cells_are_assigned_once_and_parameters_refuse():
    count, w = rg.Buffer(np.array(0)), rg.Parameter(X)

    def f(x):
        count.value = count + 1
        return x * x

    _, push = rg.linearize(f, X)
    push(V), push(V)
    assert int(count.value) == 1
    with pytest.raises(BorderCrossed):
        rg.linearize(lambda x: setattr(w, "value", x) or x, X)


def test_loops_that_are_run_again():
    """A while_loop and a checkpoint, and a scan that may keep little."""
    for f in (
        lambda x: rg.while_loop(lambda c: rg.sum(c) < 10, lambda c: c * 2 + 1, x),
        rg.checkpoint(wave),
        lambda x: rg.scan(lambda c, _: (rg.tanh(c), c), x, length=9, memory="sqrt")[0],
    ):
        value, push = rg.linearize(f, X)
        close(value, f(X))
        close(push(V), rg.jvp(f, (X,), (V,))[1])


def test_errors():
    with pytest.raises(DTypeError, match="linearize"):
        rg.linearize(wave, np.array([1, 2]))
    _, push = rg.linearize(wave, X)
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        push(np.ones(3))
    kept = []
    rg.grad(lambda x: kept.append(rg.linearize(wave, x)[1]) or rg.sum(x))(X)
    with pytest.raises(EscapedTracer):
        kept[0](V)


def test_results_without_derivatives():
    value, push = rg.linearize(lambda x: (rg.argmax(x), rg.ones(2), x), X)
    found = push(V)
    assert found[0].dtype == value[0].dtype and int(found[0]) == 0
    close(found[1].astype("float64"), np.zeros(2))
    close(found[2], V)
