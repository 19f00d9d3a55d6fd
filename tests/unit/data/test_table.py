"""Loading by name, by path and from memory; every mistake gets one line that says what to do."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from retrograd.data import BUILTIN, Table, load
from retrograd.data.builtin import load_builtin
from retrograd.errors import DataError

SHAPES = {"digits": (1797, 64), "iris": (150, 4), "wine": (178, 13), "breast_cancer": (569, 30), "diabetes": (442, 10)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("size,colour,price\n1,red,2.5\n2,blue,3.5\n")
    return tmp_path


def refused(*args, **options):
    with pytest.raises(DataError) as caught:
        load(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_sets(name):
    table = load(name)
    assert (table.name, table.target, table.notes) == (name, "target", ())
    assert table.features.shape == SHAPES[name]
    assert len(table) == len(table.labels) == len(table.features)
    assert set(table.features.dtypes) == {np.dtype(np.float64)}
    assert not table.frame.isna().any(axis=None)
    assert load(name).frame.equals(table.frame)


def test_labels_of_built_in_sets():
    assert sorted(load("digits").labels.unique().tolist()) == list(range(10))
    assert sorted(load("iris").labels.unique()) == ["setosa", "versicolor", "virginica"]
    assert sorted(load("wine").labels.unique()) == ["class_0", "class_1", "class_2"]
    assert sorted(load("breast_cancer").labels.unique()) == ["benign", "malignant"]
    assert load("diabetes").labels.dtype == np.float64
    assert load("diabetes").frame["age"].between(19, 79).all()  # years: the table is not scaled


def test_a_built_in_set_that_is_not_there():
    with pytest.raises(DataError, match="there is no built-in data set 'wines'; did you mean 'wine'"):
        load_builtin("wines")


def test_files(folder):
    for source in ("train.csv", folder / "train.csv"):
        table = load(source, "price")
        assert (table.name, table.target) == ("train.csv", "price")
        assert table.columns == ("size", "colour", "price")
        assert table.features.to_numpy().tolist() == [["1", "red"], ["2", "blue"]]
        assert table.labels.tolist() == ["2.5", "3.5"]


def test_a_file_named_like_a_built_in_set(folder):
    (folder / "iris").write_text("a,b\n1,2\n")
    assert load("iris").features.shape == (150, 4)
    assert load("./iris").columns == ("a", "b")
    assert load(folder / "iris").columns == ("a", "b")


def test_tables_without_a_target(folder):
    table = load("train.csv")
    assert table.features.shape == (2, 3)
    with pytest.raises(DataError) as caught:
        _ = table.labels
    assert str(caught.value) == (
        "say which column of 'train.csv' to predict with --target; the columns are: 'size', 'colour', 'price'"
    )
    assert table.with_target(" price").labels.tolist() == ["2.5", "3.5"]
    assert load("iris", "petal width (cm)").features.shape == (150, 4)


def test_dropped_columns(folder):
    assert load("train.csv", "price", drop=["size"]).columns == ("colour", "price")
    assert load("iris", drop=["target"], target="petal width (cm)").features.shape == (150, 3)


def test_data_frames():
    frame = pd.DataFrame({" a ": [1, 2], 7: ["x", "y"]}, index=[3, 3])
    table = load(frame, "7")
    assert table.columns == ("a", "7")
    assert table.features["a"].dtype == np.int64
    assert list(frame.columns) == [" a ", 7]


@pytest.mark.parametrize(
    "source, options, says",
    [
        ("digit", {}, "there is no file 'digit'; did you mean 'digits'? The built-in sets are: digits, iris, wine,"),
        ("tran.csv", {}, "there is no file 'tran.csv'; did you mean 'train.csv'? The built-in sets are:"),
        ("zzz", {}, "there is no file 'zzz'. The built-in sets are:"),
        ("no/such/folder/train.csv", {}, "there is no file 'no/such/folder/train.csv'. The built-in"),
        ("x\0y", {}, "there is no file"),
        ("x" * 5000, {}, "'xxx"),
        (".", {}, "'.' is a folder: give one CSV file"),
        ("", {}, "the data has no name"),
        ("https://example.com/x.csv", {}, "is an address: download the file first"),
        ([1], {}, "a table is a built-in set's name, a path or a DataFrame, not a list"),
        ("train.csv", {"target": "Prise"}, "target 'Prise' is no column of 'train.csv'; did you mean 'price'? "
         "The columns are: 'size', 'colour', 'price'"),
        ("train.csv", {"target": "zzz"}, "target 'zzz' is no column of 'train.csv'. The columns are: "),
        ("train.csv", {"drop": ["color"]}, "--drop 'color' is no column of 'train.csv'; did you mean 'colour'?"),
        ("train.csv", {"target": "price", "drop": ["price"]}, "column 'price' is the target and cannot be dropped"),
        (pd.DataFrame([[1, 2]], columns=["a", " a"]), {}, "the DataFrame has two columns called 'a'"),
        (pd.DataFrame({"a": []}), {}, "the DataFrame has no rows"),
    ],
)  # fmt: skip
def test_mistakes(folder, source, options, says):
    assert says in refused(source, **options)


def test_files_without_a_header_are_recognised(folder):
    (folder / "raw.csv").write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert refused("raw.csv", "species") == (
        "target 'species' is no column of 'raw.csv'; its first line looks like data: put a line with the columns' "
        "names above it, or say --no-header, and the columns are called 1, 2, 3, ... The columns are: '5.1', '3.5', 'setosa'"
    )


def test_files_without_a_header_are_read(folder):
    (folder / "raw.csv").write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert load("raw.csv", "3", header=False).features.to_numpy().tolist() == [["5.1", "3.5"], ["4.9", "3.0"]]
    for source in ("iris", pd.DataFrame({"a": [1]})):
        assert refused(source, header=False) == "only a text file can be without a header line: leave out --no-header"


def test_files_separated_by_blanks_are_recognised(folder):
    (folder / "blanks.csv").write_text("a b y\n1 2 3\n")
    assert "if blanks separate its columns, write commas instead" in refused("blanks.csv", "y")


def test_a_table_of_its_target_alone(folder):
    (folder / "one.csv").write_text("y\n1\n2\n")
    table = load("one.csv", "y")
    with pytest.raises(DataError, match=r"'one\.csv' has only the column 'y': nothing to predict it from"):
        _ = table.features


def test_importing_loads_numpy_alone():
    code = "import sys, retrograd.data; print([m for m in ('pandas', 'sklearn', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tables_are_records():
    frame = pd.DataFrame({"a": [1]})
    assert Table(frame, None, "t").notes == ()
