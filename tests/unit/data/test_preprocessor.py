"""The whole way of a table into a model and back, through a file without losing a bit."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data import Preprocessor
from retrograd.errors import DataError, ModelError


def assert_one_line(error):
    assert str(error)
    assert "\n" not in str(error)


def people():
    return pd.DataFrame(
        {
            "age": [22.0, 38.0, np.nan, 35.0, 54.0, 2.0],
            "city": ["Oslo", "Rome", "Oslo", None, "Rome", "Bern"],
            "member": [True, False, True, True, False, False],
            "planet": "Earth",
        }
    )


def labels():
    return pd.Series(["no", "yes", "yes", "no", "yes", "no"], name="survived")


def fitted(rows=(0, 1, 2, 3, 4)):
    return Preprocessor.fit(people(), labels(), rows=list(rows))


def through_json(preprocessor):
    return Preprocessor.from_json(json.loads(json.dumps(preprocessor.to_json(), allow_nan=False)))


def test_inputs_and_their_names():
    preprocessor = fitted()
    assert preprocessor.input_names == ("age", "city=Oslo", "city=Rome", "city=(missing)", "member")
    assert preprocessor.required == ("age", "city", "member")
    assert (preprocessor.task, preprocessor.classes) == ("classification", ("no", "yes"))
    x = preprocessor.transform(people())
    assert x.dtype == np.float64
    assert x.shape == (6, 5)
    assert x[:, 1:].tolist() == [
        [1, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0],
    ]  # fmt: skip
    training = [22.0, 38.0, 36.5, 35.0, 54.0]
    np.testing.assert_allclose(x[:5, 0], (np.array(training) - np.mean(training)) / np.std(training))


def test_what_was_done_is_said():
    assert fitted().notes == (
        "4 columns make 5 inputs: 1 numeric, standardised ('age'); 1 true or false, as 1 and 0 ('member'); "
        "1 categorical, an input for each category ('city'); 1 left out ('planet').",
        "Left out, as it is the same in all training rows: 'planet'.",
        "Missing numbers take the median of the training rows: 'age' (1 of 6 rows, 36.5).",
        "Missing values have an input of their own: 'city' (1 of 6 rows).",
        "Categories that are rare, or in no training row, are taken together: 'city' (1 category in 1 row).",
    )


def test_what_was_filled_in_later_is_said_too():
    notes = []
    fitted().transform(people(), notes)
    assert notes[0] == "Column 'age': 1 missing number filled with 36.5, the median in training."
    assert len(notes) == 1


def test_targets_there_and_back():
    preprocessor = fitted()
    codes = preprocessor.encode_target(labels())
    assert codes.tolist() == [0, 1, 1, 0, 1, 0]
    assert preprocessor.decode_target(codes).tolist() == labels().tolist()
    amounts = Preprocessor.fit(people(), pd.Series([1.5, 2, 3, 4, 5, 6]), rows=[0, 1, 2])
    assert (amounts.task, amounts.classes) == ("regression", ())
    np.testing.assert_allclose(amounts.decode_target(amounts.encode_target(pd.Series([7.0, -1.0]))), [7.0, -1.0])


def test_the_same_bits_after_saving():
    preprocessor = fitted()
    loaded = through_json(preprocessor)
    assert loaded == preprocessor
    assert loaded.notes == ()
    assert loaded.transform(people()).tobytes() == preprocessor.transform(people()).tobytes()


def test_the_same_bits_from_a_file_as_from_memory(tmp_path):
    from retrograd.data import load

    people().assign(survived=labels()).to_csv(tmp_path / "people.csv", index=False)
    table = load(tmp_path / "people.csv", "survived")
    assert Preprocessor.fit(table.features, table.labels, rows=range(5)) == fitted()
    assert fitted().transform(table.frame).tobytes() == fitted().transform(people()).tobytes()


def test_each_row_alone_gives_the_same_bits():
    preprocessor, frame = fitted(), people()
    whole = preprocessor.transform(frame)
    for row in range(len(frame)):
        assert preprocessor.transform(frame.iloc[[row]]).tobytes() == whole[row].tobytes()


def test_columns_are_found_by_name():
    preprocessor, frame = fitted(), people()
    shuffled = frame[["planet", "member", "city", "age"]].assign(survived="?", junk=[[]] * 6)
    shuffled.columns = [f" {name}" for name in shuffled.columns]
    assert preprocessor.transform(shuffled).tobytes() == preprocessor.transform(frame).tobytes()
    assert preprocessor.transform(frame.drop(columns="planet")).tobytes() == preprocessor.transform(frame).tobytes()


@pytest.mark.parametrize(
    "change, says",
    [
        (
            lambda f: f.drop(columns=["age", "city"]),
            "the data lacks 2 columns that the model was trained on: 'age', 'city'",
        ),
        (
            lambda f: f.rename(columns={"city": "City"}),
            "trained on: 'city'; did you mean 'City'? add it under the same name",
        ),
        (lambda f: f.assign(age="old"), "column 'age', row 1: 'old' is not a number"),
        (lambda f: f.assign(member="perhaps"), "column 'member', row 1: 'perhaps' is neither true nor false"),
        (lambda f: f.assign(age=pd.Timestamp("2020-01-01")), "column 'age', row 1: '2020-01-01' is not a number"),
        (lambda f: f.to_numpy(), "a pandas DataFrame is needed, not a ndarray"),
    ],
)
def test_tables_that_do_not_fit(change, says):
    with pytest.raises(DataError) as caught:
        fitted().transform(change(people()))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "features, target, rows, says",
    [
        (people(), labels()[:3], None, "6 rows of features, but 3 targets"),
        (people()[[]], labels(), None, "there is no column to predict from"),
        (people(), labels(), [], "there is no training row to fit to"),
        (
            people()[["planet"]],
            labels(),
            None,
            "there is nothing to learn from, as 'planet' is the same in all training rows: add a column that varies",
        ),
        (
            people().assign(id=[1, 2, 3, 4, 5, np.inf], when=["2020-01-01"] * 5 + ["10:30"]),
            labels(),
            None,
            "2 columns cannot be used: 'id' (has a number that is infinite or beyond float64 ('inf' in row 6)), 'when' (",
        ),
    ],
)
def test_tables_that_cannot_be_fitted(features, target, rows, says):
    with pytest.raises(DataError) as caught:
        Preprocessor.fit(features, target, rows=rows)
    assert str(caught.value).startswith(says)


def damaged(change):
    saved = fitted().to_json()
    change(saved)
    return saved


@pytest.mark.parametrize(
    "saved, says",
    [
        ([], "this is no saved preprocessor"),
        ({}, "this is no saved preprocessor"),
        (damaged(lambda s: s.update(version=1)), "of version 1, 2 can be read: train the model again"),
        (damaged(lambda s: s.update(columns=s["columns"][3:])), "it leaves out every column"),
        (damaged(lambda s: s.update(columns=[])), "it lists no columns"),
        (damaged(lambda s: s.update(columns=3)), "it lists no columns"),
        (damaged(lambda s: s["columns"].append(s["columns"][0])), "it lists a column twice"),
        (
            damaged(lambda s: s["columns"].append("age")),
            "'age' is none of numeric, boolean, categorical, date, dropped",
        ),
        (damaged(lambda s: s["columns"][0].update(kind="dates")), "is none of numeric"),
        (damaged(lambda s: s["columns"][0].update(writing="x")), "writing of"),
        (damaged(lambda s: s["columns"][3].update(reason="mood")), "reason of"),
        (damaged(lambda s: s["columns"][0].update(kind=[])), "is none of numeric"),
        (damaged(lambda s: s["columns"][0].pop("mean")), "has not the fields fill, mean, name, scale, writing"),
        (damaged(lambda s: s["columns"][0].update(more=1)), "has not the fields"),
        (damaged(lambda s: s["columns"][0].update(name=1)), "is 1"),
        (damaged(lambda s: s["columns"][0].update(mean="1")), "is '1'"),
        (damaged(lambda s: s["columns"][0].update(mean=True)), "is True"),
        (damaged(lambda s: s["columns"][0].update(mean=float("nan"))), "is nan"),
        (damaged(lambda s: s["columns"][0].update(scale=0)), "is 0"),
        (damaged(lambda s: s["columns"][0].update(mean=10**400)), "mean of"),
        (damaged(lambda s: s["columns"][1].update(levels=["a", 1])), "is ['a', 1]"),
        (damaged(lambda s: s["columns"][1].update(others=["Rome"])), "lists a category twice"),
        (damaged(lambda s: s["columns"][2].update(missing=0)), "is 0"),
        (damaged(lambda s: s.pop("target")), "None is none of classes, amounts"),
        (damaged(lambda s: s["target"].update(labels=["a"])), "is ['a']"),
        (damaged(lambda s: s["target"].update(labels=["a", "a"])), "is ['a', 'a']"),
        (damaged(lambda s: s["target"].update(labels=["a", 1])), "is ['a', 1]"),
        (damaged(lambda s: s["target"].update(labels=[[], {}])), "is [[], {}]"),
    ],
)
def test_damaged_files_are_refused(saved, says):
    with pytest.raises(ModelError) as caught:
        Preprocessor.from_json(saved)
    assert says in str(caught.value)


finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)
columns = st.one_of(
    st.lists(st.one_of(st.none(), finite), min_size=8, max_size=8),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=8, max_size=8),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ç", "none", " a"])), min_size=8, max_size=8),
)
targets = st.one_of(
    st.just([0, 1] * 4), st.just(["n", "y"] * 4), st.just([True, False] * 4),
    st.lists(st.floats(-1e100, 1e100), min_size=8, max_size=8).filter(lambda values: len(set(values[:6])) > 1),
)  # fmt: skip


@given(st.lists(columns, min_size=1, max_size=4), targets)
def test_any_table_gives_the_same_bits_after_saving(values, target):
    frame = pd.DataFrame({f"c{place}": pd.Series(column, dtype=object) for place, column in enumerate(values)})
    series = pd.Series(target)
    try:
        preprocessor = Preprocessor.fit(frame, series, rows=range(6))
        x = preprocessor.transform(frame)
    except DataError as error:
        assert_one_line(error)
        return
    loaded = through_json(preprocessor)
    assert loaded == preprocessor
    assert loaded.transform(frame).tobytes() == x.tobytes()
    assert np.isfinite(x).all()
    assert loaded.encode_target(series).tobytes() == preprocessor.encode_target(series).tobytes()
    if preprocessor.task == "classification":
        assert loaded.decode_target(loaded.encode_target(series)).tolist() == target
