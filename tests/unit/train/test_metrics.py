"""Metrics agree with scikit-learn's, and refuse shapes that would broadcast."""

import numpy as np
import pytest
from sklearn import metrics as reference

from retrograd.errors import ShapeError
from retrograd.train import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_classification(rng):
    outputs, targets = rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    chosen = outputs.argmax(1)
    assert metrics.accuracy(outputs, targets) == reference.accuracy_score(targets, chosen)
    wanted = reference.confusion_matrix(targets, chosen, labels=range(4))
    np.testing.assert_array_equal(metrics.confusion(outputs, targets), wanted)


def test_classes_that_do_not_occur_have_their_place():
    matrix = metrics.confusion(np.eye(4)[[0, 0]], np.array([0, 0]))
    assert matrix.shape == (4, 4) and matrix[0, 0] == 2 and matrix.sum() == 2


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_score_means_class_1_where_it_is_positive(shape):
    outputs, targets = np.array([-1.0, 0.0, 2.0]).reshape(shape), np.array([0, 0, 1])
    assert metrics.accuracy(outputs, targets) == 1.0
    assert metrics.accuracy(outputs, targets[:, None].astype(float)) == 1.0
    np.testing.assert_array_equal(metrics.confusion(outputs, targets), [[2, 0], [0, 1]])


def test_of_equal_scores_the_first_class_wins():
    assert metrics.predicted_classes(np.zeros((2, 3))).tolist() == [0, 0]


def test_regression(rng):
    outputs, targets = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    assert metrics.mean_squared_error(outputs, targets) == pytest.approx(reference.mean_squared_error(targets, outputs))
    assert metrics.rmse(outputs[:, 0], targets[:, 0]) == pytest.approx(
        reference.root_mean_squared_error(targets[:, 0], outputs[:, 0])
    )
    assert metrics.mae(outputs, targets) == pytest.approx(reference.mean_absolute_error(targets, outputs))
    assert metrics.r2(outputs[:, 0], targets[:, 0]) == pytest.approx(reference.r2_score(targets[:, 0], outputs[:, 0]))


@pytest.mark.parametrize("outputs, wanted", [([2.0, 2.0], 1.0), ([2.0, 3.0], 0.0)])
def test_r2_of_targets_that_are_all_alike(outputs, wanted):
    targets = np.array([2.0, 2.0])
    assert metrics.r2(np.array(outputs), targets) == wanted == reference.r2_score(targets, outputs)


@pytest.mark.parametrize("name", ["mean_squared_error", "rmse", "mae", "r2"])
def test_shapes_that_only_broadcast_are_refused(name):
    with pytest.raises(ShapeError, match=rf"{name}: outputs of shape \(3, 1\) against targets of shape \(3,\)"):
        getattr(metrics, name)(np.zeros((3, 1)), np.zeros(3))


def test_rows_of_another_number_are_refused():
    with pytest.raises(ShapeError):
        metrics.accuracy(np.zeros((3, 2)), np.zeros(4, int))
    with pytest.raises(ShapeError):
        metrics.confusion(np.zeros((3, 2)), np.zeros(4, int))


def test_float32_outputs_are_measured_in_float64():
    outputs = np.full(10**5, 1e4, np.float32)
    assert metrics.mean_squared_error(outputs, outputs + np.float32(0.25)) == pytest.approx(0.0625, rel=0.05)
