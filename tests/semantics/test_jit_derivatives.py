"""Derivatives through compiled functions: grad(jit(f)) = jit(grad(f)) = grad(f), live and spent results."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DifferentiationError, SpentTape

X = np.linspace(0.2, 1.4, 6).reshape(2, 3)
W = np.linspace(-1.0, 1.0, 12).reshape(3, 4)


def close(a, b):
    """Equal up to the rounding of sums in another order."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


def network(x):
    return rg.sum(rg.tanh(x @ W) ** 2)


def with_loop(x):
    return rg.sum(rg.scan(lambda c, w: (rg.tanh(c * w + x), c), x, rg.tensor([1.0, 2.0], dtype="float64"))[0])


def with_cond(x):
    return rg.cond(rg.sum(x) > 0, lambda v: rg.sum(v**3), lambda v: rg.sum(v), x)


def with_checkpoint(x):
    return rg.checkpoint(network)(x) * 2


def with_nested(x):
    return rg.jit(network)(x) + rg.jit(lambda y: rg.sum(y**3))(x)


@rg.custom_vjp
def own(x):
    return rg.sin(x)


own.defvjp(lambda x: (rg.sin(x), x), lambda x, ct: (ct * rg.cos(x),))


def with_custom(x):
    return rg.sum(own(x) * x)


FUNCTIONS = [network, with_loop, with_cond, with_checkpoint, with_nested, with_custom]
TRANSFORMS = {
    "value_and_grad": lambda f: lambda x: rg.value_and_grad(f)(x)[1],
    "grad": rg.grad,
    "vjp": lambda f: lambda x: rg.vjp(f, x)[1](2.0)[0],
    "jvp": lambda f: lambda x: rg.jvp(f, (x,), (np.cos(X),))[1],
    "hessian": rg.hessian,
    "hvp": lambda f: lambda x: rg.hvp(f, x, np.cos(X)),
    "jacobian": rg.jacobian,
    "vmap": lambda f: lambda x: rg.vmap(f)(rg.stack([x, x * 2, x * 3])),
    "vmap of grad": lambda f: lambda x: rg.vmap(rg.grad(f))(rg.stack([x, x * 2])),
    "grad of vmap": lambda f: lambda x: rg.grad(lambda y: rg.sum(rg.vmap(f)(rg.stack([y, y * 2]))))(x),
    "grad of grad": lambda f: lambda x: rg.grad(lambda y: rg.sum(rg.grad(f)(y) ** 2))(x),
}


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_transforms_commute_with_jit(f, transform):
    expected = transform(f)(X)
    compiled = rg.jit(f)
    for _ in range(2):
        close(transform(compiled)(X), expected)
    close(rg.jit(transform(f))(X), expected)
    close(rg.jit(transform(compiled))(X), expected)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_backward_through_a_jitted_function_equals_grad(f):
    x = rg.tensor(X, requires_grad=True)
    compiled = rg.jit(f)
    for _ in range(2):
        x.grad = None
        compiled(x).backward()
        close(x.grad, rg.grad(f)(X))


def test_backward_through_a_jitted_forward_into_parameters():
    w, b = rg.Parameter(W), rg.Parameter(np.zeros(4))

    def forward(x):
        return rg.tanh(x @ w + b)

    rg.sum(forward(X) ** 2).backward()
    expected = np.array(w.grad), np.array(b.grad)
    compiled = rg.jit(forward)
    for _ in range(2):
        w.grad = b.grad = None
        rg.sum(compiled(X) ** 2).backward()
        close(w.grad, expected[0])
        close(b.grad, expected[1])


def test_two_calls_accumulate_into_one_leaf():
    w = rg.Parameter(W)
    f = rg.jit(lambda x: rg.sum(x @ w))
    (f(X) * f(2 * X)).backward()
    found = np.array(w.grad)
    w.grad = None
    (rg.sum(X @ w) * rg.sum(2 * X @ w)).backward()
    close(found, w.grad)


def test_create_graph_through_a_jitted_function():
    x = rg.tensor(X, requires_grad=True)
    f = rg.jit(lambda v: rg.sum(v**3))
    f(x).backward(create_graph=True)
    g = x.grad
    x.grad = None
    rg.sum(g * g).backward()
    close(x.grad, 36 * X**3)


def test_gradients_of_captured_and_passed_values_together():
    w = rg.tensor(W, requires_grad=True)
    x = rg.tensor(X, requires_grad=True)
    f = rg.jit(lambda x: rg.sum(rg.tanh(x @ w)))
    f(x).backward()
    found = np.array(w.grad), np.array(x.grad)
    w.grad = x.grad = None
    rg.sum(rg.tanh(x @ w)).backward()
    close(found[0], w.grad)
    close(found[1], x.grad)


def test_closing_over_the_variable_of_an_outer_transform():
    close(rg.grad(lambda x: rg.sum(rg.jit(lambda y: rg.tanh(x * y))(X)))(X), X * (1 - np.tanh(X * X) ** 2))
    close(rg.grad(lambda x: rg.jit(lambda: rg.sum(x**3))())(X), 3 * X**2)
    close(rg.vmap(lambda x: rg.jit(lambda y: x * y)(2.0))(X), 2 * X)


def test_perturbations_are_not_confused():
    """d/dx (x * d/dy (x + y)) = 1, with any of the functions compiled."""
    for a in (rg.jit, lambda f: f):
        for b in (rg.jit, lambda f: f):
            found = rg.grad(a(lambda x: x * rg.grad(b(lambda y: x + y))(1.0)))(2.0)
            assert float(found) == 1.0


# Live and spent results -----------------------------------------------------------------------------------------------


def test_a_swept_result_is_spent():
    p = rg.Parameter(X)

    @rg.jit
    def step():
        p.grad = None
        loss = rg.sum(p * p)
        other = rg.sum(p**3)
        loss.backward()
        return loss, other, loss.detach()

    for _ in range(2):
        loss, other, detached = step()
        with pytest.raises(SpentTape, match="swept"):
            loss.backward()
        with pytest.raises(SpentTape):
            (loss * 2).backward()
        with pytest.raises(DifferentiationError, match="requires"):
            detached.backward()
        p.grad = None
        other.backward()
        close(p.grad, 3 * X**2)


def test_a_result_that_depends_on_nothing_followed_is_a_constant():
    p = rg.Parameter(X)
    f = rg.jit(lambda x: (rg.sum(p), rg.sum(x), x))
    live, constant, same_x = f(X)
    assert live.requires_grad
    assert not constant.requires_grad
    assert not same_x.requires_grad


def test_a_result_that_is_an_argument_stays_connected():
    x = rg.tensor(X, requires_grad=True)
    y, z = rg.jit(lambda v: (v, v * 2))(x)
    rg.sum(y * 3 + z).backward()
    close(x.grad, np.full(X.shape, 5.0))


def test_integer_results_are_constants():
    x = rg.tensor(X, requires_grad=True)
    i, y = rg.jit(lambda v: (rg.argmax(v), rg.max(v)))(x)
    assert not i.requires_grad
    y.backward()
    assert float(rg.sum(x.grad)) == 1.0


def test_a_call_that_is_not_recorded_keeps_no_residuals():
    p = rg.Parameter(X)
    f = rg.jit(lambda: rg.sum(p))
    with rg.no_grad():
        assert f().node is None
    q = rg.Buffer(X)
    assert rg.jit(lambda: rg.sum(q))().node is None


def test_a_tape_through_a_jitted_function_is_freed():
    x = rg.tensor(X, requires_grad=True)
    loss = rg.jit(network)(x)
    loss.backward(retain_graph=True)
    loss.backward()
    with pytest.raises(SpentTape):
        loss.backward()


def test_a_value_read_after_an_assignment_is_a_new_leaf():
    def run(mode):
        p = rg.Parameter(np.array([1.0, 2.0]))

        def step():
            p.value = p * 3
            loss = rg.sum(p * p)
            loss.backward()
            return loss.detach()

        mode(step)()
        return p.grad

    close(run(rg.jit), run(lambda f: f))


@pytest.mark.parametrize("wrap", ["jit", "checkpoint"])
def test_a_live_result_of_a_parameter_assigned_inside_is_not_differentiated_wrongly(wrap):
    """Eager code differentiates at the new value; that leaf is not outside the program, so sweeping raises."""
    p = rg.Parameter(np.array([1.0, 2.0]))

    def f():
        p.value = p * 3
        return rg.sum(p * p)

    loss = (rg.jit if wrap == "jit" else rg.checkpoint)(f)()
    close(loss.detach(), np.array(9.0 + 36.0))
    with pytest.raises(DifferentiationError):
        loss.backward()
    assert p.grad is None


@pytest.mark.parametrize("first", ["read", "assign"])
@pytest.mark.parametrize("transform", ["grad", "jvp"])
def test_assignment_stops_gradients_in_a_compiled_loop_too(transform, first):
    def run(mode):
        b = rg.Buffer(np.ones(()))

        def f(x):
            def body(i, c):
                old = b * x
                b.value = b * x  # the variable goes in, and what comes out is a constant
                return c + (old if first == "read" else b * x)

            return mode(0, 3, body, x * 0)

        if transform == "grad":
            return rg.grad(f)(2.0)
        return rg.jvp(f, (2.0,), (1.0,))[1]

    def python(lower, upper, body, carry):
        for i in range(lower, upper):
            carry = body(rg.tensor(i), carry)
        return carry

    expected = run(python)
    assert float(expected) == (1.0 + 2.0 + 4.0 if first == "read" else 2.0 + 4.0 + 8.0)
    close(run(rg.fori_loop), expected)
