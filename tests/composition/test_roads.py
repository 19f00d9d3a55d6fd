"""The same number by different roads: every derivative, of every program, by every composition of transforms."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.testing import differences
from tests.composition.programs import POINT, PROGRAMS, N

OTHERS = np.stack([POINT, POINT[::-1], POINT * 0.5])
BASIS = np.eye(N)
V = np.array([0.4, -1.3, 0.8])


def backward(f, x=POINT):
    leaf = rg.tensor(x, requires_grad=True)
    f(leaf).backward()
    return leaf.grad


def backward_in_jit(f):
    p = rg.Parameter(POINT)

    @rg.jit
    def step():
        f(p).backward()
        return p.grad

    return step()


def in_debug(f):
    with rg.debug():
        return rg.grad(f)(POINT)


def columns(f):
    return np.array([rg.jvp(f, (POINT,), (e,))[1].item() for e in BASIS])


GRADIENTS = {
    "backward": backward,
    "jvp": columns,
    "jvp under vmap": lambda f: rg.vmap(lambda v: rg.jvp(f, (POINT,), (v,))[1])(BASIS),
    "vjp": lambda f: rg.vjp(f, POINT)[1](1.0)[0],
    "vjp under vmap": lambda f: rg.vmap(rg.vjp(f, POINT)[1])(np.ones(2))[0][1],
    "jacobian forward": lambda f: rg.jacobian(f, mode="forward")(POINT),
    "jacobian reverse": lambda f: rg.jacobian(f, mode="reverse")(POINT),
    "vmap of grad": lambda f: rg.vmap(rg.grad(f))(OTHERS)[0],
    "grad of vmap": lambda f: rg.grad(lambda xs: rg.sum(rg.vmap(f)(xs)))(OTHERS)[0],
    "grad of vmap of jit": lambda f: rg.grad(lambda xs: rg.sum(rg.vmap(rg.jit(f))(xs)))(OTHERS)[0],
    "jit of vmap of grad": lambda f: rg.jit(rg.vmap(rg.grad(f)))(OTHERS)[0],
    "grad of jit": lambda f: rg.grad(rg.jit(f))(POINT),
    "jit of grad": lambda f: rg.jit(rg.grad(f))(POINT),
    "jit of grad of jit": lambda f: rg.jit(rg.grad(rg.jit(f)))(POINT),
    "jvp of jit": lambda f: columns(rg.jit(f)),
    "backward through jit": lambda f: backward(rg.jit(f)),
    "backward inside jit": backward_in_jit,
    "value_and_grad": lambda f: rg.value_and_grad(f)(POINT)[1],
    "checkpoint": lambda f: rg.grad(rg.checkpoint(f))(POINT),
    "checkpoint of jit": lambda f: rg.grad(rg.checkpoint(rg.jit(f)))(POINT),
    "grad in a scan": lambda f: rg.scan(lambda c, x: (c, rg.grad(f)(x)), 0.0, OTHERS)[1][0],
    "grad of a scan": lambda f: rg.grad(lambda xs: rg.scan(lambda c, x: (c + f(x), None), 0.0, xs)[0])(OTHERS)[0],
    "grad in a cond": lambda f: rg.cond(np.asarray(True), rg.grad(f), lambda x: x, POINT),
    "grad in a fori_loop": lambda f: rg.fori_loop(0, 2, lambda *_: rg.grad(f)(POINT), np.zeros(N)),
    "loops in Python": in_debug,
    "twice": lambda f: rg.grad(lambda x: f(x) + f(x))(POINT) / 2,
}


def reference(f):
    def values(points):
        return [np.asarray(f(points[0]).item())]

    return differences.jacobian(values, (POINT,), 0)[0]


def close(found, wanted, tolerance):
    found = np.asarray(found)
    assert found.shape == wanted.shape
    np.testing.assert_array_less(np.abs(found - wanted), tolerance * np.maximum(1, np.abs(wanted)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_grad_is_that_of_differences(name):
    close(rg.grad(PROGRAMS[name])(POINT), reference(PROGRAMS[name]), 1e-8)


@pytest.mark.parametrize("road", GRADIENTS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_gradient(name, road):
    f = PROGRAMS[name]
    close(GRADIENTS[road](f), rg.grad(f)(POINT).numpy(), 1e-12)


def create_graph(f):
    x = rg.tensor(POINT, requires_grad=True)
    f(x).backward(create_graph=True)
    g = x.grad
    rows = []
    for e in BASIS:
        x.grad = None
        rg.sum(g * e).backward(retain_graph=True)
        rows.append(x.grad)
    return rg.stack(rows)


SECOND = {
    "hessian": lambda f: rg.hessian(f)(POINT),
    "reverse over reverse": lambda f: rg.jacobian(rg.grad(f), mode="reverse")(POINT),
    "forward over reverse": lambda f: rg.jacobian(rg.grad(f), mode="forward")(POINT),
    "reverse over forward": lambda f: rg.jacobian(rg.jacobian(f, mode="forward"), mode="reverse")(POINT),
    "forward over forward": lambda f: rg.jacobian(rg.jacobian(f, mode="forward"), mode="forward")(POINT),
    "grad of grad": lambda f: np.stack([rg.grad(lambda x, e=e: rg.grad(f)(x) @ e)(POINT) for e in BASIS]),
    "hvp": lambda f: np.stack([rg.hvp(f, POINT, e) for e in BASIS]),
    "hvp under vmap": lambda f: rg.vmap(lambda e: rg.hvp(f, POINT, e))(BASIS),
    "jvp of vjp": lambda f: np.stack([rg.jvp(lambda x: rg.vjp(f, x)[1](1.0)[0], (POINT,), (e,))[1] for e in BASIS]),
    "vjp of jvp": lambda f: np.stack(
        [rg.vjp(lambda x, e=e: rg.jvp(f, (x,), (e,))[1], POINT)[1](1.0)[0] for e in BASIS]
    ),
    "create_graph": create_graph,
    "create_graph through jit": lambda f: create_graph(rg.jit(f)),
    "jit": lambda f: rg.jit(rg.hessian(f))(POINT),
    "of jit": lambda f: rg.hessian(rg.jit(f))(POINT),
    "reverse over reverse of checkpoint": lambda f: rg.jacobian(rg.grad(rg.checkpoint(f)), mode="reverse")(POINT),
    "vmap": lambda f: rg.vmap(rg.hessian(f))(OTHERS)[0],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_hessian_is_that_of_differences(name):
    f = PROGRAMS[name]
    wanted = differences.jacobian(lambda points: [rg.grad(f)(points[0]).numpy()], (POINT,), 0)[0]
    close(rg.hessian(f)(POINT), wanted, 1e-7)


@pytest.mark.parametrize("road", [r for r in SECOND if r != "hessian"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_second_derivative(name, road):
    f = PROGRAMS[name]
    close(SECOND[road](f), rg.hessian(f)(POINT).numpy(), 1e-11)


def reverse(f):
    return lambda x: rg.grad(f)(x) @ V


def forward(f):
    return lambda x: rg.jvp(f, (x,), (V,))[1]


def linear(f):
    return lambda x: rg.linearize(f, x)[1](V)


def recorded(f):
    """The derivative along V twice and the gradient of that, by `.backward(create_graph=True)`."""
    x = rg.tensor(POINT, requires_grad=True)
    y = f(x)
    for _ in range(2):
        x.grad = None
        y.backward(create_graph=True)
        y = (x.grad + 0.0 * x) @ V  # which may not depend on x any more
    x.grad = None
    y.backward()
    return x.grad


THIRD = {
    "reverse thrice": lambda f: rg.grad(reverse(reverse(f)))(POINT),
    "reverse over forward twice": lambda f: rg.grad(forward(forward(f)))(POINT),
    "reverse over forward over reverse": lambda f: rg.grad(forward(reverse(f)))(POINT),
    "forward over reverse over forward": lambda f: columns(reverse(forward(f))),
    "forward thrice": lambda f: columns(forward(forward(f))),
    "linearized thrice": lambda f: rg.vmap(rg.linearize(linear(linear(f)), POINT)[1])(BASIS),
    "recorded": recorded,
    "recorded through jit": lambda f: recorded(rg.jit(f)),
    "of checkpoint": lambda f: rg.grad(reverse(reverse(rg.checkpoint(f))))(POINT),
    "of jit": lambda f: rg.grad(forward(reverse(rg.jit(f))))(POINT),
    "of vmap": lambda f: rg.grad(lambda xs: reverse(reverse(lambda x: rg.sum(rg.vmap(f)(x * rg.ones((1, N))))))(xs))(
        POINT
    ),
    "vmap": lambda f: rg.vmap(rg.grad(forward(reverse(f))))(OTHERS)[0],
    "loops in Python": lambda f: in_debug(forward(reverse(f))),
}


@pytest.mark.deep
@pytest.mark.parametrize("road", THIRD)
@pytest.mark.parametrize("name", PROGRAMS)
def test_third_derivative_by_every_road(name, road):
    f = PROGRAMS[name]
    close(THIRD[road](f), rg.jvp(lambda x: rg.hvp(f, x, V), (POINT,), (V,))[1].numpy(), 1e-9)


@pytest.mark.deep
@pytest.mark.parametrize("name", PROGRAMS)
def test_third_derivative(name):
    f = PROGRAMS[name]
    g = lambda x: rg.grad(lambda y: rg.grad(lambda z: rg.grad(f)(z) @ V)(y) @ V)(x)
    wanted = differences.along(lambda points: [(rg.hessian(f)(points[0]) @ V).numpy()], (POINT,), (V,))[0]
    close(g(POINT), wanted, 1e-6)
    close(rg.jit(g)(POINT), wanted, 1e-6)
    close(rg.jvp(lambda x: rg.hvp(f, x, V), (POINT,), (V,))[1], wanted, 1e-6)
