"""Zeros, infinities, NaN, ties, denormals: what every function gives there is what NumPy gives, or what we document."""

import math

import numpy as np
import pytest

import retrograd as rg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # dividing by zero is the point

DTYPES = ("float64", "float32")
TINY = {"float64": 5e-324, "float32": 1e-45}
NORMAL = {"float64": 2.3e-308, "float32": 1.2e-38}
HUGE = {"float64": 1.7e308, "float32": 3.4e38}


def specials(dtype):
    values = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -3.0]
    for size in (TINY, NORMAL, HUGE):
        values += [size[dtype], -size[dtype]]
    return np.array(values, dtype)


def pairs(dtype):
    x = specials(dtype)
    return np.repeat(x, x.size), np.tile(x, x.size)


def sigmoid(x):
    return np.array([1.0 if v == np.inf else 0.0 if v < -745 else 1 / (1 + np.exp(-np.float64(v))) for v in x], x.dtype)


UNARY = {
    "negative": np.negative, "absolute": np.absolute, "sign": np.sign, "square": np.square, "positive": np.positive,
    "sqrt": np.sqrt, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "sigmoid": sigmoid, "softplus": lambda x: np.logaddexp(x, np.zeros((), x.dtype)),
    "erf": lambda x: np.array([math.erf(v) for v in x], x.dtype), "relu": lambda x: np.maximum(x, 0),
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "logical_not": np.logical_not,
    "stop_gradient": np.positive, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.round,
    "reciprocal": np.reciprocal, "rsqrt": lambda x: 1 / np.sqrt(x),
}  # fmt: skip
BINARY = {
    name: getattr(np, name)
    for name in (
        "add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "equal", "not_equal", "less",
        "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "remainder", "fmod", "floor_divide",
    )
}  # fmt: skip


def ways(f, *args):
    """The same value eager, as a graph, over lanes, recorded."""
    yield "eager", f(*args)
    yield "staged", rg.jit(f)(*args)
    yield "over lanes", rg.vmap(f)(*args)
    yield "recorded", f(*[rg.tensor(a, requires_grad=True) for a in args])


def need(found, wanted, what, ulp=4, zeros=True):
    """Equal to `ulp` units in the last place; zeros with their sign (unless not `zeros`), NaN where NaN."""
    found, wanted = found.numpy(), np.asarray(wanted)
    assert found.dtype == wanted.dtype, what
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(found, wanted, err_msg=what)
        return
    nan = np.isnan(wanted)
    np.testing.assert_array_equal(np.isnan(found), nan, err_msg=what)
    whole = np.isfinite(wanted)
    np.testing.assert_array_equal(found[~whole & ~nan], wanted[~whole & ~nan], err_msg=what)
    wide, there = np.asarray(found[whole], np.float64), np.asarray(wanted[whole], np.float64)
    assert (np.abs(wide - there) <= ulp * np.spacing(np.abs(wanted[whole]))).all(), what
    zero = (wanted == 0) & zeros
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]), err_msg=what)


def ordered(name, way):
    """Whether the sign of a zero is NumPy's: native code takes +0 for greater than -0, as IEEE 754-2019 does."""
    return way != "staged" or name not in {"maximum", "minimum", "max", "min"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype):
    x = specials(dtype)
    for way, found in ways(getattr(rg, name), x):
        need(found, UNARY[name](x), f"{name} {way} of {x}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary(name, dtype):
    x, y = pairs(dtype)
    for way, found in ways(getattr(rg, name), x, y):
        need(found, BINARY[name](x, y), f"{name} {way}", zeros=ordered(name, way))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [-2, -1, 0, 1, 2, 3])
def test_integer_power(n, dtype):
    x = specials(dtype)
    for way, found in ways(lambda v: rg.power(v, n), x):
        need(found, x**n, f"power {n} {way}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_and_where(dtype):
    x, y = pairs(dtype)
    for way, found in ways(lambda v, low: rg.clip(v, low, 2.0), x, y):
        wanted = np.minimum(np.maximum(x, y), np.asarray(2.0, dtype))
        need(found, wanted, f"clip {way}", zeros=ordered("maximum", way))
    for way, found in ways(lambda v, w: rg.where(v > 0, v, w), x, y):
        need(found, np.where(x > 0, x, y), f"where {way}")


ROWS = [
    [1.0, 2.0, 3.0], [np.nan, 1.0, 2.0], [1.0, np.nan, np.nan], [np.inf, 1.0, -np.inf], [np.inf, np.inf, 0.0],
    [-np.inf, -np.inf, -np.inf], [-np.inf, 0.0, 1.0], [0.0, -0.0, 0.0], [-0.0, -0.0, -0.0], [5e-324, 0.0, -5e-324],
    [2.0, 2.0, 2.0], [1e4, 1e4, -1e4],
]  # fmt: skip


def logsumexp(x):
    wide = np.asarray(x, np.float64)
    with np.errstate(all="ignore"):
        return np.logaddexp.reduce(wide, axis=-1).astype(x.dtype)


REDUCTIONS = {
    "sum": lambda x: np.sum(x, -1), "max": lambda x: np.max(x, -1), "argmax": lambda x: np.argmax(x, -1),
    "min": lambda x: np.min(x, -1), "argmin": lambda x: np.argmin(x, -1), "any": lambda x: np.any(x, -1),
    "all": lambda x: np.all(x, -1),
    "mean": lambda x: np.mean(x, -1), "var": lambda x: np.var(x, -1), "std": lambda x: np.std(x, -1),
    "count_nonzero": lambda x: np.count_nonzero(x, -1), "logsumexp": logsumexp,
    "argsort": lambda x: np.argsort(x, -1, kind="stable"), "sort": lambda x: np.sort(x, -1, kind="stable"),
    "prod": lambda x: np.prod(x, -1), "cumsum": lambda x: np.cumsum(x, -1), "cumprod": lambda x: np.cumprod(x, -1),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, dtype):
    x = np.array(ROWS, dtype)
    for way, found in ways(lambda v: getattr(rg, name)(v, axis=-1), x):
        need(found, REDUCTIONS[name](x), f"{name} {way}", zeros=ordered(name, way))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax(dtype):
    x = np.array([[1e4, 1e4, -1e4], [-np.inf, 0.0, 0.0], [0.0, np.nan, 0.0], [-np.inf, 1e30, 0.0]], dtype)
    nan = np.nan
    wanted = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [nan, nan, nan], [0.0, 1.0, 0.0]], dtype)
    for way, found in ways(rg.softmax, x):
        need(found, wanted, f"softmax {way}")
    for way, found in ways(rg.log_softmax, x[:2]):
        half = -math.log(2)
        need(found, np.array([[half, half, -2e4 + half], [-np.inf, half, half]], dtype), f"log_softmax {way}")


def test_of_nothing():
    """Sums of nothing are 0, its log-sum-exp is -inf; a largest element it has not."""
    x = np.zeros((2, 0))
    np.testing.assert_array_equal(rg.sum(x, axis=1).numpy(), np.zeros(2))
    np.testing.assert_array_equal(rg.logsumexp(x, axis=1).numpy(), np.full(2, -np.inf))
    assert rg.sum(x, axis=0).shape == (0,)
    assert rg.max(x, axis=0).shape == rg.min(x, axis=0).shape == (0,)
    for f, extreme in ((rg.max, "max"), (rg.argmax, "max"), (rg.min, "min"), (rg.argmin, "min")):
        with pytest.raises(rg.errors.ShapeError, match=f"nothing has no {extreme}imum"):
            f(x, axis=1)
        with pytest.raises(rg.errors.ShapeError, match=f"nothing has no {extreme}imum"):
            rg.jit(lambda v, f=f: f(v, axis=1))(x)
    for way, found in ways(lambda v: (rg.any(v > 0, axis=-1), rg.all(v > 0, axis=-1)), x):
        none, every = (np.asarray(v) for v in found)
        assert none.tolist() == [False, False] and every.tolist() == [True, True], way
