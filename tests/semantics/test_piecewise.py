"""`piecewise`: values and derivatives are those of the case an element falls in, whatever others would give there."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DTypeError, RetrogradError, ShapeError
from tests.semantics.ways import ways

X = np.array([[-1.0, 0.0, 2.0], [3.0, -4.0, 0.5]])


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-13, strict=True)


def f(x, w):
    """Three cases, two of which are undefined for most elements; the parameter is shared by all of them."""
    return rg.piecewise(
        x, (lambda v: v > 0, lambda v: w * rg.log(v)), (lambda v: v < -2, lambda v: w * rg.sqrt(-2 - v)),
        otherwise=lambda v: 0 * v,
    )  # fmt: skip


def by_hand(order, x, w=2.0):
    """f and its derivatives by x, with NumPy; the last is by w."""
    high, low = x > 0, x < -2
    a, b = np.where(high, x, 1.0), np.where(low, -2 - x, 1.0)
    parts = [
        (w * np.log(a), w * np.sqrt(b)), (w / a, -w / 2 / np.sqrt(b)), (-w / a**2, -w / 4 / b**1.5),
        (2 * w / a**3, -w * 3 / 8 / b**2.5), (np.log(a), np.sqrt(b)),
    ][order]  # fmt: skip
    return np.where(high, parts[0], np.where(low, parts[1], 0.0))


@ways
def test_values_and_three_derivatives(way):
    w = np.float64(2.0)
    close(way(f)(X, w), by_hand(0, X))
    g = lambda x: rg.sum(f(x, w))
    for order in (1, 2, 3):
        derivative = rg.grad(g)
        close(way(derivative)(X), by_hand(order, X))
        g = lambda x, d=derivative: rg.sum(d(x))
    ones = np.ones_like(X)
    close(rg.jvp(way(lambda x: f(x, w)), (X,), (ones,))[1], by_hand(1, X))
    close(rg.jvp(lambda x: rg.grad(lambda y: rg.sum(f(y, w)))(x), (X,), (ones,))[1], by_hand(2, X))
    close(rg.linearize(lambda x: f(x, w), X)[1](ones), by_hand(1, X))


@ways
def test_what_all_elements_share_gets_only_what_is_meant_for_it(way):
    by_w = lambda x: rg.grad(lambda w: rg.sum(f(x, w)))(np.float64(2.0))
    close(way(by_w)(X), by_hand(4, X).sum())
    close(way(by_w)(np.full((2,), -1.0)), np.float64(0.0))
    p = rg.Parameter(np.float64(2.0))

    def step():
        p.grad = None
        rg.sum(f(X, p)).backward()
        return p.grad

    close(way(step)(), by_hand(4, X).sum())


@ways
def test_lanes_of_scalars(way):
    """No element of a lane may take a case: then another lane's has to do, and if there is none the case does not run."""
    w, flat = np.float64(2.0), X.reshape(-1)
    over = lambda g: rg.vmap(g, in_axes=(0, None))
    close(way(over(f))(flat, w), by_hand(0, flat))
    by_x, by_w = way(over(rg.grad(f, argnums=(0, 1))))(flat, w)
    close(by_x, by_hand(1, flat))
    close(by_w, by_hand(4, flat))
    close(way(rg.grad(lambda w: rg.sum(over(over(f))(X, w))))(w), by_hand(4, X).sum())
    close(way(rg.grad(lambda w: rg.sum(over(f)(np.array([-1.0, -0.5]), w))))(w), np.float64(0.0))
    close(way(over(rg.grad(rg.grad(f))))(flat, w), by_hand(2, flat))


@ways
@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0, -4.0])
def test_scalars(way, x):
    close(way(rg.grad(lambda v: f(v, 2.0)))(np.float64(x)), by_hand(1, np.float64(x)))
    close(way(rg.grad(lambda w: f(np.float64(x), w)))(2.0), by_hand(4, np.float64(x)))


@ways
def test_several_arguments(way):
    y, z = np.array([1.0, 2.0]), np.array([[0.0, 2.0], [4.0, 0.0]])
    g = lambda y, z: rg.sum(rg.piecewise((y, z), (lambda y, z: z != 0, lambda y, z: y / z), otherwise=1.0))
    by_y, by_z = way(rg.grad(g, argnums=(0, 1)))(y, z)
    close(by_y, np.array([0.25, 0.5]))
    close(by_z, np.array([[0.0, -0.5], [-1 / 16, 0.0]]))


@ways
def test_a_safe_argument(way):
    g = lambda x, w: rg.sum(rg.piecewise(x, (lambda v: v > 0, lambda v: w * rg.log(v)), otherwise=0.0, safe=1.0))
    by_x, by_w = way(rg.grad(g, argnums=(0, 1)))(X, np.float64(2.0))
    close(by_x, np.where(X > 0, 2 / np.where(X > 0, X, 1), 0.0))
    close(by_w, np.log(X[X > 0]).sum())
    h = lambda y, z: rg.sum(
        rg.piecewise(
            (y, z), (lambda y, z: z != 0, lambda y, z: y / z), otherwise=lambda y, z: y, safe=[(0.0, 1.0), None]
        )
    )
    close(way(rg.grad(h, argnums=1))(np.ones(2), np.array([0.0, 2.0])), np.array([0.0, -0.25]))


def test_no_case_is_computed_outside_of_it():
    """Not by NumPy either, which would warn."""
    with rg.trace_nan():
        close(rg.grad(lambda x: rg.sum(f(x, 2.0)))(X), by_hand(1, X))
    with np.errstate(all="raise"):
        close(rg.grad(lambda x: rg.sum(f(x, 2.0)))(X), by_hand(1, X))


def test_cases_go_in_order_and_nan_is_otherwise():
    x = np.array([-1.0, 0.5, 2.0, np.nan])
    found = rg.piecewise(x, (x > 1, 3.0), (lambda v: v > 0, 2.0), otherwise=1.0)
    close(found.astype("float64"), np.array([1.0, 2.0, 3.0, 1.0]))
    assert rg.piecewise(rg.tensor([1.0]), (lambda v: v > 0, 0.5), otherwise=rg.exp).dtype == np.float32
    assert rg.piecewise(np.zeros((0, 2)), (lambda v: v > 0, rg.log), otherwise=0.0).shape == (0, 2)


def test_debug_mode():
    with rg.debug():
        close(rg.grad(lambda x: rg.sum(f(x, 2.0)))(X), by_hand(1, X))


def test_errors():
    positive = lambda v: v > 0
    with pytest.raises(RetrogradError, match="without cases"):
        rg.piecewise(X, otherwise=0.0)
    with pytest.raises(RetrogradError, match="pair"):
        rg.piecewise(X, positive, otherwise=0.0)
    with pytest.raises(DTypeError, match="boolean"):
        rg.piecewise(X, (lambda v: v, rg.log), otherwise=0.0)
    with pytest.raises(ShapeError):
        rg.piecewise(X, (np.ones((4, 3)) > 0, rg.log), otherwise=0.0)
    with pytest.raises(ShapeError, match="case 0"):
        rg.piecewise(X, (positive, lambda v: rg.ones((2, 2, 3))), otherwise=0.0)
    with pytest.raises(RetrogradError, match="one array"):
        rg.piecewise(X, (positive, lambda v: (v, v)), otherwise=0.0)
    with pytest.raises(RetrogradError, match="safe="):
        rg.piecewise(X, (positive, rg.log), otherwise=0.0, safe=[1.0])
