"""Levels stay apart: perturbation confusion, closed-over values, escaped tracers, exceptions half-way."""

import threading

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import EVALUATE, current
from retrograd.errors import BorderCrossed, DifferentiationError, EscapedTracer, MissingRule, SpentTape

DERIVATIVES = {
    "grad": lambda f: rg.grad(f),
    "jvp": lambda f: lambda x: rg.jvp(f, (x,), (1.0,))[1],
    "vjp": lambda f: lambda x: rg.vjp(f, x)[1](1.0)[0],
    "jacobian": lambda f: rg.jacobian(f),
    "grad of jit": lambda f: rg.grad(rg.jit(f)),
    "jit of grad": lambda f: rg.jit(rg.grad(f)),
    "vmap of grad": lambda f: lambda x: rg.vmap(rg.grad(f))(rg.stack([x, x]))[1],
    "grad of checkpoint": lambda f: rg.grad(rg.checkpoint(f)),
}
pairs = pytest.mark.parametrize("outer", DERIVATIVES.values(), ids=DERIVATIVES)
inners = pytest.mark.parametrize("inner", DERIVATIVES.values(), ids=DERIVATIVES)


@pairs
@inners
def test_perturbations_are_not_confused(outer, inner):
    """d/dx [x d/dy (x + y)] at y = 1 is 1; one level taken for the other would say 2 (Siskind, Pearlmutter 2005)."""
    assert outer(lambda x: x * inner(lambda y: x + y)(rg.asarray(1.0, dtype="float64")))(np.float64(1.0)).item() == 1.0


@pairs
@inners
def test_an_inner_derivative_of_a_product_with_an_outer_variable(outer, inner):
    """d/dx [x d/dy (x y^2)] at y = 3 is 2 x 6 x = 12 x, and at y = x it is d/dx [2 x^3] = 6 x^2."""
    x = np.float64(2.0)
    three = rg.asarray(3.0, dtype="float64")
    assert outer(lambda x: x * inner(lambda y: x * y * y)(three))(x).item() == 24.0
    assert outer(lambda x: x * inner(lambda y: x * y * y)(x))(x).item() == 24.0


@pairs
@inners
def test_an_inner_function_that_ignores_its_argument(outer, inner):
    assert outer(lambda x: x * inner(lambda _: x * x)(x) + x)(np.float64(3.0)).item() == 1.0


@pairs
def test_a_nested_closure_over_three_levels(outer):
    def f(x):
        def g(y):
            return outer(lambda z: x * y * z * z)(y) * x

        return outer(g)(x)  # g = 2 x^2 y^2, its derivative by y at x is 4 x^3

    assert outer(f)(np.float64(2.0)).item() == 48.0


def test_higher_derivatives_by_nesting():
    f = lambda x: rg.exp(2.0 * x)
    for order in range(6):
        assert f(0.0).item() == pytest.approx(2.0**order)
        f = DERIVATIVES["grad" if order % 2 else "jvp"](f)


def test_batching_inside_and_outside_derivatives():
    xs, ys = np.arange(3.0), np.arange(4.0) + 1
    table = lambda f: rg.vmap(lambda x: rg.vmap(lambda y: f(x, y))(ys))(xs)
    f = lambda x, y: x * x * y + rg.sin(y)
    np.testing.assert_array_equal(table(rg.grad(f)), 2 * xs[:, None] * ys)
    np.testing.assert_allclose(table(rg.grad(f, argnums=1)), xs[:, None] ** 2 + np.cos(ys), rtol=1e-15)
    by_x = rg.grad(lambda x: rg.sum(rg.vmap(lambda y: f(x, y))(ys)))
    np.testing.assert_array_equal(rg.vmap(by_x)(xs), 2 * xs * ys.sum())


def test_vmap_where_an_outer_vmap_owns_the_closure():
    """The same numbers as two loops, with the lanes in either order."""
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(4, 3)
    one = rg.vmap(lambda x: rg.vmap(lambda y: rg.tanh(x * y) @ y - x[0])(b))(a).numpy()
    other = rg.vmap(lambda y: rg.vmap(lambda x: rg.tanh(x * y) @ y - x[0])(a))(b).numpy()
    np.testing.assert_array_equal(one, other.T)
    np.testing.assert_array_equal(one, [[np.tanh(x * y) @ y - x[0] for y in b] for x in a])


# Escapes --------------------------------------------------------------------------------------------------------------


def escape(transform):
    """A value that `transform` traced, after it has ended."""
    kept = []
    transform(lambda x: kept.append(x) or rg.sum(x * x))
    return kept[0]


X = np.array([1.0, 2.0])
TRANSFORMS = {
    "grad": lambda f: rg.grad(f)(X),
    "vjp": lambda f: rg.vjp(f, X),
    "jvp": lambda f: rg.jvp(f, (X,), (X,)),
    "vmap": lambda f: rg.vmap(f)(np.stack([X, X])),
    "jit": lambda f: rg.jit(f)(X),
    "checkpoint": lambda f: rg.checkpoint(f)(X),
    "scan": lambda f: rg.scan(lambda c, x: (c + f(x), None), 0.0, np.stack([X, X])),
    "cond": lambda f: rg.cond(True, f, lambda x: rg.sum(x), X),
    "fori_loop": lambda f: rg.fori_loop(0, 2, lambda _, c: c + f(c), X),
    "while_loop": lambda f: rg.while_loop(lambda c: rg.sum(c) < 10, lambda c: c + f(c), X),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_escaped_tracer_names_the_transform_and_the_line(name):
    leaked = escape(TRANSFORMS[name])
    for use in (lambda: leaked + 1.0, lambda: rg.sum(leaked), lambda: rg.grad(lambda x: rg.sum(x * leaked))(X),
                lambda: rg.jit(lambda x: x * leaked)(X), lambda: rg.vmap(lambda x: x * leaked)(X)):  # fmt: skip
        with pytest.raises(EscapedTracer, match=r"test_nesting.py:\d+"):
            use()
        assert current() is EVALUATE


@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_exception_half_way_leaves_nothing_behind(name):
    class OurError(Exception):
        pass

    def fails(x):
        rg.exp(x)
        raise OurError

    with pytest.raises(OurError):
        TRANSFORMS[name](fails)
    assert current() is EVALUATE
    np.testing.assert_array_equal(rg.grad(lambda x: rg.sum(x * x))(X), 2 * X)
    TRANSFORMS[name](lambda x: rg.sum(x * x))


@pytest.mark.parametrize("outer", TRANSFORMS)
@pytest.mark.parametrize("inner", TRANSFORMS)
def test_an_exception_in_nested_transforms_leaves_nothing_behind(outer, inner):
    def fails(x):
        def deeper(y):
            raise KeyError(str(rg.sum(y).shape))

        TRANSFORMS[inner](lambda y: deeper(y * rg.sum(x)))
        return rg.sum(x)

    with pytest.raises(KeyError):
        TRANSFORMS[outer](fails)
    assert current() is EVALUATE


def test_a_failing_backward_rule_leaves_nothing_behind():
    @rg.custom_vjp
    def f(x):
        return x * 2.0

    def backward(residuals, ct):
        raise ZeroDivisionError

    f.defvjp(lambda x: (x * 2.0, x), backward)
    for road in (lambda: rg.grad(lambda x: rg.sum(f(x)))(X), lambda: rg.jit(rg.grad(lambda x: rg.sum(f(x))))(X)):
        with pytest.raises(ZeroDivisionError):
            road()
        assert current() is EVALUATE


def test_levels_of_threads_are_their_own():
    """Each thread differentiates while the other is inside a transform."""
    inside, done, results = threading.Barrier(2), threading.Barrier(2), {}

    def work(name, scale):
        def f(x):
            inside.wait(10)
            y = rg.sum(x * x * scale)
            done.wait(10)
            return y

        results[name] = rg.grad(f)(X).numpy()

    threads = [threading.Thread(target=work, args=(n, float(n))) for n in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(results[1], 2 * X)
    np.testing.assert_array_equal(results[2], 4 * X)


# Tapes ----------------------------------------------------------------------------------------------------------------


def test_a_tape_is_swept_once_unless_it_is_retained():
    x = rg.tensor(X, requires_grad=True)
    y = rg.sum(x**3)
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad, 2 * 3 * X**2)
    with pytest.raises(SpentTape, match="retain_graph"):
        y.backward()


def test_a_pullback_may_be_called_any_number_of_times():
    _y, pull = rg.vjp(lambda x: x**3, X)
    for scale in (1.0, 2.0, -1.0):
        np.testing.assert_array_equal(pull(np.full(2, scale))[0], scale * 3 * X**2)


def test_backward_inside_a_transform_names_the_functional_form():
    def f(x):
        y = rg.sum(x * x)
        y.backward()
        return y

    for road in (lambda: rg.grad(f)(X), lambda: rg.jvp(f, (X,), (X,)), lambda: rg.vmap(f)(np.stack([X, X])),
                 lambda: rg.grad(rg.jit(f))(X)):  # fmt: skip
        with pytest.raises((DifferentiationError, BorderCrossed), match=r"rg\.grad"):
            road()
        assert current() is EVALUATE


def test_reverse_through_an_unbounded_loop_says_what_to_do():
    loop = lambda x: rg.while_loop(lambda v: rg.sum(v) < 10, lambda v: v * 2.0, x)
    for road in (lambda: rg.grad(lambda x: rg.sum(loop(x)))(X), lambda: rg.jit(rg.grad(lambda x: rg.sum(loop(x))))(X),
                 lambda: rg.grad(rg.jit(lambda x: rg.sum(loop(x))))(X)):  # fmt: skip
        with pytest.raises(MissingRule, match="max_iterations"):
            road()
        assert current() is EVALUATE
    np.testing.assert_array_equal(rg.jvp(loop, (X,), (X,))[1], 4 * X)


# Keys -----------------------------------------------------------------------------------------------------------------

WRAPPERS = [rg.grad, rg.vmap, rg.checkpoint, rg.value_and_grad, rg.jacobian, rg.hessian, rg.jit]


@pytest.mark.parametrize("transform", WRAPPERS)
def test_a_jitted_transform_of_another_function_is_another_program(transform):
    """The wrappers that a transform makes share one code object; what they close over tells them apart."""

    def scaled(f, factor):
        return transform(lambda x: rg.sum(f(x)) * factor)

    functions = [(f, factor) for f in (rg.sin, rg.exp, lambda v: v * v) for factor in (1.0, 2.0, 3.0)]
    for f, factor in functions + functions:
        found, wanted = (g(X) for g in (rg.jit(scaled(f, factor)), scaled(f, factor)))
        assert str(found) == str(wanted)


def test_what_a_transform_was_told_is_part_of_the_program():
    f = lambda x, y: rg.sum(x * y * y)
    for place, wanted in ((0, X * X), (1, 2 * X * X)):
        np.testing.assert_array_equal(rg.jit(rg.grad(f, argnums=place))(X, X), wanted)
    table = np.arange(4.0).reshape(2, 2)
    for axis, wanted in ((0, [1.0, 5.0]), (1, [2.0, 4.0])):
        np.testing.assert_array_equal(rg.jit(rg.vmap(lambda row: rg.sum(row), in_axes=axis))(table), wanted)
