"""What a column is taken for, and the one line for what cannot be used yet."""

import numpy as np
import pandas as pd
import pytest

from retrograd.data.cells import read_cells
from retrograd.data.kinds import Choices, Problem, Verdict, decimal_in, judge, refuse
from retrograd.errors import DataError

HUNDRED = list(range(100))


def judged(values, name="x", dtype=object, **choices):
    return judge(read_cells(pd.Series(values, dtype=dtype), name), Choices(**choices))


def kind(values, name="x", dtype=object, **choices):
    """The kind, or the reason why the column is left out."""
    found = judged(values, name, dtype, **choices)
    assert isinstance(found, Verdict), found
    return found.reason or found.kind


def problem(values, name="x", dtype=object):
    found = judged(values, name, dtype)
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
    [([1, 5], "int64", "numeric"), ([1.5, np.nan], "float32", "numeric"), ([True, False], "bool", "boolean"),
     ([True, None], "boolean", "boolean"), ([np.nan], "float64", "empty"), (["1", "2"], "category", "categorical"),
     (HUNDRED, "category", "id"), (HUNDRED[:50] * 2, "category", "categorical"), (HUNDRED, "int64", "id"),
     ([None, "2020-01-01"], "datetime64[ns]", "date")],
)  # fmt: skip
def test_kinds_of_dtypes(values, dtype, expected):
    assert kind(values, dtype=dtype) == expected


@pytest.mark.parametrize(
    "name", ["id", "ID", "index", "PassengerId", "customer_id", "order id", "Row", "row_number", "No"]
)
def test_integers_that_name_the_rows(name):
    assert judged(["7", "3", "5"], name).said == "names the rows, a different integer in each"
    assert kind(["7", "3", "5"], name, keep={name}) == "numeric"


@pytest.mark.parametrize("name", ["paid", "grid", "valid", "acid", "year", "Idaho", "humid", "number"])
def test_integers_that_may_say_something(name):
    assert kind(["7", "3", "5"], name) == "numeric"


@pytest.mark.parametrize("values", [["7", "7", "5"], ["7", "", "5"], ["7.5", "3", "5"], ["7"]])
def test_an_id_names_every_row_by_an_integer(values):
    assert kind(values, "id") == "numeric"


@pytest.mark.parametrize("values", [["0", "1", "2"], ["1", "2", "3"]])
def test_numbers_that_count_the_rows(values):
    assert judged(values).said == f"counts the rows from {values[0]}"
    assert kind(values, keep={"x"}) == "numeric"


@pytest.mark.parametrize(
    "values",
    [["1990", "1991", "1992"], ["2", "1", "3"], ["1", "2", "4"], ["5", "4", "3"], ["1", "2", ""], ["0.1", "1.1"]],
)
def test_numbers_that_do_not_count_the_rows(values):
    assert kind(values) == "numeric"


@pytest.mark.parametrize(
    "values, expected",
    [(["y", "n"], "boolean"), (["T", "f"], "boolean"), (["on", "off"], "boolean"), (["yes", "false"], "boolean"),
     (["n", "f"], "categorical"), (["y", "n", "m"], "categorical"), (["on", "yes"], "categorical")],
)  # fmt: skip
def test_words_of_truth_are_pairs(values, expected):
    assert kind(values) == expected


@pytest.mark.parametrize(
    "values, writing",
    [
        (["12", "1,234", ""], "."),
        (["12%", "3%"], ".%"),
        (["3,14", "2,72"], ","),
        (["$5", "$6"], ".$"),
        (["1.234,5", "-"], ","),
    ],
)
def test_numbers_as_people_write_them(values, writing):
    found = judged(values)
    assert (found.kind, found.cells.writing) == ("numeric", writing)


def test_other_columns_say_what_a_comma_is():
    columns = [read_cells(pd.Series(values), "x") for values in (["1,234"], ["3,14"], ["1.5"], ["a"], ["1.234"])]
    assert decimal_in(columns) == ","
    assert decimal_in(columns[:1]) == decimal_in([*columns, read_cells(pd.Series(["1,234.5"]), "x")]) == "."
    assert judged(["1,234"], decimal=",").cells.numbers.tolist() == [1.234]
    assert judged(["1,234"]).cells.numbers.tolist() == [1234]
    assert judged(["1.234", "2"], decimal=",").cells.numbers.tolist() == [1234, 2]
    assert judged(["1.5", "2"], decimal=",").cells.numbers.tolist() == [1.5, 2]


@pytest.mark.parametrize(
    "values, says",
    [
        (["1", "inf"], "has a number that is infinite or beyond float64 ('inf' in row 2): correct it"),
        (["1", "-1e999"], "has a number that is infinite or beyond float64 ('-1e999' in row 2)"),
        (["12%", "3"], "writes its numbers in more than one way ('12%' in row 1, '3' in row 2): write plain numbers"),
        (["$1", "€1"], "writes its numbers in more than one way ('$1' in row 1, '€1' in row 2)"),
        (
            [*map(str, HUNDRED), "abc"],
            "holds numbers except in 1 row ('abc' in row 101): correct it, leave a cell empty",
        ),
        (
            [*map(str, HUNDRED), *["unknown"] * 30],
            "holds numbers except in 30 rows ('unknown' in row 101): correct them",
        ),
    ],
)
def test_columns_that_cannot_be_used(values, says):
    message = problem(values)
    assert message.startswith(f"column 'x' {says}")
    assert kind(values, categories={"x"}) == "categorical"


@pytest.mark.parametrize(
    "values, reason, said",
    [
        ([f"n{i}" for i in HUNDRED], "id", "names the rows, a different text in each"),
        ([f"Dr. John Smith {i}" for i in HUNDRED], "text", "holds free text, 100 different texts in 100 rows"),
        ([*[f"n{i}" for i in HUNDRED], "n0"], "levels", "has 100 different texts in 101 rows, most of them rare"),
        (
            [f"code {i % 300}" for i in range(3000)],
            "levels",
            "has 300 different texts in 3000 rows, less than half of which hold the 100 most frequent",
        ),
    ],
)
def test_texts_that_are_no_categories(values, reason, said):
    found = judged(values)
    assert (found.kind, found.reason, found.said) == ("dropped", reason, said)
    assert kind(values, keep={"x"}) == kind(values, categories={"x"}) == "categorical"


def test_many_categories_are_fine_where_most_cells_hold_a_frequent_one():
    assert kind([f"code {i % 101}" for i in range(1000)]) == "categorical"
    assert kind([f"code {i}" for i in range(10)]) == "categorical"
    assert kind(["a"] * 50 + [f"n{i}" for i in range(50)]) == "categorical"
    assert kind(["a"] * 49 + [f"n{i}" for i in range(50)]) == "levels"


def test_all_problems_in_one_line():
    refuse([])
    with pytest.raises(DataError) as caught:
        refuse([Problem("a b", "odd", "mend it"), Problem("c", "even", "leave it")])
    assert str(caught.value) == (
        "2 columns cannot be used: 'a b' (odd), 'c' (even): correct them, or leave them out: --drop 'a b' --drop c"
    )
