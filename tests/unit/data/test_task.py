"""Classification or regression, and why; targets that nothing can be learned from."""

import numpy as np
import pandas as pd
import pytest

from retrograd.data import infer_task
from retrograd.errors import DataError


def target(values, dtype=object):
    return pd.Series(values, dtype=dtype, name="y")


def refused(values, task=None, dtype=object):
    with pytest.raises(DataError) as caught:
        infer_task(target(values, dtype), task)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "values, dtype, name, why",
    [
        (["a", "b", "a"], object, "classification", "text, 2 different values"),
        (["a", "b"] * 3, "category", "classification", "text, 2 different values"),
        (["True", "false"], object, "classification", "true and false"),
        ([True, False], "bool", "classification", "true and false"),
        (["0", "1"], object, "classification", "only 2 different whole numbers"),
        ([0.0, 1.0], "float64", "classification", "only 2 different whole numbers"),
        (list(range(20)) * 3, "int64", "classification", "only 20 different whole numbers"),
        (list(range(21)) * 3, "int64", "regression", "21 different whole numbers"),
        (list(range(10)), "int64", "regression", "10 different whole numbers"),
        (["1.5", "2"] * 9, object, "regression", "numbers with fractions"),
        ([0.5, 1.5], "float32", "regression", "numbers with fractions"),
        (["007", "008"], object, "classification", "text, 2 different values"),
        (["None", "Insomnia", "Apnea"] * 2, object, "classification", "text, 3 different values"),
        (["$1,200", "$900", "$3"], object, "regression", "3 different numbers ('$1,200' is read as 1200)"),
        (["12%", "5%"] * 3, object, "classification", "text, 2 different values"),
        (["a", "", "b", "?"], object, "classification", "text, 2 different values"),
        (["0", "-", "1"], object, "classification", "only 2 different whole numbers"),
        ([1.0, np.nan, 2.5], "float64", "regression", "numbers with fractions"),
    ],
)
def test_the_task_and_why(values, dtype, name, why):
    task, reason = infer_task(target(values, dtype))
    assert task == name
    assert reason.startswith(f"Task: {name}, because target 'y' holds {why}")
    assert reason.endswith(".")


def test_the_task_as_asked_for():
    numbers = target([1, 2, 3] * 4, "int64")
    assert infer_task(numbers) == infer_task(numbers, "classification")
    assert infer_task(numbers, "regression") == (
        "regression", "Task: regression, as asked for (target 'y' looks like classification).",
    )  # fmt: skip
    assert infer_task(target([0.5, 1.5] * 4, "float64"), "classification").name == "classification"
    assert infer_task(target(["007", "012", "100"] * 4), "regression").name == "regression"


@pytest.mark.parametrize(
    "values, task, dtype, says",
    [
        (["a", "b"], "regresion", object, "there is no task 'regresion'; did you mean 'regression'? choose"),
        (
            ["1", "b", "1"],
            "regression",
            object,
            "regression needs numbers, but target 'y' is 'b' in row 2: correct it, or",
        ),
        ([True, False], "regression", "bool", "regression needs numbers, but target 'y' is 'True' in row 1"),
        ([1, 2, 1], "regression", "category", "regression needs numbers"),
        ([], None, object, "target 'y' is empty in every row"),
        (["", None], None, object, "target 'y' is empty in every row: choose another column with --target"),
        (["a", "a", " a "], None, object, "target 'y' is 'a' in every row, so there is nothing to learn"),
        (["1", "1.0"], None, object, "target 'y' is '1' in every row"),
        ([2.5, 2.5], None, "float64", "target 'y' is '2.5' in every row"),
        (["1", "inf", "2"], None, object, "target 'y' is infinite or beyond float64 in row 2 ('inf'): correct it"),
        (["2020-01-01", "2021-01-01"], None, object, "target 'y' holds dates or times ('2020-01-01' in row 1)"),
        (["2020-01-01", "2021-01-01"], None, "datetime64[ns]", "target 'y' holds dates or times"),
        (["20200131", "20200201", "20200202"], None, object, "target 'y' holds dates or times ('20200131' in row 1)"),
        (
            [f"{i}%" for i in range(50)] + ["3"],
            None,
            object,
            "target 'y' writes its numbers in more than one way ('0%'",
        ),
        (["1e999%", "2%"], "regression", object, "target 'y' is beyond float64 in row 1 ('1e999%')"),
        ([*map(str, range(50)), "x"], None, object, "target 'y' holds numbers except in 1 row ('x' in row 51)"),
        (
            [f"n{i}" for i in range(9)],
            None,
            object,
            "target 'y' has 9 different values in 9 rows, too many for classes",
        ),
        ([i / 7 for i in range(9)], "classification", "float64", "target 'y' has 9 different values in 9 rows"),
    ],
)
def test_targets_that_cannot_be_used(values, task, dtype, says):
    assert refused(values, task, dtype).startswith(says)


def test_a_target_without_a_name():
    assert "target 'target'" in infer_task(pd.Series([0, 1])).reason
