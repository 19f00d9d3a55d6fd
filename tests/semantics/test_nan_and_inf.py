"""NaN and infinities behave as IEEE says, eager and compiled; selection routes cotangents; ties."""

import numpy as np
import pytest

import retrograd as rg
from tests.semantics.ways import WAYS, ways

nan, inf = np.nan, np.inf
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, inf, -inf, nan, 5e-324, 1.7e308])


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_array_equal(a, b, strict=True)
    if a.dtype.kind == "f":
        zero = a == 0
        np.testing.assert_array_equal(np.signbit(a[zero]), np.signbit(b[zero]))


def same_up_to_rounding(a, b, ulps=2, signs=True):
    """Special values exactly, others within some units in the last place; NumPy's maximum leaves signs of 0 open."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind != "f":
        return same(a, b)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    finite = np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    assert (np.abs(a[finite] - b[finite]) <= ulps * np.spacing(np.abs(b[finite]))).all()
    if signs:
        np.testing.assert_array_equal(np.signbit(a[b == 0]), np.signbit(b[b == 0]))
    return None


@pytest.fixture(autouse=True)
def _silent():
    """NumPy warns of invalid operations in eager code; that is its setting, not ours."""
    with np.errstate(all="ignore"):
        yield


UNARY = ["exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "absolute", "negative", "sign", "square",
         "floor", "ceil", "trunc", "round", "reciprocal", "isnan", "isinf", "isfinite"]  # fmt: skip
BINARY = ["add", "subtract", "multiply", "divide", "power", "remainder", "fmod", "floor_divide", "maximum", "minimum", "less", "equal", "greater_equal",
          "not_equal"]  # fmt: skip


@ways
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_as_numpy(way, name):
    expected = getattr(np, name)(SPECIAL)
    compare = same if way is WAYS["eager"] else same_up_to_rounding
    compare(way(getattr(rg, name))(SPECIAL), expected)


@ways
@pytest.mark.parametrize("name", BINARY)
def test_binary_functions_as_numpy(way, name):
    x, y = SPECIAL[:, None], SPECIAL[None, :]
    expected = getattr(np, name)(x, y)
    found = way(getattr(rg, name))(x, y)
    if way is WAYS["eager"]:
        same(found, expected)
    else:
        same_up_to_rounding(found, expected, signs=name not in ("maximum", "minimum"))


@ways
def test_reductions_as_numpy(way):
    for row in (np.array([1.0, nan, 3.0]), np.array([inf, -inf]), np.array([-inf, 1.0]), np.array([nan, nan])):
        for name in ("sum", "max", "mean", "argmax", "min", "argmin", "any", "all"):
            same(way(getattr(rg, name))(row), getattr(np, name)(row))
    assert float(way(rg.logsumexp)(np.array([-inf, -inf]))) == -inf
    assert float(way(rg.logsumexp)(np.array([inf, 1.0]))) == inf
    assert float(way(rg.logsumexp)(np.array([1000.0, 1000.0]))) == 1000 + np.log(2)


# Selection ------------------------------------------------------------------------------------------------------------


@ways
def test_where_routes_by_selection(way):
    """The branch that was not taken gets zero, even where its own derivative is infinite or NaN times anything."""
    x = np.array([-1.0, 0.0, 4.0])
    f = lambda v, a, b: rg.sum(rg.where(v > 0, a, b))
    a, b = np.array([nan, inf, 1.0]), np.array([1.0, 2.0, nan])
    da, db = way(rg.grad(f, argnums=(1, 2)))(x, a, b)
    same(da, np.array([0.0, 0.0, 1.0]))
    same(db, np.array([1.0, 1.0, 0.0]))
    ct = way(lambda: rg.vjp(lambda a, b: rg.where(x > 0, a, b), a, b)[1](np.array([inf, nan, 2.0])))()
    same(ct[0], np.array([0.0, 0.0, 2.0]))
    same(ct[1], np.array([inf, nan, 0.0]))
    tangent = way(lambda: rg.jvp(lambda a, b: rg.where(x > 0, a, b), (a, b), (np.array([nan, nan, 3.0]), np.ones(3))))()
    same(tangent[1], np.array([1.0, 1.0, 3.0]))


@ways
def test_clip_relu_maximum_and_minimum_route_by_selection(way):
    x = np.array([-inf, -1.0, 0.5, 3.0, inf])
    same(way(rg.grad(lambda v: rg.sum(rg.clip(v, 0.0, 1.0))))(x), np.array([0.0, 0.0, 1.0, 0.0, 0.0]))
    same(way(rg.grad(lambda v: rg.sum(rg.relu(v))))(x), np.array([0.0, 0.0, 1.0, 1.0, 1.0]))
    big = np.full(5, inf)
    for f, flags in (
        (lambda v: rg.clip(v, 0.0, 1.0), [0, 0, 1, 0, 0]), (rg.relu, [0, 0, 1, 1, 1]),
        (lambda v: rg.maximum(v, 0.7), [0, 0, 0, 1, 1]), (lambda v: rg.minimum(v, 0.7), [1, 1, 1, 0, 0]),
    ):  # fmt: skip
        pulled = way(lambda f=f: rg.vjp(f, x)[1](big)[0])()
        same(pulled, np.where(np.array(flags, bool), inf, 0.0))


@ways
def test_nan_passes_through_selections(way):
    x = np.array([nan, 1.0])
    assert np.isnan(way(rg.relu)(x).numpy()[0])
    assert np.isnan(way(lambda v: rg.clip(v, 0.0, 1.0))(x).numpy()[0])
    assert np.isnan(way(lambda v: rg.maximum(v, 0.0))(x).numpy()[0])
    assert np.isnan(way(rg.max)(x).item())


@ways
def test_reductions_by_maximum_split_ties(way):
    same(way(rg.grad(rg.max))(np.array([3.0, 1.0, 3.0, 3.0])), np.array([1, 0, 1, 1]) / 3)
    rows = np.array([[2.0, 2.0], [1.0, 5.0]])
    same(way(rg.grad(lambda x: rg.sum(rg.max(x, axis=1))))(rows), np.array([[0.5, 0.5], [0.0, 1.0]]))
    same(way(lambda: rg.jvp(rg.max, (rows[0],), (np.array([1.0, 3.0]),))[1])(), np.array(2.0))


@ways
def test_argmax_takes_the_first_of_ties(way):
    assert int(way(rg.argmax)(np.array([1.0, 3.0, 3.0]))) == 1
    assert int(way(rg.argmax)(np.array([1.0, nan, nan]))) == 1


@ways
def test_integer_powers_at_zero_differentiate_to_any_order(way):
    f = lambda x: x**3
    for order, expected in enumerate([0.0, 0.0, 0.0, 6.0, 0.0]):
        g = f
        for _ in range(order):
            g = rg.grad(g)
        assert float(way(g)(np.array(0.0))) == expected
    assert float(way(rg.grad(lambda x: x**0))(np.array(0.0))) == 0.0
    assert float(way(rg.grad(lambda x: x**1))(np.array(0.0))) == 1.0


# piecewise and trace_nan ----------------------------------------------------------------------------------------------
