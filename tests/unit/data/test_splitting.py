"""The split: every row once, classes in proportion, the same for a seed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data import split
from retrograd.errors import DataError

shares = st.sampled_from([0.0, 0.01, 0.1, 0.2, 0.34, 0.45])


def parts(found):
    return found.train, found.validation, found.test


def assert_every_row_once(found, rows):
    assert sorted(np.concatenate(parts(found)).tolist()) == list(range(rows))
    assert all(part.tolist() == sorted(part.tolist()) for part in parts(found))
    assert {part.dtype for part in parts(found)} == {np.dtype(np.int64)}


@given(st.lists(st.integers(3, 40), min_size=2, max_size=5), shares, shares, st.integers(0, 2**32 - 1))
def test_every_class_is_in_every_part(sizes, validation, test, seed):
    labels = np.repeat([f"c{place}" for place in range(len(sizes))], sizes)
    np.random.default_rng(0).shuffle(labels)
    found = split(pd.Series(labels), "classification", validation=validation, test=test, seed=seed)
    assert_every_row_once(found, len(labels))
    for share, part in ((validation, found.validation), (test, found.test)):
        for place, size in enumerate(sizes):
            count = int((labels[part] == f"c{place}").sum())
            assert (count == 0) if share == 0 else (1 <= count <= max(1, size * share + 0.5))
    assert set(labels[found.train]) == set(labels)


@given(st.integers(6, 200), shares, shares, st.integers(0, 2**32 - 1))
def test_rows_of_a_regression(rows, validation, test, seed):
    found = split(pd.Series(np.arange(rows) / 7), "regression", validation=validation, test=test, seed=seed)
    assert_every_row_once(found, rows)
    assert len(found.train) >= 2
    for share, part in ((validation, found.validation), (test, found.test)):
        assert (len(part) == 0) if share == 0 else (2 <= len(part) <= max(2, rows * share + 0.5))


def test_a_seed_means_the_same_rows_for_ever():
    labels = pd.Series(["a", "b"] * 10)
    found = split(labels, "classification", seed=3)
    assert found.test.tolist() == [2, 5, 8, 17]
    assert found.validation.tolist() == [7, 10]
    assert split(labels, "classification", seed=4).test.tolist() != found.test.tolist()
    assert found.note == "Rows: 14 for training, 2 for validation, 4 for test (each class in proportion, seed 3)."
    assert split(labels, "regression", seed=3).note.endswith("4 for test (seed 3).")


@pytest.mark.parametrize("task, values", [("classification", ["a", "b", ""]), ("regression", ["1.5", "2.5", "-"])])
def test_rows_without_a_target_are_in_no_part(task, values):
    found = split(pd.Series(values * 10), task)
    assert sorted(np.concatenate(parts(found)).tolist()) == [row for row in range(30) if row % 3 < 2]


def test_labels_of_any_type_split_alike():
    first = split(pd.Series([0, 1] * 10), "classification")
    for labels in (["0", "1"], [False, True], [0.0, 1.0], ["a", "b"]):
        assert split(pd.Series(labels * 10), "classification").test.tolist() == first.test.tolist()


@pytest.mark.parametrize(
    "labels, options, says",
    [
        (["a"] * 9 + ["b"] * 2, {}, "has classes with too few rows for training, validation and test (one each)"
         ": 'b' (2 rows): add rows of them, remove them, or join"),
        (["a"] * 9 + ["b"], {"validation": 0}, "for training and the held-out part (one each): 'b' (1 row)"),
        (list("aaabcdefghi"), {}, "'b' (1 row), 'c' (1 row), 'd' (1 row), 'e' (1 row), 'f' (1 row), 'g' (1 row) and 2"),
        (["a", "b"] * 9, {"test": 0.9}, "validation and test are shares of the rows that leave some for training"),
        (["a", "b"] * 9, {"test": -0.1}, "0.1 and -0.1 do not"),
        (["a", "b"] * 9, {"test": float("nan")}, "0.1 and nan do not"),
        (["a", "b"] * 9, {"seed": -1}, "a seed is a whole number from 0 to 4294967295; -1 is not"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be(labels, options, says):
    with pytest.raises(DataError) as caught:
        split(pd.Series(labels, name="y"), "classification", **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_row_of_a_class_is_enough_where_nothing_is_held_out():
    found = split(pd.Series(["a", "b"]), "classification", validation=0, test=0)
    assert found.train.tolist() == [0, 1]


def test_too_few_rows_for_a_regression():
    with pytest.raises(DataError, match="5 rows cannot be parted: training, validation and test need two each"):
        split(pd.Series(np.arange(5) / 3), "regression")
