"""What a column becomes: standardised numbers, 0 and 1, one-hot categories; fitted to training rows, checked later."""

import numpy as np
import pandas as pd
import pytest

from retrograd.data.cells import read_cells
from retrograd.data.encoders import Boolean, Categorical, Constant, Numeric
from retrograd.data.fitting import fit_encoder, mean_and_scale
from retrograd.data.kinds import kind_of
from retrograd.errors import DataError


def cells(values, dtype=object):
    return read_cells(pd.Series(values, dtype=dtype), "x")


def fit(values, rows=None, dtype=object):
    column = cells(values, dtype)
    return fit_encoder(column, kind_of(column), np.arange(len(values)) if rows is None else np.array(rows))


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
     (["", ""], None),      (["a", "a"], None), (["a", "a", "b"], [0, 1]), (["yes", "yes", "no"], [0, 1]),
     (["5e-324", "0"], None),
     (["0.1"] * 7, None)],
)  # fmt: skip
def test_what_is_the_same_in_all_training_rows_is_zero(values, rows):
    encoder = fit(values, rows)
    assert encoder == Constant("x")
    assert encoded(encoder, ["anything", "", "5"]) == ([[0.0]] * 3, [])


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
    assert encoder == Categorical("x", levels=("a", "b"), others=(), missing=False)
    assert encoder.input_names == ("x=a", "x=b")
    inputs, notes = encoded(encoder, ["b", " a", ""])
    assert inputs == [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    assert len(notes) == 1
    assert notes[0].startswith("Column 'x': 1 cell that no training row has a like of")


def test_missing_categories_are_a_level_of_their_own():
    encoder = fit(["b", "", "a"])
    assert encoder.input_names == ("x=a", "x=b", "x=(missing)")
    assert encoded(encoder, ["", "a", "?"]) == ([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [])
    assert fit(["a", ""]).input_names == ("x=a", "x=(missing)")  # two levels, hence not constant


def test_categories_of_other_rows_are_known_but_have_no_input():
    encoder = fit(["a", "b", "rare"], rows=[0, 1])
    assert encoder == Categorical("x", levels=("a", "b"), others=("rare",), missing=False)
    inputs, notes = encoded(encoder, ["rare", "a"])
    assert inputs == [[0.0, 0.0], [1.0, 0.0]]
    assert "a rare category, or missing" in notes[0]


def test_new_categories_are_refused():
    encoder = fit(["b", "a", "c"], rows=[0, 1])
    assert refused(encoder, ["a", "d"]) == (
        "column 'x', row 2: 'd' is not among the training data's 3 categories ('a', 'b'): "
        "correct it, or train again with rows that have it"
    )
    assert "row 1: 'd' (and 1 other new text) is not among" in refused(encoder, ["d", "e", "d"])


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


def test_mean_and_scale():
    assert mean_and_scale(np.array([1.0, 3.0]), "x") == (2.0, 1.0)
    assert mean_and_scale(np.full(7, 0.1), "x") == (0.1, 0.0)
    with pytest.raises(DataError, match=r"x holds numbers too large to average \(1.5e\+308\): choose another unit"):
        mean_and_scale(np.array([1.5e308, -1.5e308, 1e308]), "x")
