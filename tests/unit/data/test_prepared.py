"""From a file to arrays in one call, as the command line does it."""

import doctest
import importlib
import json
import pkgutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import retrograd.data
from retrograd.data import BUILTIN, Preprocessor, load, prepare
from retrograd.errors import DataError


def assert_one_line(error):
    assert str(error)
    assert "\n" not in str(error)


def titanic(rows=400):
    draw = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "PassengerId": range(1, rows + 1),
            "Survived": draw.randint(0, 2, rows),
            "Pclass": draw.randint(1, 4, rows),
            "Name": [f"Smith, Mr. {place}" for place in range(rows)],
            "Sex": draw.choice(["male", "female"], rows),
            "Age": np.where(draw.rand(rows) < 0.2, np.nan, draw.randint(1, 80, rows)),
            "Fare": draw.lognormal(3, 1, rows).round(4),
            "Cabin": [None if place % 4 else f"C{place}" for place in range(rows)],
            "Embarked": draw.choice(["S", "C", "Q", None], rows, p=[0.7, 0.19, 0.1, 0.01]),
        }
    )


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_sets_are_ready_and_predictable_again(name):
    ready = prepare(load(name), seed=1)
    assert np.isfinite(ready.x).all()
    assert ready.y.dtype == (np.float64 if name == "diabetes" else np.int64)
    train = ready.x[ready.rows.train]
    varying = train.std(axis=0) > 0
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(train.std(axis=0)[varying], 1, rtol=1e-12)
    assert varying.sum() >= len(varying) - 8  # some pixels of digits are never inked
    saved = Preprocessor.from_json(json.loads(json.dumps(ready.preprocessor.to_json())))
    assert saved.transform(load(name).frame).tobytes() == ready.x.tobytes()


def test_a_file_as_people_have_them(tmp_path):
    path = tmp_path / "titanic.csv"
    titanic().to_csv(path, index=False)
    ready = prepare(load(path, "Survived"))
    assert ready.task.name == "classification"
    assert ready.x.shape == (400, 9)
    assert [(column.name, column.reason) for column in ready.columns if column.kind == "dropped"] == [
        ("PassengerId", "id"), ("Name", "text"), ("Cabin", "levels"),
    ]  # fmt: skip
    assert ready.preprocessor.required == ("Pclass", "Sex", "Age", "Fare", "Embarked")
    assert ready.notes[0] == ready.task.reason
    assert ready.notes[-1] == ready.rows.note
    assert any(note.startswith("Missing numbers take the median of the training rows: 'Age'") for note in ready.notes)
    again = ready.preprocessor.transform(load(path).frame)
    assert again.tobytes() == ready.x.tobytes()


def test_a_part_of_the_file_reads_alike(tmp_path):
    """Types come from the training table, so three rows of it (all cells of a column digits, say) are read as then."""
    frame = pd.DataFrame({"size": ["1", "2", "3", "XL"] * 25, "y": [0, 1] * 50})
    frame.to_csv(tmp_path / "all.csv", index=False)
    frame.iloc[:3].to_csv(tmp_path / "few.csv", index=False)
    ready = prepare(load(tmp_path / "all.csv", "y"))
    assert ready.preprocessor.transform(load(tmp_path / "few.csv").frame).tobytes() == ready.x[:3].tobytes()


def test_notes_of_reading_come_first(tmp_path):
    (tmp_path / "x.csv").write_text("a;y\n" + "1;p\n2;q\n" * 9)
    assert prepare(load(tmp_path / "x.csv", "y")).notes[0] == "'x.csv' separates its columns by semicolons."


def test_rows_without_a_target_are_left_out_counted_and_said(tmp_path):
    frame = titanic()
    frame["Survived"] = frame["Survived"].astype(object)
    frame.loc[[3, 7, 11], "Survived"] = ""
    frame.to_csv(tmp_path / "x.csv", index=False)
    ready = prepare(load(tmp_path / "x.csv", "Survived"))
    assert "Left out: 3 rows of 400 without a target (first: row 4; 'Survived')." in ready.notes
    used = np.concatenate([ready.rows.train, ready.rows.validation, ready.rows.test])
    assert sorted(set(range(400)) - set(used.tolist())) == [3, 7, 11]
    assert ready.y[[3, 7, 11]].tolist() == [-1, -1, -1] and ready.y[used].min() == 0
    assert ready.x.shape == (400, 9)


def test_what_was_made_of_columns_is_a_record():
    frame = pd.DataFrame(
        {
            "when": [f"2020-0{place % 9 + 1}-03" for place in range(90)],
            "city": ["a", "b"] * 35 + [f"r{place}" for place in range(20)],
            "price": [f"${place * 37 % 90 + 1},000" for place in range(89)] + ["-"],
            "twin": [f"${place * 37 % 90 + 1},000" for place in range(89)] + ["-"],
            "none": "",
            "y": [0, 1] * 45,
        }
    )
    when, city, price, twin, none = prepare(load(frame, "y")).columns
    assert (when.kind, when.said, when.inputs, when.distinct) == ("date", "with month, weekday", 5, 9)
    assert (when.low, when.high) == (18264.0, 18508.0)
    assert (city.kind, city.inputs, city.pooled, city.pooled_cells) == ("categorical", 3, 20, 20)
    assert (price.kind, price.missing, price.rows, price.low, price.high) == ("numeric", 1, 90, 1000.0, 90000.0)
    assert price.said == "'$1,000' is read as 1000"
    assert (twin.kind, twin.reason, twin.said, twin.inputs) == ("dropped", "duplicate", "repeats 'price'", 0)
    assert (none.kind, none.reason, none.missing) == ("dropped", "empty", 90)


def test_options_reach_their_columns():
    frame = pd.DataFrame(
        {"n": range(1, 41), "zip": [10115, 80331] * 20, "when": ["1/2/2020", "2/3/2020"] * 20, "y": [0, 1] * 20}
    )
    table = load(frame, "y")
    with pytest.raises(DataError, match="column 'when' holds dates that may begin with the day or the month"):
        prepare(table)
    ready = prepare(table, keep=["n"], categories=["zip"], day_first=True)
    assert ready.preprocessor.input_names[:3] == ("n", "zip=10115", "zip=80331")
    assert ready.columns[2].said == "'1/2/2020' is 2020-02-01, with month, weekday"
    with pytest.raises(DataError, match="--keep 'm' is no column"):
        prepare(table, keep=["m"])
    with pytest.raises(DataError, match="--category 'y': that is the target"):
        prepare(table, categories=["y"])
    with pytest.raises(
        DataError,
        match="there is nothing to learn from, as 'n' counts the rows from 1: take one all the same with --keep n",
    ):
        prepare(load(frame[["n", "y"]], "y"))


def test_options_reach_their_place():
    ready = prepare(load("diabetes"), task="classification", validation=0, test=0)
    assert ready.task.name == ready.preprocessor.task == "classification"
    assert len(ready.rows.train) == 442


@pytest.mark.parametrize(
    "text, says",
    [
        ("a,y\n" + "1,p\n" * 9, "target 'y' is 'p' in every row"),
        (
            "a,y\n" + "1,p\n1,q\n" * 9,
            "there is nothing to learn from, as 'a' is the same in all training rows: add a column that varies",
        ),
        (
            "a,y\n1,p\n2,q\n",
            "target 'y' has classes with too few rows for training, validation and test (one each): 'p' (1",
        ),
        ("a,y\n1,1.5\n2,2.5\n", "2 rows cannot be parted"),
        ("y\n" + "p\nq\n" * 9, "'x.csv' has only the column 'y'"),
        ("a,y\n" + "1,\n2,\n" * 9, "target 'y' is empty in every row"),
        ("a,y\n" + "1,p\ninf,q\n" * 9, "column 'a' has a number that is infinite"),
    ],
)
def test_tables_that_cannot_be_learned_from(tmp_path, text, says):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        prepare(load(tmp_path / "x.csv", "y"))
    assert str(caught.value).startswith(says)


cell = st.one_of(
    st.sampled_from(["", "NA", "-", "?", "None", "yes", "no", "TRUE", "1,5", "12%", "2020-01-01", "inf", "a", "b"]),
    st.integers(-3, 3).map(str), st.floats(allow_nan=False).map(repr), st.text("ab 1.,-", max_size=4),
)  # fmt: skip
rows = st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=30)


@given(rows, st.sampled_from([None, "classification", "regression"]))
def test_any_table_is_made_ready_or_refused_in_one_line(rows, task):
    table = load(pd.DataFrame(rows, columns=["a", "b", "y"]), "y")
    try:
        ready = prepare(table, task=task)
    except DataError as error:
        assert_one_line(error)
        return
    assert np.isfinite(ready.x).all()
    assert ready.x.shape == (len(rows), len(ready.preprocessor.input_names))
    again = Preprocessor.from_json(json.loads(json.dumps(ready.preprocessor.to_json())))
    assert again.transform(table.frame).tobytes() == ready.x.tobytes()


@pytest.mark.parametrize("module", [name for _, name, _ in pkgutil.iter_modules(retrograd.data.__path__)] + [""])
def test_documentation(module):
    found = doctest.testmod(importlib.import_module(f"retrograd.data.{module}".rstrip(".")))
    assert found.failed == 0
