"""Products and running sums and products: NumPy's values, and derivatives that zeros do not disturb."""

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import ShapeError
from retrograd.primitives.cumulative import LinearRecurrence
from retrograd.testing.cases import plain

X = np.random.default_rng(0).normal(size=(2, 3, 4))
INTEGERS = np.random.default_rng(1).integers(-3, 4, (3, 4))
RUNNING = {"cumsum": np.cumsum, "cumprod": np.cumprod}
DTYPES = ["bool", "int8", "uint8", "int32", "int64", "float32", "float64"]


@pytest.mark.parametrize("name", RUNNING)
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, -3])
def test_running_values_are_numpys(name, axis):
    f = getattr(rg, name)
    wanted = RUNNING[name](X, axis=axis)
    np.testing.assert_array_equal(f(X, axis=axis), wanted, strict=True)
    np.testing.assert_array_equal(rg.jit(lambda x: f(x, axis=axis))(X), wanted, strict=True)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (0, 1, 2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_products_are_numpys(axis, keepdims):
    wanted = np.prod(X, axis=axis, keepdims=keepdims)
    for f in (rg.prod, rg.jit(lambda x, **k: rg.prod(x, axis=axis, keepdims=keepdims))):
        found = f(X, axis=axis, keepdims=keepdims) if f is rg.prod else f(X)
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
        assert found.shape == np.shape(wanted)


@pytest.mark.parametrize("dtype", DTYPES)
def test_integers_become_the_widest_of_their_kind(dtype):
    x = INTEGERS.astype(dtype)
    for name, axis in itertools.product(("sum", "prod", "cumsum", "cumprod"), (0, 1)):
        wanted = getattr(np, name)(x, axis=axis)
        for f in (getattr(rg, name), rg.jit(lambda x, name=name, axis=axis: getattr(rg, name)(x, axis=axis))):
            found = f(x, axis=axis) if f is getattr(rg, name) else f(x)
            np.testing.assert_array_equal(found, wanted, err_msg=name)
            assert found.dtype == wanted.dtype
    assert rg.prod(x, dtype="float32").dtype == rg.cumsum(x, dtype="float32").dtype == np.float32


def test_of_nothing_and_of_scalars():
    x = np.zeros((2, 0))
    np.testing.assert_array_equal(rg.prod(x, axis=1), np.ones(2))
    np.testing.assert_array_equal(rg.jit(lambda x: rg.prod(x, axis=1))(x), np.ones(2))
    assert rg.cumsum(x, axis=0).shape == rg.cumprod(x, axis=1).shape == rg.grad(lambda x: rg.prod(x))(x).shape == (2, 0)
    assert rg.cumsum(2.0).shape == (1,)
    assert float(rg.prod(rg.tensor(3.0))) == 3.0


@pytest.mark.parametrize("name, of_nothing", [("cumulative_sum", 0), ("cumulative_prod", 1)])
def test_the_array_apis_names(name, of_nothing):
    f, plain_name = getattr(rg, name), {"cumulative_sum": "cumsum", "cumulative_prod": "cumprod"}[name]
    np.testing.assert_array_equal(f(INTEGERS, axis=1), getattr(np, plain_name)(INTEGERS, axis=1), strict=True)
    for axis in (0, -1):
        found = f(INTEGERS, axis=axis, include_initial=True).numpy()
        np.testing.assert_array_equal(np.take(found, 0, axis), np.full(np.take(found, 0, axis).shape, of_nothing))
        np.testing.assert_array_equal(np.delete(found, 0, axis), getattr(np, plain_name)(INTEGERS, axis=axis))
    with pytest.raises(ShapeError, match=rf"{name} of shape \(3, 4\): say along which axis="):
        f(INTEGERS)


def products_without(x, *gone):
    """The derivative of a product by some of its factors, from its definition."""
    return 0.0 if len(set(gone)) < len(gone) else math.prod(v for i, v in enumerate(x) if i not in gone)


@pytest.mark.parametrize("zeros", range(5))
@pytest.mark.parametrize("mode", ["eager", "native"])
def test_derivatives_of_a_product_with_zeros_to_third_order(zeros, mode):
    x = np.array([2.0, -3.0, 0.5, 5.0, 1.5])
    x[:zeros] = 0.0
    n = range(len(x))
    third = rg.jacobian(rg.hessian(rg.prod))
    first, second, third = (f if mode == "eager" else rg.jit(f) for f in (rg.grad(rg.prod), rg.hessian(rg.prod), third))
    np.testing.assert_allclose(first(x), [products_without(x, i) for i in n], rtol=1e-14)
    np.testing.assert_allclose(second(x), [[products_without(x, i, j) for j in n] for i in n], rtol=1e-14)
    wanted = [[[products_without(x, i, j, k) for k in n] for j in n] for i in n]
    np.testing.assert_allclose(third(x), wanted, rtol=1e-14)


@pytest.mark.parametrize("zeros", [(), (0,), (3,), (1, 2), (0, 2, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize("mode", ["eager", "native"])
def test_derivatives_of_running_products_with_zeros(zeros, mode):
    x = np.array([2.0, -3.0, 0.5, 5.0])
    x[list(zeros)] = 0.0
    n = len(x)
    jacobian, second = rg.jacobian(rg.cumprod), rg.jacobian(rg.jacobian(rg.cumprod))
    if mode == "native":
        jacobian, second = rg.jit(jacobian), rg.jit(second)
    wanted = [[products_without(x[: k + 1], i) if i <= k else 0.0 for i in range(n)] for k in range(n)]
    np.testing.assert_allclose(jacobian(x), wanted, rtol=1e-14)
    wanted = [[[products_without(x[: k + 1], i, j) if max(i, j) <= k else 0.0 for j in range(n)] for i in range(n)]
              for k in range(n)]  # fmt: skip
    np.testing.assert_allclose(second(x), wanted, rtol=1e-14)


def test_huge_and_tiny_factors_do_not_spoil_the_gradient_of_a_product():
    x = np.array(
        [1e300, 1e-300, 1e300, 1e-300]
    )  # divided by a factor, their product would do as well: 1e-300 has digits
    np.testing.assert_allclose(rg.grad(rg.prod)(x) * x, np.ones(4), rtol=1e-12)
    x = np.array([5e-324, 1e300, 1e20])  # 5e-324 has none: the product divided by it is off by half of it
    np.testing.assert_allclose(rg.grad(rg.prod)(x)[1:], [5e-324 * 1e20, 5e-324 * 1e300], rtol=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_linear_recurrence_is_the_loop_it_says(reverse):
    a, b = np.random.default_rng(2).normal(size=(2, 5, 3))
    order = range(5)[::-1] if reverse else range(5)
    wanted, last = np.empty_like(b), None
    for k in order:
        wanted[k] = last = b[k] if last is None else a[k] * last + b[k]
    from retrograd.core.dispatch import apply

    np.testing.assert_array_equal(plain(apply(LinearRecurrence.of(0, reverse), a, b)), wanted)


def test_gradients_as_a_person_would_write_them():
    """Discounted returns: what a reward is worth to all that came before it."""
    rewards = rg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    rg.sum(rg.flip(rg.cumsum(rg.flip(rewards)))).backward()
    np.testing.assert_array_equal(rewards.grad, [1.0, 2.0, 3.0])


def test_methods_and_numpys_functions():
    x = rg.tensor(X)
    for name in ("prod", "cumsum", "cumprod"):
        wanted = getattr(np, name)(X, axis=1)
        np.testing.assert_allclose(getattr(x, name)(axis=1), wanted, rtol=1e-14)
        np.testing.assert_allclose(getattr(np, name)(x, 1), wanted, rtol=1e-14)
        np.testing.assert_allclose(getattr(np, name)(x), getattr(np, name)(X), rtol=1e-14)
    with pytest.raises(ValueError, match="cumsum: axis 3 is out of range for 3 axes"):
        rg.cumsum(x, axis=3)
