"""Indexing reads as NumPy's does, refuses what NumPy refuses, and its gradient adds up at the places read."""

import numpy as np
import pytest

import retrograd as rg

X = np.arange(24.0).reshape(2, 3, 4)
ROWS, COLUMNS = np.array([1, 0, 1]), np.array([[2], [0]])
MASK = np.array([True, False, True])
FULL = np.arange(24).reshape(2, 3, 4) % 3 == 0
KEYS = [
    0, -1, (0, 1), (0, 1, 2), slice(None), slice(1, None), (slice(None), slice(2, 0, -1)), (..., slice(None, None, -2)),
    None, (None, 0), (..., None), (0, ..., None, 1), ..., (),
    ROWS, [1, 0], (ROWS, slice(None)), (slice(None), ROWS), (ROWS, ROWS), (ROWS, COLUMNS), (slice(None), ROWS, COLUMNS),
    (ROWS, slice(None), COLUMNS), (0, ROWS), (ROWS, 0), (0, slice(None), ROWS), (slice(None), 0, ROWS), (None, ROWS),
    (ROWS, None, COLUMNS), (ROWS, ..., COLUMNS), (slice(0, 1), ROWS), np.zeros((0,), int), (ROWS, slice(3, 1)),
    np.array(1), (np.array(1), ROWS), np.int64(1), (np.array([[1, -1]]), slice(None), -1),
    FULL, (slice(None), MASK), (ROWS[:2], MASK), (MASK[:2], slice(None), 0), (..., np.array([True, False, True, True])),
    True, False, np.array(True), (slice(None), True), (True, ROWS), (0, False), (None, True, 1), (MASK[:2], True),
]  # fmt: skip


def named(key):
    return repr(key).replace("\n", "")[:50]


@pytest.mark.parametrize("key", KEYS, ids=named)
def test_reading_is_numpys(key):
    np.testing.assert_array_equal(rg.asarray(X)[key], X[key], strict=True)
    np.testing.assert_array_equal(rg.jit(lambda x: x[key])(X), X[key], strict=True)
    weights = np.arange(X[key].size, dtype=float).reshape(X[key].shape) + 1
    wanted = np.zeros_like(X)
    np.add.at(wanted, key, weights)
    np.testing.assert_array_equal(rg.grad(lambda x: rg.sum(x[key] * weights))(X), wanted)


@pytest.mark.parametrize("key", KEYS, ids=named)
def test_replacing_and_adding_are_numpys(key):
    fresh = -np.arange(X[key].size, dtype=float).reshape(X[key].shape)
    replaced, added = X.copy(), X.copy()
    replaced[key] = fresh
    np.add.at(added, key, fresh)
    np.testing.assert_array_equal(rg.asarray(X).at[key].set(fresh), replaced, strict=True)
    np.testing.assert_array_equal(rg.asarray(X).at[key].add(fresh), added, strict=True)


@pytest.mark.parametrize(
    "key", [2, (0, 3), (0, 0, 0, 0), np.array([2]), (..., ...), MASK, (slice(None), MASK[:2]), FULL[:1], (True, 0, 0, 0, 0)],
    ids=named,
)  # fmt: skip
def test_what_numpy_refuses_is_refused(key):
    with pytest.raises(IndexError):
        X[key]
    with pytest.raises(IndexError):
        rg.asarray(X)[key]


@pytest.mark.parametrize("key", ["a", 1.5, np.array([0.5])], ids=named)
def test_a_key_that_is_no_index_is_refused(key):
    with pytest.raises(TypeError, match="ind(ex|ices)"):
        rg.asarray(X)[key]


def test_numpys_questions_about_shape_are_answered():
    x = rg.asarray(X)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3, 4), 3, 24)


@pytest.mark.parametrize("source, destination", [(0, 2), (-1, 0), ((0, 1), (1, 0)), ([2, 0], [0, 1]), ((), ())])
def test_moveaxis_is_numpys(source, destination):
    np.testing.assert_array_equal(rg.moveaxis(X, source, destination), np.moveaxis(X, source, destination), strict=True)


def test_moveaxis_refuses_axes_that_do_not_pair():
    for pair in (((0, 1), (0,)), ((0, 0), (0, 1)), ((0, 1), (2, 2))):
        with pytest.raises(ValueError, match="same number of different axes"):
            rg.moveaxis(X, *pair)
