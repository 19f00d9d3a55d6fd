"""`evaluate`: its measures are scikit-learn's, its predictions those of `predict`, and what is left out is counted."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import metrics as reference

from retrograd import data, nn
from retrograd.errors import DataError, ModelError
from retrograd.train import TrainedModel, evaluate, metrics
from retrograd.train.evaluation import measure
from retrograd.train.tabular import Settings, train_table


def people(rows=90, seed=0):
    draw = np.random.RandomState(seed)
    age, city = draw.randint(1, 80, rows), draw.choice(["Oslo", "Roma"], rows)
    grade = np.where(age < 30, "low", np.where(city == "Oslo", "high", "mid"))
    return pd.DataFrame({"age": age, "city": city, "grade": grade})


def trained(table, **settings):
    prepared = data.prepare(table)
    return train_table(prepared, Settings(hidden=(8,), **settings), source=table.name, progress=False)


@pytest.fixture(scope="module")
def outcome():
    return trained(data.load(people(), "grade"), epochs=8)


@pytest.fixture(scope="module")
def amounts():
    return trained(data.load("diabetes"), epochs=4)


def test_measures_of_classes_are_scikit_learns(outcome):
    found = evaluate(outcome.model, data.load(people(60, 1)))
    scores, actual, predicted = found.measures.scores, found.actual, found.predicted
    labels = list(outcome.model.preprocessor.classes)
    shares = softmax(found.outputs.astype(np.float64), axis=1)
    assert scores["accuracy"] == reference.accuracy_score(actual, predicted)
    assert scores["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(actual, predicted), rel=1e-12)
    assert scores["log_loss"] == pytest.approx(reference.log_loss(actual, shares, labels=labels), rel=1e-12)
    assert scores["log_loss"] == pytest.approx(nn.cross_entropy(found.outputs, found.targets).item(), rel=1e-5)
    assert found.measures.confusion.tolist() == reference.confusion_matrix(actual, predicted, labels=labels).tolist()
    wanted = reference.precision_recall_fscore_support(actual, predicted, labels=labels, zero_division=np.nan)
    for i, score in enumerate(found.measures.classes):
        for value, column in zip((score.precision, score.recall, score.f1, score.support), wanted, strict=True):
            assert (value is None and np.isnan(column[i])) or value == column[i]
    low, high = found.measures.interval
    assert low < scores["accuracy"] < high


def test_measures_of_amounts_are_scikit_learns(amounts):
    found = evaluate(amounts.model, data.load("diabetes"))
    scores, pair = found.measures.scores, (found.actual, found.predicted)
    assert scores["rmse"] == pytest.approx(reference.root_mean_squared_error(*pair), rel=1e-12)
    assert scores["mae"] == pytest.approx(reference.mean_absolute_error(*pair), rel=1e-12)
    assert scores["r2"] == pytest.approx(reference.r2_score(*pair), rel=1e-12)
    assert scores["median_absolute_error"] == pytest.approx(reference.median_absolute_error(*pair), rel=1e-12)
    mean = amounts.model.preprocessor.target.mean
    assert found.measures.baseline["rmse"] == pytest.approx(np.sqrt(np.mean((pair[0] - mean) ** 2)), rel=1e-12)
    assert abs(found.measures.baseline["r2"]) < 0.01


def test_the_measures_on_the_test_rows_are_those_of_the_training(outcome, amounts):
    for run in (outcome, amounts):
        rows = run.prepared.rows.test
        found = measure(run.model, run.outputs[rows], run.prepared.y[rows])
        for name, value in run.scores.items():
            assert found.scores[name] == value
            assert found.baseline[name] == pytest.approx(run.baseline[name], rel=1e-12)


def test_the_baseline_is_the_training_rows_most_frequent_class_and_their_shares(outcome):
    table = data.load(people(60, 1))
    counts = np.array(outcome.model.training["class_counts"])
    labels = outcome.model.preprocessor.classes
    assert counts.tolist() == np.bincount(outcome.prepared.y[outcome.prepared.rows.train]).tolist()
    found = evaluate(outcome.model, table)
    often = labels[counts.argmax()]
    assert found.measures.knows == f"{often!r}, the most frequent class in training"
    assert found.measures.baseline["accuracy"] == np.mean(found.actual == often)
    assert found.measures.baseline["balanced_accuracy"] == pytest.approx(1 / 3)
    shares = np.tile(counts / counts.sum(), (60, 1))
    wanted = reference.log_loss(found.actual, shares, labels=list(labels))
    assert found.measures.baseline["log_loss"] == pytest.approx(wanted, rel=1e-12)
    silent = TrainedModel(outcome.model.network, outcome.model.preprocessor)  # one that says nothing of its training
    assert evaluate(silent, table).measures.knows.endswith("the most frequent class in these rows")


def test_predictions_are_those_of_predict_bit_for_bit(outcome):
    frame = people(60, 1)
    frame.loc[[3, 40], "grade"] = ""
    found = evaluate(outcome.model, data.load(frame))
    assert found.predicted.tolist() == outcome.model.predict(frame)[found.measured].tolist()
    whole = outcome.model.outputs(outcome.model.preprocessor.transform(frame))
    np.testing.assert_array_equal(found.outputs, whole[found.measured])


def test_what_is_left_out_is_counted(outcome):
    frame = people(60, 1)
    frame.loc[[3, 40], "grade"] = ""
    frame.loc[[5, 6, 7], "grade"] = "huge"
    frame.loc[8, "grade"] = "tiny"
    frame.loc[[0, 1], "city"] = "Bergen"
    found = evaluate(outcome.model, data.load(frame))
    assert (found.rows, len(found.measured), found.without_target) == (60, 54, 2)
    assert found.unknown == {"huge": 3, "tiny": 1} and found.unseen == {"city": 2}
    assert set(found.measured) == set(range(60)) - {3, 40, 5, 6, 7, 8}
    assert "Not measured, as there is no 'grade': 2 rows." in found.notes
    assert "Not measured, as the model does not know the label: 'huge' (3 rows), 'tiny' (1 row)." in found.notes
    assert any("training never saw ('Bergen')" in note for note in found.notes)
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["rows"] == {"table": 60, "measured": 54, "without_target": 2, "unknown_label": 4}
    assert record["unknown_labels"] == [{"label": "huge", "rows": 3}, {"label": "tiny", "rows": 1}]
    assert record["confusion"]["counts"] == found.measures.confusion.tolist()
    without = evaluate(outcome.model, data.load(frame.iloc[found.measured]))
    assert without.measures.scores["accuracy"] == found.measures.scores["accuracy"]


def test_classes_without_rows_have_no_recall(outcome):
    frame = people(60, 1)
    found = evaluate(outcome.model, data.load(frame[frame["grade"] == "low"]))
    by_label = {score.label: score for score in found.measures.classes}
    assert by_label["high"].recall is None and by_label["high"].support == 0
    assert found.measures.scores["balanced_accuracy"] == found.measures.scores["accuracy"]


def test_a_single_row(outcome, amounts):
    one = evaluate(amounts.model, data.load(data.load("diabetes").frame.iloc[:1]))
    assert one.measures.scores["r2"] is None and one.to_json()["scores"]["r2"] is None
    assert one.measures.scores["rmse"] == one.measures.scores["mae"]
    assert evaluate(outcome.model, data.load(people(1, 3))).measures.scores["accuracy"] in (0.0, 1.0)


def test_the_rows_of_the_training_are_recognised(outcome):
    assert evaluate(outcome.model, data.load(people())).own
    assert not evaluate(outcome.model, data.load(people(60, 1))).own
    assert (
        evaluate(outcome.model, data.load(people()))
        .notes[-1]
        .startswith(f"These are the rows of the training run, and {len(outcome.prepared.rows.train)} of them are what")
    )
    assert not any("training run" in note for note in evaluate(outcome.model, data.load(people(60, 1))).notes)


def test_what_cannot_be_measured_is_refused(outcome, amounts):
    frame = people(20, 1)
    with pytest.raises(DataError, match="has no column 'grade', the target of the model"):
        evaluate(outcome.model, data.load(frame.drop(columns="grade")))
    with pytest.raises(DataError, match="no row .* none has a target"):
        evaluate(outcome.model, data.load(frame.assign(grade="")))
    with pytest.raises(DataError, match=r"no row .* its labels \('huge'\) are no class of the model"):
        evaluate(outcome.model, data.load(frame.assign(grade="huge")))
    with pytest.raises(DataError, match="lacks 1 column that the model was trained on: 'age'"):
        evaluate(outcome.model, data.load(frame.drop(columns="age")))
    wrong = data.load("diabetes").frame.astype({"target": object})
    wrong.loc[2, "target"] = "much"
    with pytest.raises(DataError, match="'much', which is no finite number, in row 3"):
        evaluate(amounts.model, data.load(wrong))
    with pytest.raises(ModelError, match="not finite"):
        measure(amounts.model, np.full((3, 1), np.nan, np.float32), np.zeros(3))


def test_the_folder_keeps_what_a_report_needs(outcome, tmp_path):
    outcome.model.save(tmp_path / "m")
    saved = TrainedModel.load(tmp_path / "m").training
    assert saved == outcome.model.training
    assert [column["name"] for column in saved["columns"]] == ["age", "city"]
    assert saved["notes"] == list(outcome.prepared.notes) and set(saved["versions"]) == {"python", "numpy", "retrograd"}
    assert saved["table_rows"] == 90 and saved["checkups"] == []


def test_accuracy_and_confusion_are_the_engines(outcome):
    found = evaluate(outcome.model, data.load(people(60, 1)))
    assert found.measures.scores["accuracy"] == metrics.accuracy(found.outputs, found.targets)
