"""`checkpoint`, `custom_vjp` and `functional_call`."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import BorderCrossed, CellError, RetrogradError, ShapeError
from tests.semantics.ways import same, ways

X = np.array([0.5, 1.5])


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-14, strict=True)


# checkpoint -----------------------------------------------------------------------------------------------------------


def wave(x):
    return rg.sum(rg.sin(x) * x**2)


@ways
def test_checkpoint_changes_no_derivative(way):
    f, g = wave, rg.checkpoint(wave)
    same(way(g)(X), f(X))
    close(way(rg.grad(g))(X), rg.grad(f)(X))
    close(way(rg.hessian(g))(X), rg.hessian(f)(X))
    close(way(rg.vmap(rg.grad(g)))(np.stack([X, X])), rg.vmap(rg.grad(f))(np.stack([X, X])))
    close(rg.jvp(way(g), (X,), (X,))[1], rg.jvp(f, (X,), (X,))[1])
    x = rg.tensor(X, requires_grad=True)
    way(g)(x).backward()
    close(x.grad, rg.grad(f)(X))


def test_checkpoint_keeps_only_inputs():
    x = rg.tensor(np.ones(1000), requires_grad=True)
    y = rg.checkpoint(lambda v: rg.sin(rg.cos(rg.exp(rg.tanh(v)))))(x)
    node = y.node.parents[0] if y.node.prim is None else y.node
    kept = [a for a in node.args if isinstance(a, np.ndarray)]
    assert len(kept) == 1
    assert node.out is None


@ways
def test_checkpoint_replays_the_same_random_numbers(way):
    generator = rg.random.Generator(3)

    @rg.checkpoint
    def noisy(x):
        return rg.sum(x * x * rg.random.uniform((2,), generator=generator, dtype="float64"))

    mask = np.array(rg.random.uniform((2,), generator=rg.random.Generator(3), dtype="float64"))
    close(way(rg.grad(noisy))(X), 2 * X * mask)
    after = generator.array.copy()
    rg.random.Generator(3)
    fresh = rg.random.Generator(3)
    rg.random.uniform((2,), generator=fresh, dtype="float64")
    same(after, fresh.array)


@ways
def test_checkpoint_into_parameters(way):
    w = rg.Parameter(X)
    way(rg.checkpoint(lambda x: rg.sum(rg.sin(x * w))))(np.ones(2)).backward()
    close(w.grad, np.cos(X))


# custom_vjp -----------------------------------------------------------------------------------------------------------


def doubled():
    """X ** 2 with twice its derivative."""
    f = rg.custom_vjp(lambda x: x * x)
    f.defvjp(lambda x: (x * x, x), lambda x, ct: (4 * x * ct,))
    return f


@ways
def test_custom_vjp_in_every_mode(way):
    f = doubled()
    total = lambda x: rg.sum(f(x))
    close(way(rg.grad(total))(X), 4 * X)
    close(way(rg.grad(lambda x: rg.sum(rg.grad(total)(x))))(X), np.full(2, 4.0))
    close(rg.jvp(way(f), (X,), (np.ones(2),))[1], 4 * X)
    close(way(rg.vmap(f))(np.stack([X, X])), np.stack([X**2, X**2]))
    close(way(rg.vmap(rg.grad(total)))(np.stack([X, X])), 4 * np.stack([X, X]))
    x = rg.tensor(X, requires_grad=True)
    way(total)(x).backward()
    close(x.grad, 4 * X)
    close(way(rg.grad(lambda x: rg.sum(rg.fori_loop(0, 2, lambda i, c: f(c), x))))(X), 16 * X**3)


def test_the_outer_of_two_levels_meets_the_rule_too():
    f = doubled()
    close(rg.grad(lambda x: rg.sum(rg.vjp(f, x)[0]))(X), 4 * X)
    close(rg.grad(lambda x: rg.sum(rg.jvp(f, (x,), (x,))[0]))(X), 4 * X)
    close(rg.jvp(lambda x: rg.vjp(f, x)[0], (X,), (np.ones(2),))[1], 4 * X)
    p = rg.Parameter(X)
    rg.jit(lambda: rg.sum(f(p)))().backward()
    close(p.grad, 4 * X)
    p.grad = None
    rg.jit(lambda: rg.sum(f(p)).backward())()
    close(p.grad, 4 * X)


def test_custom_vjp_of_several_arguments_and_trees():
    @rg.custom_vjp
    def f(params, x, n):
        return {"y": params["a"] * x * n, "count": n}

    f.defvjp(
        lambda p, x, n: (f.f(p, x, n), (p["a"], x, n)),
        lambda r, ct: ({"a": ct["y"] * r[1] * r[2]}, None, None),
    )
    grads = rg.grad(lambda p, x: rg.sum(f(p, x, rg.tensor(3))["y"]), argnums=(0, 1))({"a": X}, X)
    close(grads[0]["a"], 3 * X)
    same(grads[1], np.zeros(2))


@ways
@pytest.mark.parametrize("where", ["primal", "forward", "backward"])
@pytest.mark.parametrize("kind", ["parameter", "tensor", "variable"])
def test_custom_vjp_raises_on_a_captured_value_that_requires_gradients(way, where, kind):
    def run(w):
        one = rg.tensor(1.0, dtype="float64")
        f = rg.custom_vjp(lambda x: x * (w if where == "primal" else one))
        f.defvjp(
            lambda x: (x * (w if where == "forward" else one), x),
            lambda x, ct: (ct * (w if where == "backward" else one),),
        )
        return rg.sum(f(X))

    def call():
        if kind == "variable":
            return rg.grad(run)(rg.tensor(X))
        return run(rg.Parameter(X, name="weight") if kind == "parameter" else rg.tensor(X, requires_grad=True))

    with pytest.raises(BorderCrossed, match="pass it as an argument"):
        way(call)()


def test_custom_vjp_may_capture_constants_and_frozen_cells():
    w, b = rg.Buffer(X), rg.tensor(X)
    f = rg.custom_vjp(lambda x: x * w + b)
    f.defvjp(lambda x: (x * w + b, ()), lambda r, ct: (ct * w,))
    close(rg.grad(lambda x: rg.sum(f(x)))(X), X)


def test_custom_vjp_assigns_no_cells():
    b = rg.Buffer(X, name="running")
    f = rg.custom_vjp(lambda x: (setattr(b, "value", x), x)[1])
    f.defvjp(lambda x: (x, ()), lambda r, ct: (ct,))
    with pytest.raises(CellError, match="running"):
        f(X)
    same(b.value, X)


def test_custom_vjp_errors():
    f = rg.custom_vjp(lambda x, y: x * y)
    with pytest.raises(RetrogradError, match="defvjp"):
        f(X, X)
    f.defvjp(lambda x, y: (x * y, ()), lambda r, ct: (ct,))
    with pytest.raises(RetrogradError, match="2 cotangents"):
        f(X, X)
    f.defvjp(lambda x, y: (x * y, ()), lambda r, ct: (ct, rg.sum(ct)))
    with pytest.raises(ShapeError, match=r"\(\).*\(2,\)"):
        f(X, X)
    f.defvjp(lambda x, y: x * y, lambda r, ct: (ct, ct))
    with pytest.raises(RetrogradError, match=r"\(result, residuals\)"):
        f(X, X)


# functional_call ------------------------------------------------------------------------------------------------------


class Counting(rg.nn.Module):
    """A layer with a parameter and a buffer it counts in."""

    def __init__(self):
        self.w = rg.Parameter(X)
        self.calls = rg.Buffer(np.array(0))

    def forward(self, x):
        self.calls.value = self.calls + 1
        return rg.sum(x * self.w * self.w)


@ways
def test_functional_call_uses_the_tree_and_leaves_the_module(way):
    net = Counting()
    out, state = way(lambda tree: rg.nn.functional_call(net, tree, X, mutable=True))({"w": np.array([2.0, 3.0])})
    close(out, np.sum(X * [4, 9]))
    assert int(state["calls"]) == 1
    assert int(net.calls.value) == 0
    same(net.w.value.detach(), X)


@ways
def test_functional_call_differentiates_and_batches(way):
    net = Counting()
    f = way(lambda w: rg.nn.functional_call(net, {"w": w}, X, mutable=True)[0])
    close(rg.grad(f)(np.array([2.0, 3.0])), 2 * X * [2, 3])
    close(rg.vmap(f)(np.array([[2.0, 3.0], [1.0, 1.0]])), np.array([np.sum(X * [4, 9]), np.sum(X)]))
    assert net.w.grad is None


def test_trees_go_out_and_in():
    net = Counting()
    tree = net.parameters_tree()
    net.load_tree({k: v * 2 for k, v in tree.items()})
    same(net.w.value.detach(), 2 * X)
    same(tree["w"], X)
