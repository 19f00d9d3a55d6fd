"""Rounding, and division with a remainder: NumPy's numbers in every dtype, eager and compiled; no processor traps."""

import math
import operator

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DTypeError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy warns of divisions by zero

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DIVISIONS = ("floor_divide", "remainder", "fmod")
ROUNDINGS = ("floor", "ceil", "trunc", "round")


def same(found, wanted):
    np.testing.assert_array_equal(np.asarray(found), wanted, strict=True)


def ways(f, *args):
    yield f(*args)
    yield rg.jit(f)(*args)


def ends(dtype):
    """Numbers around zero and both ends, every one of them against every other; more than a few registers' worth."""
    info = np.iinfo(dtype)
    some = [0, 1, 2, 3, 5, 7, 100, info.max, info.max - 1, info.max // 2]
    some += [-1, -2, -3, -7, info.min, info.min + 1] if info.min else [info.max // 3]
    x = np.array(some, dtype)
    return np.repeat(x, x.size), np.tile(x, x.size)


@pytest.mark.parametrize("name", DIVISIONS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_divided_as_numpy_divides_them(name, dtype):
    """By 0 they give 0; the lowest number by -1 is itself and leaves nothing. Both would stop a compiled program."""
    x, y = ends(dtype)
    wanted = getattr(np, name)(x, y)
    assert not wanted[y == 0].any()
    for found in ways(getattr(rg, name), x, y):
        same(found, wanted)
    for found in ways(getattr(rg, name), x[1:4], y[1:4]):  # lanes without an element divide too
        same(found, wanted[1:4])


@pytest.mark.parametrize("name", DIVISIONS)
def test_integers_by_a_number_that_is_known(name):
    f = getattr(rg, name)
    x = np.array([-(2**63), -7, -1, 0, 1, 7, 2**63 - 1])
    for n in (0, 1, -1, 3, -3):
        for found in ways(lambda v, n=n: f(v, n), x):
            same(found, getattr(np, name)(x, n))
        for found in ways(lambda v, n=n: f(n, v), x):
            same(found, getattr(np, name)(n, x))
    for found in ways(lambda: f(rg.asarray(np.array(-(2**63))), -1)):
        same(found, getattr(np, name)(np.array(-(2**63)), np.array(-1)))


@pytest.mark.parametrize("name", DIVISIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_divided_exactly_whatever_the_quotient(name, dtype):
    """All exponents: quotients of one bit to two thousand. Bit for bit NumPy's."""
    rng = np.random.default_rng(0)
    kind = "u4" if dtype == "float32" else "u8"
    x, y = rng.integers(0, 2 ** (8 * int(kind[1])), (2, 3000), dtype=kind).view(dtype)
    near = rng.integers(-50, 50, 3000) * y * rng.choice([1, 1 - np.finfo(dtype).eps], 3000).astype(dtype)
    x, y = np.concatenate([x, near.astype(dtype)]), np.concatenate([y, y])
    wanted = getattr(np, name)(x, y)
    for found in ways(getattr(rg, name), x, y):
        same(found, wanted)
        known = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(found.numpy()[known]), np.signbit(wanted[known]))


@pytest.mark.parametrize("name", ROUNDINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_rounded_as_numpy_rounds_them(name, dtype):
    large = 2.0 ** np.arange(20, 60)
    x = np.concatenate([np.arange(-9, 9.25, 0.25), large, large + 0.5, -large - 0.5]).astype(dtype)
    for found in ways(getattr(rg, name), x):
        same(found, getattr(np, name)(x))


@pytest.mark.parametrize("name", ROUNDINGS)
def test_integers_are_whole_already(name):
    f, x = getattr(rg, name), np.array([2**63 - 1, -5])
    for found in ways(f, x):
        same(found, x)
    assert f(3).weak and f(2.5).weak
    with pytest.raises(DTypeError, match=f"{name} has no meaning for bool"):
        f(np.array([True]))


def test_decimals():
    x = np.array([3.14159, -2.71828, 1234.5678, 0.125, 2.675])
    for decimals in (0, 1, 2, 5, -1, -3):
        for found in ways(lambda v, d=decimals: rg.round(v, d), x):
            same(found, np.round(x, decimals))
        same(np.round(rg.tensor(x), decimals), np.round(x, decimals))
        same(round(rg.tensor(x), decimals), np.round(x, decimals))
    same(round(rg.tensor(x)), np.round(x))
    same(rg.round(np.array([15, 25]), 2), np.array([15, 25]))
    with pytest.raises(DTypeError, match="round of int64 to -1 decimals; convert"):
        rg.round(np.array([15, 25]), -1)


@pytest.mark.parametrize("op", [operator.floordiv, operator.mod, divmod], ids=lambda op: op.__name__)
def test_operators(op):
    x, y = np.array([7.5, -7.5, 7.5, -7.5]), np.array([2.0, 2.0, -2.0, -2.0])
    for found, wanted in (
        (op(rg.tensor(x), rg.tensor(y)), op(x, y)),
        (op(rg.tensor(x), 2), op(x, 2)),
        (op(7.0, rg.tensor(y)), op(7.0, y)),
        (op(x, rg.tensor(y)), op(x, y)),
    ):
        for f, w in zip(found, wanted, strict=True) if op is divmod else [(found, wanted)]:
            assert isinstance(f, rg.Tensor)
            same(f, w)
    with pytest.raises(TypeError):
        op(rg.tensor(x), "two")
    with pytest.raises(TypeError):
        op(None, rg.tensor(x))


def test_dtypes_meet_as_in_other_arithmetic():
    ints, floats = np.array([7, -7], "int32"), np.array([2.0, 2.0], "float32")
    for name in DIVISIONS:
        f = getattr(rg, name)
        assert f(ints, 2).dtype == np.int32
        assert f(ints, floats).dtype == f(floats, ints).dtype == f(ints, 2.0).dtype == np.float32
        with pytest.raises(DTypeError, match="has no meaning for bool"):
            f(np.array([True]), np.array([True]))
    assert rg.reciprocal(np.array([2, 4])).dtype == np.float32
    same(rg.reciprocal(np.array([2.0, 4.0])), np.array([0.5, 0.25]))


def test_quotient_and_remainder_fit_together():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 1000)) * [[100.0], [1.0]]
    quotient, rest = divmod(rg.asarray(x), rg.asarray(y))
    np.testing.assert_allclose(quotient * y + rest, x, rtol=1e-14)
    assert ((rest.numpy() * y >= 0) & (np.abs(rest.numpy()) <= np.abs(y))).all()
    for found, a, b in zip(quotient.numpy()[:50], x, y, strict=False):
        assert found == math.floor(a // b)


def test_angles_keep_their_gradient():
    """The reason to differentiate a remainder: what is periodic."""
    x = np.linspace(-20, 20, 41) + 0.01
    found = rg.grad(lambda v: rg.sum(rg.sin(rg.remainder(v, 2 * math.pi))))(x)
    np.testing.assert_allclose(found, np.cos(x), atol=1e-12)
    period = lambda p: rg.sum(rg.remainder(x, p) ** 2)
    np.testing.assert_allclose(rg.grad(period)(2.0), np.sum(2 * (x % 2.0) * -(x // 2.0)), rtol=1e-6)
