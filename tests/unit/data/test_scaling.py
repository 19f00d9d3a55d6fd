"""Changes of unit: the figures of the specification, constant columns, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retrograd import data
from retrograd.data.scaling import mean_and_scale
from retrograd.errors import DataError

TABLE = [[1, 200], [2, 400], [3, 900]]


@pytest.mark.system("2.11", home="L", figure="z-score and min-max of [[1, 200], [2, 400], [3, 900]] to 9 digits")
def test_inputs_are_normalised():
    np.testing.assert_allclose(
        data.standardize(TABLE).apply(TABLE),
        [[-1.22474487, -1.01904933], [0, -0.33968311], [1.22474487, 1.35873244]],
        atol=5e-9,
    )
    np.testing.assert_allclose(data.rescale(TABLE).apply(TABLE), [[0, 0], [0.5, 0.285714286], [1, 1]], atol=5e-10)
    np.testing.assert_allclose(data.scale_by_maximum(TABLE).apply(TABLE), np.array(TABLE) / [3, 900], rtol=1e-15)


@pytest.mark.system("2.11", home="L", figure="one_hot([2, 3, 1], 3) with labels from 1")
def test_labels_become_vectors():
    assert data.one_hot([2, 3, 1], 3).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert data.one_hot([2, 0], 3, first=0).tolist() == [[0, 0, 1], [1, 0, 0]]
    for labels, says in (
        ([0], "label 0 at place 0 is outside 1 to 3"),
        ([1, 4], "label 4 at place 1 is outside 1 to 3"),
    ):
        with pytest.raises(DataError, match=says):
            data.one_hot(labels, 3)
    for labels in ([1.0], [[1]], ["a"]):
        with pytest.raises(DataError, match="labels are integers in one row"):
            data.one_hot(labels, 3)


@pytest.mark.system("2.11", home="L", figure="statistics of the training rows; constant columns are 0")
def test_statistics_are_those_of_the_training_rows():
    train, test = [[1.0, 7.0], [3.0, 7.0]], [[5.0, 8.0]]
    for fitted, expected in (
        (data.standardize(train), [3.0, 0.0]), (data.rescale(train), [2.0, 0.0]), (data.rescale(train, -1, 1), [3.0, -1.0]),
        (data.scale_by_maximum([[1.0, 0.0], [4.0, 0.0]]), [1.25, 0.0]),
    ):  # fmt: skip
        assert fitted.apply(test).tolist() == [expected]
    assert data.standardize(train).invert([[3.0, 0.0]]).tolist() == [[5.0, 7.0]]
    ready = data.prepare(data.load("digits"))
    assert "pixel_0_0" in [column.name for column in ready.columns if column.reason == "constant"]
    assert np.abs(ready.x[ready.rows.train].mean(axis=0)).max() < 1e-12


@pytest.mark.parametrize("fit", [data.standardize, data.rescale, data.scale_by_maximum])
@given(arrays(np.float64, (5, 2), elements=st.floats(-1e6, 1e6).map(lambda value: round(value, 3))))
def test_there_and_back(fit, x):
    scaling = fit(x)
    scaled = scaling.apply(x)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaling.invert(scaled), x, rtol=1e-9, atol=1e-9)


def test_standard_scores_agree_with_scikit_learn():
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x = np.random.default_rng(0).lognormal(size=(50, 3))
    np.testing.assert_allclose(data.standardize(x).apply(x), StandardScaler().fit_transform(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        data.rescale(x, -2, 3).apply(x), MinMaxScaler((-2, 3)).fit_transform(x), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    "wrong",
    [lambda: data.standardize([1, 2]), lambda: data.rescale([[1, np.nan]]), lambda: data.scale_by_maximum([[]]),
     lambda: data.rescale([[1], [2]], 1, 0), lambda: data.rescale([[1], [2]], 0, np.inf),
     lambda: data.standardize(TABLE).apply([[1]]), lambda: data.standardize([[1e308], [-1e308], [1e308]])],
)  # fmt: skip
def test_what_cannot_be_scaled(wrong):
    with pytest.raises(DataError):
        wrong()


def test_mean_and_scale():
    assert mean_and_scale(np.array([1.0, 3.0]), "x") == (2.0, 1.0)
    assert mean_and_scale(np.full(7, 0.1), "x") == (0.1, 0.0)
    with pytest.raises(DataError, match=r"x holds numbers too large to average \(1.5e\+308\): choose another unit"):
        mean_and_scale(np.array([1.5e308, -1.5e308, 1e308]), "x")
