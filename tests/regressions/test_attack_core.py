"""What hostile use found in the core: each of these once gave a wrong number, or an error nobody could use."""

import copy
import pickle

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DifferentiationError, RetrogradError, ShapeError, TracingError

V = np.array([1.0, 2.0, 3.0])


def same(a, b):
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)


@pytest.mark.parametrize("options", [{"where": np.array([True, False, True])}, {"initial": 5.0}, {"out": np.zeros(())}])
def test_an_argument_that_only_numpy_has_is_not_ignored(options):
    with pytest.raises(RetrogradError, match=rf"np\.sum with {next(iter(options))} has no counterpart"):
        np.sum(rg.tensor(V), **options)


def test_numpy_may_pass_the_axis_by_position():
    x = np.arange(24.0).reshape(2, 3, 4)
    same(np.take(rg.tensor(x), [2, 0], 1), np.take(x, [2, 0], 1))
    same(np.sum(rg.tensor(x), 1), np.sum(x, 1))


@pytest.mark.parametrize("shapes", [((3,), (2, 3, 4)), ((2, 3, 4), (5, 4, 2)), ((2, 0), (3, 0, 2)), ((2, 3), (3, 4))])
def test_dot_is_that_of_numpy(shapes):
    x, y = (np.arange(float(np.prod(s))).reshape(s) for s in shapes)
    same(rg.dot(x, y), np.dot(x, y))


def test_outer_is_that_of_numpy():
    x = np.arange(6.0).reshape(2, 3)
    same(rg.outer(x, x), np.outer(x, x))


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), "x", 1.0])
def test_argnums_that_name_no_arguments_or_one_twice(argnums):
    with pytest.raises(RetrogradError, match="argnums"):
        rg.grad(lambda x, y: x * y, argnums)(1.0, 2.0)


def test_has_aux_needs_a_pair():
    with pytest.raises(RetrogradError, match="has_aux=True needs"):
        rg.grad(lambda x: x, has_aux=True)(1.0)


def test_a_weak_carry_keeps_its_value():
    """2.5 > 2 is true; True > 2 is not."""
    with pytest.raises(ShapeError, match=r"carried value 0 enters as f64\* and leaves as bool"):
        rg.scan(lambda c, x: (c > 2, x), 2.5, V)
    same(rg.fori_loop(0, 3, lambda i, c: c * 1.5, 1), np.asarray(3.375))


@pytest.mark.parametrize(("length", "error"), [(-1, ShapeError), (2.7, TypeError)])
def test_scan_needs_a_length(length, error):
    with pytest.raises(error):
        rg.scan(lambda c, x: (c, c), 0.0, length=length)


@pytest.mark.parametrize("result", [lambda c: c < 3, lambda c: c[0], lambda c: None])
def test_a_while_condition_that_is_no_boolean_scalar(result):
    with pytest.raises(TracingError, match="must return one boolean scalar"):
        rg.while_loop(result, lambda c: c + 1, V)


def test_negative_lengths():
    with pytest.raises(ShapeError, match="negative"):
        rg.zeros((-1,))


def test_full_leaves_the_weakness_of_what_it_is_given():
    value = rg.positive(3)
    rg.full((), value)
    assert value.weak


def test_a_copy_of_a_parameter_has_an_array_of_its_own():
    p = rg.Parameter([1.0, 2.0])

    @rg.jit
    def step():
        p.value = p.value * 2.0

    step()
    q = copy.copy(p)
    step()
    step()
    same(q.value.detach(), np.array([2.0, 4.0], np.float32))


@pytest.mark.parametrize("cell", [rg.Parameter(V), rg.Buffer([1]), rg.Setting(0.1), rg.random.Generator(3)], ids=repr)
def test_cells_pickle(cell):
    found = pickle.loads(pickle.dumps(cell))
    assert type(found) is type(cell)
    assert (found.name, found.requires_grad, found.weak) == (cell.name, cell.requires_grad, cell.weak)
    same(found.array, cell.array)


def test_tensors_pickle_without_their_tape():
    leaf = rg.tensor(V, requires_grad=True)
    found = pickle.loads(pickle.dumps(leaf))
    rg.sum(found * found).backward()
    same(found.grad, 2 * V)
    assert leaf.grad is None
    assert not pickle.loads(pickle.dumps(leaf * 2)).requires_grad
    assert pickle.loads(pickle.dumps(rg.sin(1.0))).weak
    with pytest.raises(DifferentiationError, match="pickled"):
        rg.grad(lambda x: pickle.dumps(x))(1.0)


def test_a_number_in_an_f_string():
    assert f"{rg.sum(rg.tensor(V)):.3f} {rg.Parameter(2.0):.1f}" == "6.000 2.0"
    assert f"{rg.tensor(V)}" == str(rg.tensor(V))
    with pytest.raises(TracingError):
        rg.jit(lambda x: f"{x:.3f}")(1.0)


def test_linspace_between_tensors():
    same(rg.linspace(rg.tensor(0.0), rg.tensor(1.0), 3), np.array([0.0, 0.5, 1.0], np.float32))


ON_SCALARS = {
    "sum": rg.sum, "mean": rg.mean, "var": rg.var, "max": rg.max, "logsumexp": rg.logsumexp, "transpose": rg.transpose,
    "flip": rg.flip, "reshape": lambda x: rg.reshape(x, (1,)), "stack": lambda x: rg.stack([x, x]),
    "where": lambda x: rg.where(True, x, x), "less": lambda x: rg.less(x, x),
}  # fmt: skip


@pytest.mark.parametrize("scalar", [1, 2.5])
@pytest.mark.parametrize("f", ON_SCALARS.values(), ids=ON_SCALARS.keys())
def test_a_python_scalar_is_an_array_in_traced_code_too(f, scalar):
    expected = f(scalar)
    for found in (rg.jit(lambda: f(scalar))(), rg.jit(lambda x: f(x))(scalar)):
        same(found, expected)
    same(rg.scan(lambda c, _: (c, f(scalar)), 0.0, length=1)[1][0], expected)


def test_a_comparison_of_scalars_is_not_weak():
    assert not rg.less(1.0, 2.0).weak
    assert not rg.jit(lambda x, y: rg.less(x, y))(1.0, 2.0).weak


def test_one_hot_of_a_label_in_traced_code():
    same(rg.jit(lambda: rg.one_hot(1, 3))(), rg.one_hot(1, 3))
