"""Targets become numbers and come back as they were."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data.target import Amounts, Classes, fit_target
from retrograd.errors import DataError


def fit(values, task="classification", dtype=object):
    series = pd.Series(values, dtype=dtype, name="y")
    return series, fit_target(series, task, np.arange(len(series)))


def there_and_back(values, dtype=object):
    series, encoding = fit(values, dtype=dtype)
    return encoding.decode(encoding.encode(series)).tolist()


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4).map(lambda text: f"c{text.strip()}")


@given(st.lists(st.one_of(texts), min_size=2, max_size=6, unique=True), st.data())
def test_text_classes_come_back(labels, data):
    values = labels * 2 + data.draw(st.lists(st.sampled_from(labels), max_size=20))
    assert there_and_back(values) == values


@given(st.lists(st.integers(-(2**70), 2**70), min_size=2, max_size=6, unique=True), st.data())
def test_integer_classes_come_back_from_text(labels, data):
    values = labels * 2 + data.draw(st.lists(st.sampled_from(labels), max_size=20))
    back = there_and_back([str(value) for value in values])
    assert back == values
    assert {type(value) for value in back} == {int}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=6, unique=True))
def test_float_classes_come_back(labels):
    values = [value + 0.0 for value in labels * 2]  # -0.0 and 0.0 are one class
    back = there_and_back(values, "float64")
    assert back == values
    assert {type(value) for value in back} == {float}


@pytest.mark.parametrize(
    "values, dtype, labels",
    [
        (["b", "a", " b"], object, ("a", "b")),
        (["10", "9", "10"], object, (9, 10)),
        (["1.0", "2.0"], object, (1.0, 2.0)),
        (["1", "2.0", "2"], object, (1.0, 2.0)),
        (["01", "10"], object, ("01", "10")),
        (["TRUE", "false"], object, (False, True)),
        (["yes", "no"], object, ("no", "yes")),
        ([2, 1], "int64", (1, 2)),
        ([2.0, 1.0], "float64", (1.0, 2.0)),
        ([True, False], "boolean", (False, True)),
        ([2, 1, 1], "category", ("1", "2")),
    ],
)
def test_classes_are_sorted_in_their_own_type(values, dtype, labels):
    series, encoding = fit(values, dtype=dtype)
    assert encoding == Classes("y", labels)
    assert [type(label) for label in encoding.labels] == [type(label) for label in labels]
    codes = encoding.encode(series)
    assert codes.dtype == np.int64
    assert encoding.decode(codes[:0]).tolist() == []


def test_the_same_labels_from_text_and_from_memory():
    _, encoding = fit(["1", "2", "1"])
    assert encoding.encode(pd.Series([2, 1])).tolist() == encoding.encode(pd.Series([2.0, 1.0])).tolist() == [1, 0]
    _, encoding = fit(["True", "False"])
    assert encoding.encode(pd.Series([True, False])).tolist() == [1, 0]


@pytest.mark.parametrize(
    "values, says",
    [(["a", "c"], "target 'y' is 'c', which is no class, in row 2: the classes are 'a', 'b'")],
)
def test_labels_that_are_no_class(values, says):
    _, encoding = fit(["a", "b"])
    with pytest.raises(DataError, match=says):
        encoding.encode(pd.Series(values))


@pytest.mark.parametrize("labels", [["1", "2"], ["True", "False"]])
def test_text_among_other_labels_is_no_class(labels):
    _, encoding = fit(labels)
    with pytest.raises(DataError, match="'x', which is no class, in row 1"):
        encoding.encode(pd.Series(["x"]))


@pytest.mark.parametrize("values", [[0.0, 1.0], [2], [-1], [True]])
def test_indices_that_are_none(values):
    with pytest.raises(DataError, match="integers from 0 to 1"):
        Classes("y", ("a", "b")).decode(np.array(values))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).filter(lambda values: np.ptp(values) > 1e-3))
def test_amounts_come_back(values):
    series, encoding = fit(values, "regression", "float64")
    z = encoding.encode(series)
    assert z.dtype == np.float64
    np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=1e-6)
    np.testing.assert_allclose(encoding.decode(z), values, rtol=1e-12, atol=1e-12 * np.ptp(values))


def test_amounts_are_measured_on_the_training_rows():
    encoding = fit_target(pd.Series(["1", "3", "100"], name="y"), "regression", np.array([0, 1]))
    assert encoding == Amounts("y", 2.0, 1.0)


def test_missing_targets_have_no_code():
    assert fit(["a", "b"])[1].encode(pd.Series(["b", "", None])).tolist() == [1, -1, -1]
    assert np.isnan(Amounts("y", 0.0, 1.0).encode(pd.Series(["1", "", "-"]))).tolist() == [False, True, True]
    with pytest.raises(DataError, match="target 'y' is missing in row 2, which is to be trained on"):
        fit(["1.5", "", "2.5"], "regression")


def test_amounts_as_people_write_them():
    _, encoding = fit(["$1,000", "$3,000"], "regression")
    assert encoding == Amounts("y", 2000.0, 1000.0, ".$")
    assert encoding.encode(pd.Series(["$4,000", "-"]))[0] == 2.0
    with pytest.raises(DataError, match="'4000', which is no finite number, in row 1"):
        encoding.encode(pd.Series(["4000"]))


@pytest.mark.parametrize("value", ["x", "inf"])
def test_amounts_that_are_none(value):
    with pytest.raises(DataError, match=f"target 'y' is '{value}', which is no finite number, in row 2"):
        Amounts("y", 0.0, 1.0).encode(pd.Series(["1", value]))


def test_training_amounts_that_are_alike():
    with pytest.raises(DataError, match="target 'y' is 5 in every training row"):
        fit_target(pd.Series([5, 5, 7], name="y"), "regression", np.array([0, 1]))
    with pytest.raises(DataError, match="target 'y' holds numbers too large to average"):
        fit_target(pd.Series([1e308, -1e308, 1.5], name="y"), "regression", np.array([0, 1]))
