"""Smallest elements, their places, and truth over axes: NumPy's answers in every dtype, eager, compiled, over lanes."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.types import type_of
from retrograd.errors import DTypeError
from retrograd.primitives.reduction import AllTrue, AnyTrue

AXES = (None, 0, 1, -1, (0, 2), (), (0, 1, 2))
DTYPES = ("float32", "float64", "int8", "int64", "uint8", "uint64", "bool")


def drawn(dtype, shape=(3, 4, 21)):
    """With ties, and the ends of what the dtype holds."""
    rng = np.random.default_rng(2)
    if dtype == "bool":
        return rng.integers(0, 4, shape) > 0
    if dtype.startswith("float"):
        return (rng.integers(-40, 40, shape) / 4).astype(dtype)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    x[0, 0, 0], x[1, 1, 1] = info.min, info.max
    return x


def ways(f, x):
    yield f(x)
    yield rg.jit(f)(x)
    yield rg.vmap(f)(np.stack([x[::-1], x]))[1]


def same(found, wanted):
    np.testing.assert_array_equal(np.asarray(found), wanted, strict=True)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_min_any_and_all_are_numpys(dtype, axis, keepdims):
    x = drawn(dtype)
    f = lambda v: tuple(g(v, axis=axis, keepdims=keepdims) for g in (rg.min, rg.any, rg.all))
    wanted = [np.asarray(g(x, axis=axis, keepdims=keepdims)) for g in (np.min, np.any, np.all)]
    for found in (f(x), rg.jit(f)(x)):
        for one, w in zip(found, wanted, strict=True):
            same(one, w)


@pytest.mark.parametrize("name", ["min", "argmin", "any", "all", "argmax", "max"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_over_lanes_and_as_a_method(dtype, name):
    x = drawn(dtype)
    wanted = np.asarray(getattr(np, name)(x, axis=1))
    for found in ways(lambda v: getattr(rg, name)(v, axis=1), x):
        same(found, wanted)
    same(getattr(rg.tensor(x), name)(axis=1), wanted)
    same(getattr(rg.tensor(x), name)(1, True), getattr(np, name)(x, axis=1, keepdims=True))
    same(getattr(np, name)(rg.tensor(x), axis=1), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
def test_argmin_takes_the_first(dtype):
    x = drawn(dtype)
    for axis in (None, 0, 1, -1):
        for found in (rg.argmin(x, axis=axis), rg.jit(lambda v, a=axis: rg.argmin(v, axis=a))(x)):
            same(found, np.asarray(np.argmin(x, axis=axis)))
    assert rg.argmin(x, keepdims=True).shape == (1, 1, 1)
    assert int(rg.argmin([2.0, 1.0, 1.0])) == 1


def test_nan_is_the_smallest_too():
    x = np.array([[1.0, np.nan, -np.inf, np.nan], [np.inf, 2.0, 3.0, 2.0]])
    for jit in (lambda f: f, rg.jit):
        same(jit(lambda v: rg.min(v, axis=1))(x), np.array([np.nan, 2.0]))
        same(jit(lambda v: rg.argmin(v, axis=1))(x), np.array([1, 1]))
        same(jit(lambda v: rg.any(v - 2, axis=1))(x), np.array([True, True]))  # NaN is a number other than 0


def test_the_gradient_of_a_smallest_element():
    x = np.array([[3.0, 1.0, 1.0], [0.5, 2.0, 4.0]])
    wanted = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    for jit in (lambda f: f, rg.jit):
        same(jit(rg.grad(lambda v: rg.sum(rg.min(v, axis=1))))(x), wanted)
        same(jit(rg.grad(lambda v: -rg.sum(rg.max(-v, axis=1, keepdims=True))))(x), wanted)
    leaf = rg.tensor(x, requires_grad=True)
    leaf.min().backward()
    same(leaf.grad, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))


def test_truth_has_no_gradient_and_wants_booleans_inside():
    assert not rg.any(rg.tensor([1.0, 0.0], requires_grad=True)).requires_grad
    for prim in (AnyTrue, AllTrue):
        with pytest.raises(DTypeError, match=f"{prim.name} needs booleans, got"):
            prim.of((0,), False).infer(type_of(np.ones(2)))
