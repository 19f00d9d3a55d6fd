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
    with pytest.raises(DataError) as caught:
        prepare(load(path, "Survived"))
    assert str(caught.value).startswith("3 columns cannot be used: 'PassengerId' (")
    assert str(caught.value).endswith("leave them out: --drop PassengerId --drop Name --drop Cabin")

    ready = prepare(load(path, "Survived", drop=["PassengerId", "Name", "Cabin"]))
    assert ready.task.name == "classification"
    assert ready.x.shape == (400, 9)
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


def test_options_reach_their_place():
    ready = prepare(load("diabetes"), task="classification", validation=0, test=0)
    assert ready.task.name == ready.preprocessor.task == "classification"
    assert len(ready.rows.train) == 442


@pytest.mark.parametrize(
    "text, says",
    [
        ("a,y\n" + "1,p\n" * 9, "target 'y' is 'p' in every row"),
        ("a,y\n" + "1,p\n1,q\n" * 9, "every feature column holds one value in all training rows"),
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
