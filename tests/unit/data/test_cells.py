"""What one cell means: numbers to the bit, marks of missing cells, texts alike from every dtype."""

import datetime as dt
import decimal
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data.cells import read_cells, read_columns
from retrograd.errors import DataError


def cells(values, dtype=object):
    return read_cells(pd.Series(values, dtype=dtype), "x")


@given(st.floats(allow_nan=False))
def test_a_number_is_the_same_float_from_text_and_from_memory(value):
    from_text, from_memory = cells([repr(value)]).numbers, cells([value], "float64").numbers
    assert from_text.tobytes() == from_memory.tobytes() == np.array([value]).tobytes()


@pytest.mark.parametrize("text", ["", " ", "?", "NA", "n/a", "NaN", "null", "<NA>", None, math.nan, pd.NA, pd.NaT])
def test_marks_of_missing_cells(text):
    read = cells([text, "1"])
    assert read.missing.tolist() == [True, False]
    assert math.isnan(read.numbers[0])


@pytest.mark.parametrize("text", ["None", "-", "--", "."])
def test_some_marks_count_among_numbers_only(text):
    read = cells([text, "1"])
    assert read.missing.tolist() == [False, False]
    assert read.are_numbers.all()
    assert math.isnan(read.numbers[0])


def test_levels_are_distinct_texts_without_blanks():
    read = cells([" a", "b", "a ", None, "b"])
    assert read.levels == ("a", "b")
    assert read.codes.tolist() == [0, 1, 0, -1, 1]
    assert read.level_counts.tolist() == [2, 2]
    assert read.first(np.array([False, True])) == (2, "b")


def test_levels_made_missing_and_another_way_of_writing():
    read = cells(["a", "b", "c", "b", ""]).without(np.array([False, True, False]))
    assert (read.levels, read.codes.tolist()) == (("a", "c"), [0, -1, 1, -1, -1])
    assert cells(["1,5", "2"]).written(",").numbers.tolist() == [1.5, 2.0]
    given = cells([1.5], "float64")
    assert given.written(",") is given


@pytest.mark.parametrize(
    "values, dtype, kind, texts",
    [
        ([3, 1], "int64", "integer", ["3", "1"]),
        ([3, None], "Int64", "integer", ["3", None]),
        ([3.0, 0.5], "float64", "float", ["3", "0.5"]),
        ([0.5, None], "Float64", "float", ["0.5", None]),
        ([True, False], "bool", "truth", ["True", "False"]),
        ([True, None], "boolean", "truth", ["True", None]),
        (["a", None], "string", "text", ["a", None]),
        (["a", None, "a"], "category", "category", ["a", None, "a"]),
        ([1, 2, 1], "category", "category", ["1", "2", "1"]),
        ([3, "b", 2.0, np.int8(1), decimal.Decimal("1.5"), np.True_], object, "text", ["3", "b", "2", "1", "1.5", "1"]),
        ([dt.date(2020, 1, 2)], object, "text", ["2020-01-02"]),
        ([pd.Timestamp("2020-01-02"), pd.NaT], "datetime64[ns]", "date", ["2020-01-02", None]),
        ([pd.Period("2020-01")], None, "date", ["2020-01-01"]),
    ],
)
def test_every_dtype_has_texts(values, dtype, kind, texts):
    read = cells(values, dtype)
    assert read.dtype == kind
    assert [None if code < 0 else read.levels[code] for code in read.codes] == texts
    assert len(read) == len(values)


@pytest.mark.parametrize("values", [[1j], [dt.timedelta(1)], [[1], [2]], [{1: 2}], [b"x"], [pd.Interval(0, 1)]])
def test_other_values_are_refused(values):
    with pytest.raises(DataError, match=r"column 'x' holds .*: (convert|give)"):
        read_cells(pd.Series(values), "x")


def test_columns_by_name():
    frame = pd.DataFrame([[1, 2]], columns=[" a ", 7])
    assert list(read_columns(frame)) == ["a", "7"]
    assert list(read_columns(frame, ["7"])) == ["7"]
    with pytest.raises(DataError, match="two columns are called 'a'"):
        read_columns(pd.DataFrame([[1, 2]], columns=["a", "a "]))
    with pytest.raises(DataError, match="DataFrame is needed, not a list"):
        read_columns([[1]])
