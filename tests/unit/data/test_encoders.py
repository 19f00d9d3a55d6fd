"""What a column becomes: standardised numbers, 0 and 1, one-hot categories; fitted to training rows, checked later."""

import numpy as np
import pandas as pd
import pytest

from retrograd.data.cells import read_cells
from retrograd.data.encoders import Boolean, Categorical, Dropped, Numeric
from retrograd.data.fitting import fit_encoder
from retrograd.data.kinds import Choices, judge
from retrograd.errors import DataError


def cells(values, dtype=object):
    return read_cells(pd.Series(values, dtype=dtype), "x")


def fit(values, rows=None, dtype=object, **choices):
    verdict = judge(cells(values, dtype), Choices(**choices))
    return fit_encoder(verdict, np.arange(len(values)) if rows is None else np.array(rows))


def encoded(encoder, values, dtype=object):
    notes = []
    inputs = encoder.encode(cells(values, dtype), notes)
    assert inputs.dtype == np.float64
    assert inputs.shape == (len(values), len(encoder.input_names))
    return inputs.tolist(), notes


def refused(encoder, values, dtype=object):
    with pytest.raises(DataError) as caught:
        encoder.encode(cells(values, dtype), [])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_are_standardised_and_gaps_take_the_median():
    encoder = fit(["1", "", "2", "6", "1000"], rows=[0, 1, 2, 3])
    assert encoder == Numeric("x", fill=2.0, mean=2.75, scale=float(np.std([1, 2, 2, 6])))
    inputs, notes = encoded(encoder, ["6", ""])
    assert inputs == [[(6 - 2.75) / encoder.scale], [(2 - 2.75) / encoder.scale]]
    assert notes == ["Column 'x': 1 missing number filled with 2, the median in training."]
    assert encoder.input_names == ("x",)


def test_numbers_agree_with_scikit_learn():
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    draw = np.random.default_rng(0)
    values = np.where(draw.random(200) < 0.2, np.nan, draw.lognormal(size=200))
    pipeline = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(values[:150, None])
    inputs, _ = encoded(fit(values, range(150), "float64"), values, "float64")
    np.testing.assert_allclose(inputs, pipeline.transform(values[:, None]), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    "values, rows",
    [(["3", "3", "3"], None), (["3", "", "3"], None), (["3", "3", "4"], [0, 1]), (["", "", "4"], [0, 1]),
     (["a", "a"], None), (["a", "a", "b"], [0, 1]), (["yes", "yes", "no"], [0, 1]),
     (["5e-324", "0"], None),
     (["0.1"] * 7, None)],
)  # fmt: skip
def test_what_is_the_same_in_all_training_rows_is_left_out(values, rows):
    encoder = fit(values, rows)
    assert encoder == Dropped("x", "constant")
    assert encoder.input_names == ()
    assert encoded(encoder, ["anything", "", "5"]) == ([[]] * 3, [])


def test_what_is_left_out_says_why():
    assert fit(["", ""]) == Dropped("x", "empty")
    assert fit(["1", "2", "3"]) == Dropped("x", "id")


def test_numbers_as_people_write_them():
    encoder = fit(["$1,000", "$3,000", "-"])
    assert encoder == Numeric("x", fill=2000.0, mean=2000.0, scale=float(np.std([1000, 3000, 2000])), writing=".$")
    assert encoded(encoder, ["$2,000", ""])[0] == [[0.0], [0.0]]
    assert encoded(encoder, [2000.0], "float64")[0] == [[0.0]]  # numbers from memory are numbers
    assert refused(encoder, ["2000"]).startswith("column 'x', row 1: '2000' is not a number written like 1,234.5$, as")


def test_truth_is_zero_and_one():
    encoder = fit(["yes", "no", "YES"])
    assert encoder == Boolean("x", fill=1.0, missing=False)
    inputs, notes = encoded(encoder, ["no", "True", "", "0", "1"])
    assert inputs == [[0.0], [1.0], [1.0], [0.0], [1.0]]
    assert notes == ["Column 'x': 1 missing value taken for true, the more frequent in training."]
    assert encoded(encoder, [True, False], "bool")[0] == encoded(encoder, [1, 0], "int64")[0] == [[1.0], [0.0]]
    assert "row 2: 'maybe' is neither true nor false" in refused(encoder, ["yes", "maybe"])


def test_missing_truth_has_an_input_of_its_own():
    encoder = fit([True, False, None, False], dtype="boolean")
    assert encoder == Boolean("x", fill=0.0, missing=True)
    assert encoder.input_names == ("x", "x=(missing)")
    assert encoded(encoder, ["true", "", "false"]) == ([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [])


def test_categories_are_one_hot_in_sorted_order():
    encoder = fit(["b", "a", "b"])
    assert encoder == Categorical("x", levels=("a", "b"), others=(), pool=False, missing=False)
    assert encoder.input_names == ("x=a", "x=b")
    inputs, notes = encoded(encoder, ["b", " a", ""])
    assert inputs == [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    assert notes == ["Column 'x': 1 missing cell, of which training had none, taken for none of the categories."]


def test_missing_categories_are_a_level_of_their_own():
    encoder = fit(["b", "", "a"])
    assert encoder.input_names == ("x=a", "x=b", "x=(missing)")
    assert encoded(encoder, ["", "a", "?"]) == ([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [])
    assert fit(["a", ""]).input_names == ("x=a", "x=(missing)")  # two levels, hence not constant


def test_categories_of_other_rows_are_known_but_have_no_input():
    encoder = fit(["a", "b", "rare"], rows=[0, 1])
    assert encoder == Categorical("x", levels=("a", "b"), others=("rare",), pool=False, missing=False)
    assert encoded(encoder, ["rare", "a"]) == ([[0.0, 0.0], [1.0, 0.0]], [])


def test_new_categories_are_none_of_the_known_ones_and_counted():
    encoder = fit(["b", "a", "c"], rows=[0, 1])
    inputs, notes = encoded(encoder, ["a", "d", "e", "d"])
    assert inputs == [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert notes == [
        "Column 'x': 3 cells with 2 categories that training never saw ('d', 'e'), taken for none of the known ones."
    ]


def many(rows=60):
    """Two frequent categories, and twelve that come once."""
    return ["a"] * (rows // 2) + ["b"] * (rows // 2) + [f"r{place}" for place in range(12)]


def test_rare_categories_share_an_input():
    encoder = fit(many())
    assert encoder.input_names == ("x=a", "x=b", "x=(other)")
    assert (encoder.pool, len(encoder.others)) == (True, 12)
    inputs, notes = encoded(encoder, ["r3", "new", "b"])
    assert inputs == [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    assert notes == ["Column 'x': 1 cell with 1 category that training never saw ('new'), taken for the rare ones."]
    assert fit([*many(), ""]).input_names == ("x=a", "x=b", "x=(other)", "x=(missing)")


def test_few_categories_are_never_rare():
    assert len(fit([*["a"] * 1000, *[f"r{place}" for place in range(9)]]).levels) == 10


def test_the_most_frequent_hundred_have_inputs():
    values = [f"c{place}" for place in range(150) for _ in range(5 + (place >= 50))]
    encoder = fit(values)
    assert set(encoder.levels) == {f"c{place}" for place in range(50, 150)}
    assert len(encoder.input_names) == 101


def test_a_column_kept_though_all_its_categories_are_rare():
    assert fit([f"n{place}" for place in range(50)], keep={"x"}) == Dropped("x", "constant")


def test_numeric_codes_of_a_declared_category_are_found_in_any_dtype():
    encoder = fit([3, 1, 3], dtype="category")
    assert encoder.levels == ("1", "3")
    expected = [[0.0, 1.0], [1.0, 0.0]]
    for values, dtype in (([3, 1], "int64"), ([3.0, 1.0], "float64"), (["3", "1"], object), ([3, 1], "category")):
        assert encoded(encoder, values, dtype)[0] == expected


@pytest.mark.parametrize(
    "values, says",
    [
        (["1", "x"], "column 'x', row 2: 'x' is not a number, as this column was in training: correct it, or leave"),
        (["1", "1,000"], "column 'x', row 2: '1,000' is not a number"),
        (["-inf"], "column 'x', row 1: '-inf' is infinite or beyond float64"),
        (["1e300"], "column 'x', row 1: 1e+300 is too far from the numbers in training (mean 1, standard deviation 1)"),
    ],
)
def test_what_is_no_number_is_refused(values, says):
    assert refused(Numeric("x", 1.0, 1.0, 1.0), values).startswith(says)
