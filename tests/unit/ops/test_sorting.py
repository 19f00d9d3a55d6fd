"""Sorting and moving elements around: NumPy's and PyTorch's answers, ties and NaN included, and where gradients go."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError

RNG = np.random.default_rng(0)
X = RNG.permutation(24).reshape(2, 3, 4) / 4.0
TIES = np.array([[2.0, 1.0, 2.0, 1.0, 3.0], [0.0, -0.0, 0.0, -1.0, -0.0]])
NAN = np.array([np.nan, 1.0, np.inf, np.nan, -np.inf, 2.0])


def descending(x, axis=-1):
    """The stable descending order: by value, then by place; NaN above all."""

    def order(row):
        return np.array(sorted(range(len(row)), key=lambda i: (not np.isnan(row[i]), -np.nan_to_num(row[i]), i)), int)

    return np.apply_along_axis(order, axis, x)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("mode", ["eager", "jit"])
def test_ascending_is_numpys(axis, mode):
    through = (lambda f: f) if mode == "eager" else rg.jit
    for x in (X, TIES, NAN[:, None], (X * 4).astype("int32"), X > 2):
        wanted = np.argsort(x, axis=axis, kind="stable")
        np.testing.assert_array_equal(through(lambda x: rg.argsort(x, axis=axis))(x), wanted, strict=True)
        found = through(lambda x: rg.sort(x, axis=axis))(x)
        np.testing.assert_array_equal(found, np.sort(x, axis=axis, kind="stable"), strict=True)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_descending_keeps_the_order_of_equals_and_puts_nan_first(axis):
    for x in (X, TIES, NAN[:, None], np.stack([NAN, NAN[::-1]])):
        wanted = descending(x, axis)
        np.testing.assert_array_equal(rg.argsort(x, axis=axis, descending=True), wanted, strict=True)
        found = rg.sort(x, axis=axis, descending=True)
        np.testing.assert_array_equal(found, np.take_along_axis(x, wanted, axis), strict=True)


def test_integers_at_the_end_of_their_range_descend():
    x = np.array([-128, 127, 0, -128], "int8")
    np.testing.assert_array_equal(rg.sort(x, descending=True), [127, 0, -128, -128])
    np.testing.assert_array_equal(rg.argsort(x.astype("uint8"), descending=True), [0, 3, 1, 2])


def test_the_gradient_of_a_sorted_element_goes_where_it_came_from():
    weights = np.arange(24.0).reshape(2, 3, 4)
    for axis, down in ((0, False), (1, True), (2, False), (-1, True)):
        order = descending(X, axis) if down else np.argsort(X, axis=axis)
        wanted = np.zeros_like(X)
        np.put_along_axis(wanted, order, weights, axis)

        def f(x, axis=axis, down=down):
            return rg.sum(rg.sort(x, axis=axis, descending=down) * weights)

        for g in (rg.grad(f), rg.jit(rg.grad(f))):
            np.testing.assert_array_equal(g(X), wanted)
    rg.check_grads(lambda x: rg.sort(x, axis=1) ** 3, (X,), order=2)


def test_ties_go_by_the_stable_order():
    weights = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(rg.grad(lambda x: rg.sum(rg.sort(x) * weights))(TIES[0]), [3.0, 1.0, 4.0, 2.0, 5.0])
    down = rg.grad(lambda x: rg.sum(rg.sort(x, descending=True) * weights))(TIES[0])
    np.testing.assert_array_equal(down, [2.0, 4.0, 3.0, 5.0, 1.0])


def test_top_k():
    for axis in (0, 1, -1):
        for k in range(X.shape[axis] + 1):
            order = np.take(descending(X, axis), range(k), axis)
            found = rg.top_k(X, k, axis=axis)
            np.testing.assert_array_equal(found.indices, order, strict=True)
            np.testing.assert_array_equal(found.values, np.take_along_axis(X, order, axis), strict=True)
    values, indices = rg.top_k(TIES, k=3, largest=False)
    np.testing.assert_array_equal(indices, [[1, 3, 0], [3, 0, 1]])
    np.testing.assert_array_equal(values, [[1.0, 1.0, 2.0], [-1.0, 0.0, -0.0]])
    np.testing.assert_array_equal(rg.top_k(NAN, 3).values, [np.nan, np.nan, np.inf])
    with pytest.raises(ValueError, match="top_k: k = 7 of an axis of length 6; it must be from 0 to 6"):
        rg.top_k(NAN, 7)


def test_top_k_under_every_transform():
    def f(x):
        return rg.sum(rg.top_k(x, 2).values ** 2)

    x = np.array([[3.0, 1.0, 2.0], [0.5, 4.0, 1.0]])
    wanted = np.array([[6.0, 0.0, 4.0], [0.0, 8.0, 2.0]])
    for g in (rg.vmap(rg.grad(f)), rg.jit(rg.vmap(rg.grad(f))), rg.grad(lambda x: rg.sum(rg.vmap(f)(x)))):
        np.testing.assert_array_equal(g(x), wanted)
    both = rg.jit(lambda x: rg.top_k(x, 2))(x)
    assert type(both).__name__ == "TopK"
    np.testing.assert_array_equal(both.indices, [[0, 2], [1, 2]])


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (), (2, 1, 0)])
def test_flip_is_numpys(axis):
    for f in (lambda x: rg.flip(x, axis=axis), rg.jit(lambda x: rg.flip(x, axis=axis))):
        np.testing.assert_array_equal(f(X), np.flip(X, axis), strict=True)
    weights = RNG.normal(size=X.shape)
    np.testing.assert_array_equal(rg.grad(lambda x: rg.sum(rg.flip(x, axis=axis) * weights))(X), np.flip(weights, axis))


ROLLS = [(1, None), (-5, None), ((1, 2), None), (1, 0), (-1, 2), (7, 1), ((1, -2), (0, 2)), (1, (1, 2)), ((1, 2), 1),
         ((1, 1), (1, 1)), (0, 0), ((), ()), (np.int64(2), -1)]  # fmt: skip


@pytest.mark.parametrize("shift, axis", ROLLS)
def test_roll_is_numpys(shift, axis):
    for f in (lambda x: rg.roll(x, shift, axis=axis), rg.jit(lambda x: rg.roll(x, shift, axis=axis))):
        np.testing.assert_array_equal(f(X), np.roll(X, shift, axis), strict=True)
    weights = RNG.normal(size=X.shape)
    back = np.roll(weights, -np.asarray(shift, int), axis)
    np.testing.assert_array_equal(rg.grad(lambda x: rg.sum(rg.roll(x, shift, axis=axis) * weights))(X), back)


def test_roll_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="roll: 2 shifts for 3 axes"):
        rg.roll(X, (1, 2), axis=(0, 1, 2))
    with pytest.raises(ValueError, match="roll: axis 3 is out of range for 3 axes"):
        rg.roll(X, 1, axis=3)
    assert rg.roll(np.zeros((2, 0)), 1, axis=1).shape == (2, 0)
    assert float(rg.roll(3.0, 2)) == 3.0


def test_methods_and_numpys_functions():
    x = rg.tensor(X)
    np.testing.assert_array_equal(x.sort(0), np.sort(X, 0))
    np.testing.assert_array_equal(x.argsort(descending=True), descending(X))
    for axis in (None, 0, -1):
        np.testing.assert_array_equal(np.sort(x, axis=axis), np.sort(X, axis=axis))
        np.testing.assert_array_equal(np.argsort(x, axis=axis), np.argsort(X, axis=axis))
        np.testing.assert_array_equal(np.sort(x, axis), np.sort(X, axis))
        np.testing.assert_array_equal(np.flip(x, axis), np.flip(X, axis))
        np.testing.assert_array_equal(np.roll(x, 3, axis), np.roll(X, 3, axis))
        np.testing.assert_array_equal(np.concatenate([x, x], axis=axis), np.concatenate([X, X], axis=axis))
    assert isinstance(np.sort(x), rg.Tensor)
    with pytest.raises(RetrogradError, match=r"np\.sort with order has no counterpart"):
        np.sort(x, order="f")
    with pytest.raises(ValueError, match="^sort: axis -1 is out of range for 0 axes"):
        rg.sort(rg.tensor(1.0))
