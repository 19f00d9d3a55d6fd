"""What a column is taken for, and the one line for what cannot be used yet."""

import numpy as np
import pandas as pd
import pytest

from retrograd.data.cells import read_cells
from retrograd.data.kinds import Problem, kind_of, refuse
from retrograd.errors import DataError

HUNDRED = list(range(100))


def kind(values, name="x", dtype=object):
    return kind_of(read_cells(pd.Series(values, dtype=dtype), name))


def problem(values, name="x", dtype=object):
    found = kind(values, name, dtype)
    assert isinstance(found, Problem), found
    with pytest.raises(DataError) as caught:
        refuse([found])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "values, expected",
    [
        (["1", "2.5", "-3e2"], "numeric"),
        (["1", "", "?", "-", "None"], "numeric"),
        (["0", "1", "1"], "numeric"),
        (["True", "FALSE", "true", ""], "boolean"),
        (["yes", "No"], "boolean"),
        (["yes", "no", "maybe"], "categorical"),
        (["a", "b", ""], "categorical"),
        (["36", "38", "S", "M"], "categorical"),
        (["None", "None"], "categorical"),
        (["", None], "empty"),
        ([], "empty"),
    ],
)
def test_kinds_of_text(values, expected):
    assert kind(values) == expected


@pytest.mark.parametrize(
    "values, dtype, expected",
    [([1, 2], "int64", "numeric"), ([1.5, np.nan], "float32", "numeric"), ([True, False], "bool", "boolean"),
     ([True, None], "boolean", "boolean"), ([np.nan], "float64", "empty"), (["1", "2"], "category", "categorical"),
     (HUNDRED, "category", "Problem"), (HUNDRED[:50] * 2, "category", "categorical")],
)  # fmt: skip
def test_kinds_of_dtypes(values, dtype, expected):
    found = kind(values, dtype=dtype)
    assert (type(found).__name__ if isinstance(found, Problem) else found) == expected


@pytest.mark.parametrize(
    "name", ["id", "ID", "index", "PassengerId", "customer_id", "order id", "Row", "row_number", "No"]
)
def test_integers_that_name_the_rows(name):
    assert problem(["7", "3", "5"], name) == (
        f"column '{name}' names the rows, a different integer in each, so nothing can be learned from it: "
        f"leave it out with --drop {name if ' ' not in name else repr(name)}"
    )


@pytest.mark.parametrize("name", ["paid", "grid", "valid", "acid", "year", "Idaho", "humid", "number"])
def test_integers_that_may_say_something(name):
    assert kind(["7", "3", "5"], name) == "numeric"


@pytest.mark.parametrize("values", [["7", "7", "5"], ["7", "", "5"], ["7.5", "3", "5"], ["7"]])
def test_an_id_names_every_row_by_an_integer(values):
    assert kind(values, "id") == "numeric"


@pytest.mark.parametrize(
    "values, says",
    [
        (["1", "inf"], "has a number that is infinite or beyond float64 ('inf' in row 2): correct it"),
        (["1", "-1e999"], "has a number that is infinite or beyond float64 ('-1e999' in row 2)"),
        (["12", "1,234", ""], "writes its numbers with thousands separators ('1,234' in row 2): write plain numbers"),
        (["12%", "3%"], "writes its numbers with percent signs ('12%' in row 1)"),
        (["3,14", "2,72"], "writes its numbers with decimal commas ('3,14' in row 1)"),
        (["$5", "$6"], "writes its numbers with currency signs"),
        (
            ["2020-01-01", "2020-01-02", ""],
            "holds dates or times ('2020-01-01' in row 1), which are not read yet: replace",
        ),
        (["10:30", "11:15"], "holds dates or times"),
        (
            [*map(str, HUNDRED), "abc"],
            "holds numbers except in 1 row ('abc' in row 101): correct it, leave a cell empty",
        ),
        (
            [*map(str, HUNDRED), *["unknown"] * 30],
            "holds numbers except in 30 rows ('unknown' in row 101): correct them",
        ),
        ([f"name {i}" for i in HUNDRED], "has 100 different texts in 100 rows, too many for categories: group them"),
        ([f"code {i % 101}" for i in range(1000)], "has 101 different texts in 1000 rows"),
    ],
)
def test_columns_that_cannot_be_used(values, says):
    message = problem(values)
    assert message.startswith(f"column 'x' {says}")


def test_many_categories_are_fine_where_rows_are_many():
    assert kind([f"code {i % 100}" for i in range(1000)]) == "categorical"
    assert kind([f"code {i}" for i in range(10)]) == "categorical"


def test_dates_by_dtype():
    assert "holds dates or times ('2020-01-01' in row 2)" in problem([None, "2020-01-01"], dtype="datetime64[ns]")


def test_all_problems_in_one_line():
    refuse([])
    with pytest.raises(DataError) as caught:
        refuse([Problem("a b", "odd", "mend it"), Problem("c", "even", "leave it")])
    assert str(caught.value) == (
        "2 columns cannot be used: 'a b' (odd), 'c' (even): correct them, or leave them out: --drop 'a b' --drop c"
    )
