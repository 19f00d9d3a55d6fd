"""Parquet files: the same inputs as from CSV, and one line for what is no column."""

import builtins
import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from retrograd.data import load, prepare
from retrograd.errors import DataError


@pytest.fixture
def file(tmp_path):
    def write(columns, name="x.parquet"):
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        pyarrow.parquet.write_table(table, tmp_path / name)
        return tmp_path / name

    return write


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def everything(rows=60):
    draw = np.random.RandomState(0)
    days = [dt.datetime.fromisoformat("2020-01-01") + dt.timedelta(hours=31 * place) for place in range(rows)]
    return {
        "count": pa.array(
            [None if place == 3 else int(n) for place, n in enumerate(draw.permutation(1000)[:rows])], pa.int64()
        ),
        "small": pa.array(draw.normal(size=rows).astype(np.float32)),
        "price": pa.array([decimal.Decimal(int(n)) / 100 for n in draw.permutation(10000)[:rows]], pa.decimal128(9, 2)),
        "flag": pa.array([None if place == 5 else bool(place % 3) for place in range(rows)]),
        "city": pa.array(draw.choice(["a", "b", "c"], rows)).dictionary_encode(),
        "large": pa.array(draw.choice(["p", "q"], rows), pa.large_string()),
        "when": pa.array(days, pa.timestamp("us")),
        "zoned": pa.array(days, pa.timestamp("ms", tz="UTC")),
        "day": pa.array([day.date() for day in days], pa.date32()),
        "clock": pa.array([day.time() for day in days], pa.time64("us")),
        "nothing": pa.nulls(rows),
        "y": pa.array([place % 2 for place in range(rows)], pa.int8()),
    }


def test_every_type_becomes_inputs(file):
    ready = prepare(load(file(everything()), "y"))
    assert [column.kind for column in ready.columns] == [
        "numeric", "numeric", "numeric", "boolean", "categorical", "categorical", "date", "date", "date", "date", "dropped",
    ]  # fmt: skip
    assert ready.preprocessor.classes == (0, 1)
    assert np.isfinite(ready.x).all()


def test_the_same_inputs_as_from_csv(file, tmp_path):
    path = file(everything())
    ready = prepare(load(path, "y"))
    pd.read_parquet(path, dtype_backend="numpy_nullable").drop(columns="small").to_csv(tmp_path / "x.csv", index=False)
    again = prepare(load(tmp_path / "x.csv", "y"))
    names = [name for name in ready.preprocessor.input_names if name != "small"]
    assert list(again.preprocessor.input_names) == names
    places = [ready.preprocessor.input_names.index(name) for name in names]
    assert ready.x[:, places].tobytes() == again.x.tobytes()


def test_whole_numbers_with_gaps_stay_whole(file):
    table = load(file({"a": [1.5, 2.5, 3.5] * 4, "y": pa.array([1, 2, None] * 4, pa.int32())}), "y")
    assert prepare(table, validation=0).preprocessor.classes == (1, 2)


def test_a_saved_index_is_left_out_and_said(file, tmp_path):
    pd.DataFrame({"a": [1, 2]}, index=[5, 9]).to_parquet(tmp_path / "i.parquet")
    table = load(tmp_path / "i.parquet")
    assert table.columns == ("a",)
    assert table.notes == ("'i.parquet' holds the names of its rows, as pandas saves them: left out.",)


@pytest.mark.parametrize(
    "column, says",
    [
        (pa.array([[1], [2]]), "column 'a' of 'x.parquet' holds list<"),
        (
            pa.array([{"b": 1}, {"b": 2}]),
            "several values in a cell: give each a column of its own, or leave it out with --drop a",
        ),
        (pa.array([b"x", b"y"]), "holds binary, which are bytes, not text"),
        (pa.array([1, 2], pa.duration("s")), "lengths of time: write them as numbers, such as seconds"),
    ],
)
def test_what_is_no_column_is_refused_by_name(file, column, says):
    path = file({"a": column, "c": [1, 2], "y": [0, 1]})
    assert says in refused(path)
    assert load(path, "y", drop=["a"]).columns == ("c", "y")


def test_names_of_columns(file):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", " a"])
    assert refused(file(twice)) == "'x.parquet' has two columns called 'a': name each column, and each differently"
    assert "has a column without a name" in refused(file(pa.Table.from_arrays([pa.array([1])], names=[" "])))
    assert refused(file({"a": pa.array([], pa.int64())})) == "'x.parquet' has no rows"


def test_damaged_files(file, tmp_path):
    content = file(everything()).read_bytes()
    for place, damaged in enumerate(
        (content[: len(content) // 2], b"PAR1", content[:4] + content[-8:], b"PAR1" + content[::-1])
    ):
        (tmp_path / f"{place}.parquet").write_bytes(damaged)
        assert "is a damaged Parquet file: " in refused(tmp_path / f"{place}.parquet")
    assert "which names its columns: leave out --no-header" in refused(file(everything()), header=False)


def test_without_pyarrow_the_line_that_installs_it_is_said(file, monkeypatch):
    path = file({"a": [1]})
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    message = refused(path)
    assert message.endswith("to be read with pyarrow, which is not installed: pip install 'retrograd[parquet]'")
