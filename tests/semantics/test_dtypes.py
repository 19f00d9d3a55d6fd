"""dtypes: array API promotion, weak scalars, strong NumPy scalars, 0-d values, the default float."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DTypeError, UnsupportedDtype
from tests.semantics.ways import ways

INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]


def ones(dtype, shape=(2,)):
    return rg.tensor(np.ones(shape, dtype))


# Promotion ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2,), ()])
def test_array_api_promotion(shape):
    for a, b in itertools.product(["bool", *INTS, *FLOATS], repeat=2):
        floats = [d for d in (a, b) if d in FLOATS]
        wanted = np.result_type(*floats) if floats else np.result_type(a, b)
        if wanted == np.float64 and not floats:
            with pytest.raises(DTypeError, match="uint64"):
                ones(a, shape) * ones(b, shape)
            continue
        assert (ones(a, shape) * ones(b, shape)).dtype == wanted, (a, b)
        assert rg.where(True, ones(a, shape), ones(b, shape)).dtype == wanted
        assert rg.maximum(ones(a, shape), ones(b, shape)).dtype == wanted


@ways
def test_an_integer_or_boolean_with_a_float_gives_the_dtype_of_the_float(way):
    for i in ["bool", *INTS]:
        for f in FLOATS:
            assert way(lambda a, b: a * b)(ones(i), ones(f)).dtype == f
            assert way(lambda a, b: b - a)(ones(i), ones(f)).dtype == f


WEAK = [(True, "bool"), (1, "int"), (1.0, "float")]


@ways
@pytest.mark.parametrize("scalar", [True, 2, 2.0])
def test_weak_scalars_yield(way, scalar):
    for dtype in ["bool", *INTS, *FLOATS]:
        x = ones(dtype)
        if dtype in FLOATS or isinstance(scalar, bool):
            wanted = dtype
        elif isinstance(scalar, float):
            wanted = "float32"
        else:
            wanted = "int64" if dtype == "bool" else dtype
        assert way(lambda v: v * scalar)(x).dtype == wanted, dtype
        assert way(lambda v: scalar * v)(x).dtype == wanted, dtype
        assert way(lambda v: rg.where(True, v, scalar))(x).dtype == wanted, dtype
        assert way(lambda v: rg.maximum(v, scalar))(x).dtype == wanted, dtype
        if isinstance(scalar, float):
            assert way(lambda v, s: v * s)(x, scalar).dtype == wanted, dtype  # an argument of jit is weak, too


@ways
def test_weak_scalars_stay_weak_among_themselves(way):
    x = rg.tensor([1.0, 2.0])
    assert way(lambda s: x * rg.exp(s * 2 + 1))(0.5).dtype == np.float32
    assert way(lambda s: rg.sin(s))(0.5).dtype == np.float64
    assert (rg.exp(0.5) * x).dtype == np.float32
    assert (rg.where(True, 1.0, 2.0) * x).dtype == np.float32
    assert rg.exp(1).dtype == np.float64
    assert (rg.exp(1) * x).dtype == np.float32


@ways
def test_numpy_scalars_are_strong(way):
    x = rg.tensor([1.0, 2.0])
    for s in (np.float64(2), np.array(2.0)):
        assert way(lambda v: v * s)(x).dtype == np.float64
        assert way(lambda v, s: v * s)(x, s).dtype == np.float64
        assert (s * x).dtype == np.float64
    assert way(lambda v: v * np.float32(2))(ones("float64")).dtype == np.float64
    assert (np.int64(2) * ones("int8")).dtype == np.int64
    assert (np.bool_(True) * ones("int8")).dtype == np.int8


def test_weak_means_the_type_itself():
    class Meters(float):
        pass

    assert (rg.tensor([1.0, 2.0]) * Meters(2.0)).dtype == np.float64


# Integers and the default float ---------------------------------------------------------------------------------------

INTEGER_TO_FLOAT = {
    "divide": lambda x: x / x, "divide by 2": lambda x: x / 2, "mean": lambda x: rg.mean(x), "exp": lambda x: rg.exp(x),
    "sqrt": lambda x: rg.sqrt(x), "sin": lambda x: rg.sin(x), "softmax": lambda x: rg.softmax(x),
    "times 2.0": lambda x: x * 2.0, "var": lambda x: rg.var(x), "logsumexp": lambda x: rg.logsumexp(x),
}  # fmt: skip


@ways
@pytest.mark.parametrize("name", INTEGER_TO_FLOAT)
def test_integers_become_the_default_float(way, name):
    f = INTEGER_TO_FLOAT[name]
    for dtype in ("int64", "int8", "bool"):
        if dtype == "bool" and name in ("divide", "divide by 2"):
            continue
        assert way(f)(ones(dtype)).dtype == np.float32
        with rg.default_dtype("float64"):
            assert way(f)(ones(dtype)).dtype == np.float64
        assert way(f)(ones(dtype)).dtype == np.float32
    assert way(f)(ones("float64")).dtype == np.float64


def test_default_dtypes_of_what_is_made():
    assert rg.tensor([1.0]).dtype == np.float32
    assert rg.tensor(1.0).dtype == np.float32
    assert rg.tensor([1]).dtype == np.int64
    assert rg.tensor([True]).dtype == np.bool_
    assert rg.tensor(np.ones(1)).dtype == np.float64
    assert rg.tensor([np.float64(1)]).dtype == np.float64
    assert rg.zeros(2).dtype == rg.ones(2).dtype == rg.full((2,), 1.0).dtype == rg.eye(2).dtype == np.float32
    assert rg.arange(3).dtype == np.int64
    assert rg.arange(3.0).dtype == rg.linspace(0, 1, 3).dtype == np.float32
    assert rg.Parameter([1.0]).dtype == np.float32
    assert rg.random.uniform(2).dtype == rg.random.normal(2).dtype == np.float32
    assert rg.argmax(ones("float32")).dtype == rg.argmin(ones("float32")).dtype == np.int64
    assert rg.any(ones("float32")).dtype == rg.all(ones("int8")).dtype == np.bool_
    assert rg.sum(ones("int8")).dtype == np.int64
    assert rg.sum(ones("bool")).dtype == np.int64
    with rg.default_dtype("float64"):
        assert rg.tensor([1.0]).dtype == rg.zeros(2).dtype == rg.random.normal(2).dtype == np.float64
        assert rg.tensor([1]).dtype == np.int64
        assert rg.tensor(np.ones(1, "f")).dtype == np.float32


def test_default_dtype_is_a_context():
    with pytest.raises(KeyError), rg.default_dtype("float64"):
        raise KeyError
    assert rg.zeros(1).dtype == np.float32
    with pytest.raises(UnsupportedDtype, match="float32 or float64"), rg.default_dtype("float16"):
        pass


# 0-d ------------------------------------------------------------------------------------------------------------------

SCALAR = {
    "add": lambda x: x + 1, "mul": lambda x: x * x, "div": lambda x: 1 / x, "pow": lambda x: x**2, "pow3": lambda x: x**2.5,
    "neg": lambda x: -x, "abs": lambda x: abs(x), "exp": rg.exp, "log": rg.log, "sqrt": rg.sqrt, "sin": rg.sin,
    "tanh": rg.tanh, "sigmoid": rg.sigmoid, "softplus": rg.softplus, "erf": rg.erf, "relu": rg.relu, "sum": rg.sum,
    "mean": rg.mean, "max": rg.max, "min": rg.min, "floor": lambda x: x * rg.floor(x), "ceil": lambda x: x * rg.ceil(x),
    "trunc": lambda x: x * rg.trunc(x), "round": lambda x: x * round(x), "mod": lambda x: x % 3,
    "rmod": lambda x: 3 % x, "floordiv": lambda x: x * (x // 0.5),
    "fmod": lambda x: rg.fmod(x, 2.0), "rsqrt": rg.rsqrt, "reciprocal": rg.reciprocal, "logsumexp": rg.logsumexp, "where": lambda x: rg.where(x > 0, x, 2 * x),
    "clip": lambda x: rg.clip(x, 0.1, 2.0), "maximum": lambda x: rg.maximum(x, 0.5), "expm1": rg.expm1,
    "log1p": rg.log1p, "reshape": lambda x: rg.sum(rg.reshape(x, (1,))), "broadcast": lambda x: rg.sum(rg.broadcast_to(x, (3,))),
    "stack": lambda x: rg.sum(rg.stack([x, x])), "matmul": lambda x: rg.sum(rg.reshape(x, (1, 1)) @ rg.reshape(x, (1, 1))),
}  # fmt: skip


@ways
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SCALAR)
def test_0d_values_and_gradients_keep_their_dtype(way, name, dtype):
    f = SCALAR[name]
    x = rg.tensor(np.array(0.75, dtype))
    for out in (way(f)(x), way(rg.grad(f))(x), *way(lambda v: rg.jvp(f, (v,), (np.ones((), dtype),)))(x)):
        assert isinstance(out, rg.Tensor)
        assert out.dtype == dtype
        assert out.shape == ()
        assert type(out.value) is np.ndarray
    leaf = rg.tensor(np.array(0.75, dtype), requires_grad=True)
    way(f)(leaf).backward()
    assert leaf.grad.dtype == dtype
    assert type(leaf.grad.value) is np.ndarray
    second = rg.grad(rg.grad(f))(x)
    assert second.dtype == dtype


@ways
def test_gradients_of_mixed_dtypes_have_the_dtype_of_their_argument(way):
    a, b = np.ones(2, "f"), np.ones(2)
    da, db = way(rg.grad(lambda a, b: rg.sum(a * b * np.float64(2)), argnums=(0, 1)))(a, b)
    assert (da.dtype, db.dtype) == (np.float32, np.float64)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [np.ones(2, "complex64"), 1j, [1j, 2.0], np.ones(2, "float16"), np.array(["a"]), ["a"], np.array([None, 1]),
     np.array(["2020-01-01"], "M8[D]"), np.ones(2, np.longdouble)],
)  # fmt: skip
def test_unsupported_dtypes(data):
    with pytest.raises(UnsupportedDtype, match=r"not supported: .+"):
        rg.tensor(data)
    with pytest.raises((UnsupportedDtype, TypeError)):
        rg.tensor([1.0, 2.0]) * data


def test_ragged_lists_are_refused():
    with pytest.raises((UnsupportedDtype, ValueError), match=r"length|inhomogeneous"):
        rg.tensor([[1.0], [1.0, 2.0]])


def test_other_byte_orders_are_taken():
    x = rg.tensor(np.arange(3, dtype=">f4"))
    assert x.dtype == np.dtype("float32")
    assert x.dtype.isnative
    assert x.tolist() == [0.0, 1.0, 2.0]


def test_gradients_of_integers_are_refused():
    with pytest.raises(DTypeError, match=r"int64.*floats"):
        rg.grad(lambda n: n * 2.0)(np.array(3))


def test_layers_do_not_promote():
    with pytest.raises(DTypeError, match=r"float32.*float64|float64.*float32") as caught:
        rg.nn.Linear(2, 1)(np.ones((3, 2)))
    message = str(caught.value)
    assert "\n" not in message
    assert "astype" in message


def test_importing_changes_no_numerics():
    program = """
import numpy as np
before = (np.geterr(), np.get_printoptions(), np.random.get_state()[1].tolist())
import retrograd, retrograd.nn, retrograd.testing
after = (np.geterr(), np.get_printoptions(), np.random.get_state()[1].tolist())
assert before == after, "a global switch changed"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
