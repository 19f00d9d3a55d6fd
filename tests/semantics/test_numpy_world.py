"""NumPy's world: plain NumPy code differentiates; arrays go in and out by every protocol."""

import operator

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError, TracingError
from tests.semantics.ways import same

X = np.array([0.5, 1.5])


THINGS = {
    "tensor": lambda: rg.tensor(X), "leaf": lambda: rg.tensor(X, requires_grad=True),
    "parameter": lambda: rg.Parameter(X), "buffer": lambda: rg.Buffer(X),
}  # fmt: skip
things = pytest.mark.parametrize("make", THINGS.values(), ids=THINGS.keys())
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow, operator.lt, operator.le,
             operator.gt, operator.ge, operator.eq, operator.ne]  # fmt: skip


@things
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_an_operator_with_an_ndarray_gives_a_tensor(make, op):
    x, y = make(), np.array([2.0, 0.5])
    for found, expected in ((op(y, x), op(y, X)), (op(x, y), op(X, y)), (op(np.float64(2), x), op(np.float64(2), X))):
        assert isinstance(found, rg.Tensor)
        same(found.detach(), expected)


@things
def test_matmul_with_an_ndarray(make):
    found = np.ones((3, 2)) @ make()
    assert isinstance(found, rg.Tensor)
    same(found.detach(), np.ones((3, 2)) @ X)


UFUNCS = [np.sin, np.cos, np.tanh, np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.square, np.absolute, np.negative,
          np.sign, np.isnan, np.isfinite, np.floor, np.ceil, np.trunc, np.rint, np.reciprocal]  # fmt: skip


@things
@pytest.mark.parametrize("f", UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs(make, f):
    found = f(make())
    assert isinstance(found, rg.Tensor)
    np.testing.assert_allclose(found.detach(), f(X), rtol=1e-15)


FUNCTIONS = {
    "sum": lambda x: np.sum(x), "sum axis": lambda x: np.sum(x, axis=0), "mean": lambda x: np.mean(x),
    "max": lambda x: np.max(x), "argmax": lambda x: np.argmax(x), "where": lambda x: np.where(x > 1, x, 2 * x),
    "concatenate": lambda x: np.concatenate([x, x]), "stack": lambda x: np.stack([x, X]),
    "reshape": lambda x: np.reshape(x, (2, 1)),
    "transpose": lambda x: np.transpose(x), "clip": lambda x: np.clip(x, 0.0, 1.0), "dot": lambda x: np.dot(x, x),
    "matmul": lambda x: np.matmul(x, X), "maximum": lambda x: np.maximum(x, 1.0), "outer": lambda x: np.outer(x, x),
    "expand_dims": lambda x: np.expand_dims(x, 0), "squeeze": lambda x: np.squeeze(np.expand_dims(x, 0)),
    "zeros_like": lambda x: np.zeros_like(x), "var": lambda x: np.var(x), "std": lambda x: np.std(x),
    "power": lambda x: np.power(x, 3), "broadcast_to": lambda x: np.broadcast_to(x, (3, 2)),
    "ravel": lambda x: np.ravel(x), "min": lambda x: np.min(x), "amin": lambda x: np.amin(x, 0),
    "argmin": lambda x: np.argmin(x), "any": lambda x: np.any(x > 1), "all": lambda x: np.all(x > 1, axis=0),
    "round": lambda x: np.round(x * 1.37, 1), "around": lambda x: np.around(x), "mod": lambda x: np.mod(x, 0.4),
    "remainder": lambda x: np.remainder(X, x), "fmod": lambda x: np.fmod(x, -0.4),
    "floor_divide": lambda x: np.floor_divide(x, 0.4), "divmod": lambda x: np.divmod(x, 0.4)[1],
}  # fmt: skip


@things
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(make, name):
    f = FUNCTIONS[name]
    found = f(make())
    assert isinstance(found, rg.Tensor)
    np.testing.assert_allclose(found.detach(), f(X), rtol=1e-15)
    assert found.shape == np.shape(f(X))


def test_questions_have_plain_answers():
    x = rg.tensor(np.ones((2, 3)))
    assert np.shape(x) == (2, 3)
    assert np.ndim(x) == 2
    assert np.size(x) == 6
    assert len(x) == 2


def numpy_code(x):
    """What a person wrote before they heard of gradients."""
    y = np.sin(x) ** 2 + np.exp(-x) / (1.0 + np.square(x))
    return np.sum(np.where(y > 0.5, y, 2 * y)) + np.mean(np.concatenate([x, y]))


def test_plain_numpy_code_differentiates():
    eps = 1e-6
    numbers = [(numpy_code(X + d) - numpy_code(X - d)) / (2 * eps) for d in np.eye(2) * eps]
    np.testing.assert_allclose(rg.grad(numpy_code)(X), numbers, rtol=1e-8)
    np.testing.assert_allclose(rg.grad(rg.jit(numpy_code))(X), numbers, rtol=1e-8)
    x = rg.tensor(X, requires_grad=True)
    numpy_code(x).backward()
    np.testing.assert_allclose(x.grad, numbers, rtol=1e-8)
    rows = np.stack([X, 2 * X])
    np.testing.assert_allclose(rg.vmap(numpy_code)(rows), [numpy_code(r) for r in rows], rtol=1e-15)


def test_what_has_no_counterpart_says_so():
    x = rg.tensor(X)
    with pytest.raises(RetrogradError, match=r"np\.cbrt.*no counterpart"):
        np.cbrt(x)
    with pytest.raises(RetrogradError, match=r"np\.add\.reduce.*no counterpart"):
        np.add.reduce(x)
    array = np.ones(2)
    with pytest.raises(RetrogradError, match=r"np\.add with out"):
        array += x
    with pytest.raises(RetrogradError, match=r"np\.\w*interp.*no counterpart"):
        np.interp(x, X, X)


def test_array_namespace():
    x = rg.tensor(X)
    assert x.__array_namespace__() is rg
    assert rg.Parameter(X).__array_namespace__() is rg


# Out and in -----------------------------------------------------------------------------------------------------------


@things
def test_array_shares_memory_read_only(make):
    x = make()
    array = np.asarray(x)
    assert not array.flags.writeable
    assert np.shares_memory(array, x.numpy())
    assert np.asarray(x, dtype="float32").dtype == np.float32
    assert np.array(x).flags.writeable
    assert np.array(x, copy=True).flags.writeable
    same(np.asarray(x, copy=False), X)
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype="float32", copy=False)


@things
def test_dlpack(make):
    x = make()
    same(np.from_dlpack(x), X)
    assert not np.shares_memory(np.from_dlpack(x), x.numpy())
    array = np.from_dlpack(x, copy=False)
    same(array, X)
    assert np.shares_memory(array, x.numpy())
    assert not array.flags.writeable
    assert x.__dlpack_device__() == (1, 0)


@things
def test_dlpack_copies_for_consumers_that_do_not_know_of_read_only(make):
    """A capsule without version has no read-only flag."""
    x = make()

    class Old:
        def __dlpack__(self, **_):
            return x.__dlpack__()

        def __dlpack_device__(self):
            return x.__dlpack_device__()

    array = np.from_dlpack(Old())
    same(array, X)
    assert not np.shares_memory(array, x.numpy())


@pytest.mark.peers
def test_pytorch_takes_and_gives():
    import torch

    x = rg.tensor(X)
    t = torch.from_dlpack(x)
    t[0] = 9.0
    same(x, X)
    same(rg.tensor(torch.tensor([1.0, 2.0])), np.array([1, 2], "f"))
    same(x * torch.tensor([1.0, 2.0], dtype=torch.float64).numpy(), X * [1, 2])


@pytest.mark.parametrize("transform", [rg.jit, rg.grad, rg.vmap], ids=["jit", "grad", "vmap"])
def test_a_traced_value_gives_no_numbers(transform):
    conversions = {
        "NumPy": lambda x: np.asarray(x), "numbers": lambda x: x.numpy(), "number": lambda x: x.item(),
        "DLPack": lambda x: np.from_dlpack(x), "list": lambda x: x.tolist(), "float": lambda x: float(rg.sum(x)),
    }  # fmt: skip
    for convert in conversions.values():
        with pytest.raises(TracingError, match=f"traced by {transform.__name__ if transform is not rg.jit else 'jit'}"):
            transform(lambda x, convert=convert: rg.sum(x) * convert(x))(np.ones((2, 2)))


def test_numpy_without_a_tensor_is_untouched():
    assert type(np.sin(X)) is np.ndarray
    assert type(np.sum(X)) is np.float64


def test_python_protocols():
    x = rg.tensor([1, 2, 3])
    assert [int(v) for v in x] == [1, 2, 3]
    assert list(range(5))[rg.tensor(2)] == 2
    assert float(rg.tensor(1.5)) == 1.5
    assert f"{rg.tensor(1.5).item():.2f}" == "1.50"
    assert bool(rg.tensor(True))
    with pytest.raises(TypeError):
        iter(rg.tensor(1.0))
    with pytest.raises(TypeError):
        len(rg.tensor(1.0))
