"""`custom_jvp`: a forward rule in every mode, and what is refused."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import BorderCrossed, CellError, DifferentiationError, RetrogradError, ShapeError
from tests.semantics.ways import ways

X = np.array([0.5, 1.5])
ONES = np.ones(2)


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-13, strict=True)


def declared(rule, f=lambda x: x * x):
    made = rg.custom_jvp(f)
    made.defjvp(rule)
    return made


def doubled():
    """X ** 2 with twice its derivative."""
    return declared(lambda primals, tangents: (primals[0] ** 2, 4 * primals[0] * tangents[0]))


@ways
def test_it_is_used_in_every_mode(way):
    f = doubled()
    total = lambda x: rg.sum(f(x))
    close(way(f)(X), X**2)
    close(way(rg.grad(total))(X), 4 * X)
    close(way(rg.grad(lambda x: rg.sum(rg.grad(total)(x))))(X), np.full(2, 4.0))
    close(rg.jvp(way(f), (X,), (ONES,))[1], 4 * X)
    close(rg.linearize(way(f), X)[1](ONES), 4 * X)
    close(way(rg.vmap(f))(np.stack([X, X])), np.stack([X**2, X**2]))
    close(way(rg.vmap(rg.grad(total)))(np.stack([X, X])), 4 * np.stack([X, X]))
    x = rg.tensor(X, requires_grad=True)
    way(total)(x).backward()
    close(x.grad, 4 * X)
    close(way(rg.grad(lambda x: rg.sum(rg.fori_loop(0, 2, lambda i, c: f(c), x))))(X), 16 * X**3)
    close(way(rg.grad(rg.checkpoint(total)))(X), 4 * X)
    close(way(rg.grad(lambda x: rg.cond(x[0] > 0, total, rg.sum, x)))(X), 4 * X)


def test_the_outer_of_two_levels_meets_the_rule_too():
    f = doubled()
    close(rg.grad(lambda x: rg.sum(rg.vjp(f, x)[0]))(X), 4 * X)
    close(rg.grad(lambda x: rg.sum(rg.jvp(f, (x,), (x,))[0]))(X), 4 * X)
    close(rg.jvp(lambda x: rg.vjp(f, x)[0], (X,), (ONES,))[1], 4 * X)
    p = rg.Parameter(X)
    rg.jit(lambda: rg.sum(f(p)))().backward()
    close(p.grad, 4 * X)
    p.grad = None
    rg.jit(lambda: rg.sum(f(p)).backward())()
    close(p.grad, 4 * X)


@ways
def test_a_rule_that_calls_its_function_has_every_order(way):
    """As in the documentation of JAX; each time the rule is met again, which here doubles."""
    f = rg.custom_jvp(rg.exp)
    f.defjvp(lambda p, t: ((y := f(p[0])), 2 * y * t[0]))
    g = lambda x: f(x)
    for order in range(4):
        close(way(g)(0.5), np.float64(2.0**order * np.exp(0.5)))
        g = rg.grad(g)
    in_a_loop = rg.custom_jvp(rg.exp)
    in_a_loop.defjvp(lambda p, t: (p[0], rg.scan(lambda c, _: (c * in_a_loop(p[0]), None), t[0], length=1)[0]))
    close(way(rg.grad(rg.grad(in_a_loop)))(0.5), np.exp(np.float64(0.5)))


def test_rules_that_call_each_other():
    sine, cosine = rg.custom_jvp(rg.sin), rg.custom_jvp(rg.cos)
    sine.defjvp(lambda p, t: (sine(p[0]), cosine(p[0]) * t[0]))
    cosine.defjvp(lambda p, t: (cosine(p[0]), -sine(p[0]) * t[0]))
    f, wanted = lambda x: sine(x) * x, lambda x: rg.sin(x) * x
    for _ in range(4):
        close(f(0.5), wanted(0.5))
        f, wanted = rg.grad(f), rg.grad(wanted)


@ways
def test_trees_integers_and_no_tangent(way):
    @rg.custom_jvp
    def f(params, x, n):
        return {"y": params["a"] * x * n, "count": n, "still": x}

    @f.defjvp
    def rule(primals, tangents):
        p, x, n = primals
        dp, dx, dn = tangents
        assert dn is None
        return f(p, x, n), {"y": (dp["a"] * x + p["a"] * dx) * n, "count": None, "still": None}

    three = rg.tensor(3)
    value = lambda p, x: rg.sum(f(p, x, three)["y"]) + rg.sum(f(p, x, three)["still"])
    grads = way(rg.grad(value, argnums=(0, 1)))({"a": X}, ONES)
    close(grads[0]["a"], 3 * ONES)
    close(grads[1], 3 * X)
    close(way(rg.grad(lambda x: rg.sum(declared(lambda p, t: (p[0] ** 2, None))(x))))(X), np.zeros(2))


@ways
@pytest.mark.parametrize("where", ["primal", "rule"])
@pytest.mark.parametrize("kind", ["parameter", "tensor", "variable"])
def test_a_captured_value_that_requires_gradients_raises(way, where, kind):
    def run(w):
        one = rg.tensor(1.0, dtype="float64")
        return rg.sum(
            declared(
                lambda p, t: (p[0], t[0] * (w if where == "rule" else one)),
                lambda x: x * (w if where == "primal" else one),
            )(X)
        )

    def call():
        if kind == "variable":
            return rg.grad(run)(rg.tensor(X))
        return run(rg.Parameter(X, name="weight") if kind == "parameter" else rg.tensor(X, requires_grad=True))

    with pytest.raises(BorderCrossed, match="pass it as an argument"):
        way(call)()


@ways
def test_constants_and_frozen_cells_may_be_captured(way):
    w, b, k = rg.Buffer(X), rg.tensor(X), rg.tensor(2.0, dtype="float64")
    f = rg.custom_jvp(lambda x: x * w + b)
    f.defjvp(lambda p, t: (f(p[0]), k * t[0] * w))
    close(way(rg.grad(lambda x: rg.sum(f(x))))(X), 2 * X)
    close(way(rg.grad(lambda x: rg.sum(f(x) ** 2)))(X), 4 * X * (X * X + X))
    close(way(rg.vmap(rg.grad(lambda x: rg.sum(f(x)))))(np.stack([X, X])), np.stack([2 * X, 2 * X]))


NOT_LINEAR = {
    "a square": lambda p, t: (p[0] ** 2, t[0] * t[0]),
    "a constant added": lambda p, t: (p[0] ** 2, 2 * p[0] * t[0] + 1.0),
    "the result for the tangent": lambda p, t: (p[0] ** 2, p[0] ** 2),
    "a selection by tangents": lambda p, t: (p[0] ** 2, rg.where(t[0] > 0, t[0], 0.0)),
    "tangents in the result": lambda p, t: (p[0] ** 2 + t[0], t[0]),
    "differences": lambda p, t: (p[0] ** 2, ((p[0] + 1e-4 * t[0]) ** 2 - p[0] ** 2) / 1e-4),
}


@ways
@pytest.mark.parametrize("name", NOT_LINEAR)
def test_a_rule_that_is_not_linear_says_so_in_reverse_mode(way, name):
    f = declared(NOT_LINEAR[name])
    with pytest.raises(DifferentiationError, match="not linear in the tangents"):
        way(rg.grad(lambda x: rg.sum(f(x))))(X)
    with pytest.raises(DifferentiationError, match="not linear in the tangents"):
        rg.linearize(f, X)
    rg.jvp(way(f), (X,), (ONES,))


LINEAR = {
    "by selection": lambda p, t: (p[0] ** 2, rg.where(p[0] > 0, 2 * p[0] * t[0], 0.0)),
    "by forward mode": lambda p, t: rg.jvp(lambda x: rg.scan(lambda c, _: (c * x, c), x, length=1)[0], p, t),
    "in a scan": lambda p, t: (p[0] ** 2, rg.scan(lambda c, k: (c * k, c), t[0], 2 * p[0][None])[0]),
    "in a branch": lambda p, t: (p[0] ** 2, rg.cond(p[0][0] > 0, lambda v: 2 * p[0] * v, lambda v: 0 * v, t[0])),
    "by reverse mode": lambda p, t: (p[0] ** 2, rg.vjp(lambda x: x * x, p[0])[1](t[0])[0]),
    "as a fixed point": lambda p, t: (
        p[0] ** 2, rg.fixed_point(lambda v, p, t: 0.5 * v + p * t, X, p[0], t[0], tolerance=1e-15)
    ),
    "a sum with zeros": lambda p, t: (p[0] ** 2, 2 * p[0] * t[0] + rg.zeros_like(p[0])),
}  # fmt: skip


@ways
@pytest.mark.parametrize("name", LINEAR)
def test_a_rule_that_is_linear_is_transposed(way, name):
    f = declared(LINEAR[name])
    close(way(rg.grad(lambda x: rg.sum(f(x))))(X), 2 * X)
    close(rg.linearize(f, X)[1](ONES), 2 * X)
    close(way(rg.vmap(rg.grad(lambda x: rg.sum(f(x)))))(np.stack([X, 2 * X])), np.stack([2 * X, 4 * X]))


def test_errors():
    f = rg.custom_jvp(lambda x: x * x)
    with pytest.raises(RetrogradError, match="defjvp"):
        f(X)
    f.defjvp(lambda p, t: p[0] ** 2)
    with pytest.raises(RetrogradError, match="tangent of the result"):
        f(X)
    f.defjvp(lambda p, t: (p[0] ** 2, rg.sum(t[0])))
    with pytest.raises(ShapeError, match=r"\(\).*\(2,\)"):
        f(X)
    f.defjvp(lambda p, t: ((p[0], p[0]), t[0]))
    with pytest.raises(RetrogradError, match="returns"):
        f(X)
    f.defjvp(lambda p, t: (p[0] ** 2, (t[0], t[0])))
    with pytest.raises(RetrogradError, match="one array"):
        f(X)
    f.defjvp(lambda p, t: (f(p[0][:1]), t[0]))
    with pytest.raises(RetrogradError, match="other types"):
        f(X)
    again = rg.custom_jvp(lambda x: again(x))
    again.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(RetrogradError, match="calls itself"):
        again(X)
    b = rg.Buffer(X, name="running")
    with pytest.raises(CellError, match="running"):
        declared(lambda p, t: (p[0], t[0]), lambda x: (setattr(b, "value", x), x)[1])(X)


def test_a_program_traced_in_the_rule_serves_elsewhere():
    @rg.jit
    def helper(x):
        return f(x)

    f = declared(lambda p, t: (helper(p[0]), 2 * p[0] * t[0]))
    close(rg.grad(lambda x: rg.sum(rg.grad(lambda x: rg.sum(f(x)))(x)))(X), np.full(2, 2.0))
    close(helper(X), X**2)
    close(rg.jvp(helper, (X,), (ONES,))[1], 2 * X)
    close(rg.grad(lambda x: rg.sum(helper(x)))(X), 2 * X)


def test_explain_and_check_grads():
    f = declared(lambda p, t: (f(p[0]), 2 * p[0] * t[0]))
    x = rg.tensor([0.5, 1.5])
    rg.check_grads(lambda x: rg.sum(f(x)), (x,), order=2)
    assert "as declared" in str(rg.explain(lambda x: rg.sum(f(x)), x))
