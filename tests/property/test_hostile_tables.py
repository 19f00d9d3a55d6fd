"""Whatever file a person sends: `retrograd train` and `predict` end with 0 or 2, and 2 leaves no trace but one line."""

import contextlib
import csv
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from retrograd.cli import main
from retrograd.train import TrainedModel
from tests.property.hostile_tables import ragged_and_random, tables

QUICK = ("--epochs", "1", "--hidden", "3", "--engine", "eager")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
few = settings(max_examples=25, suppress_health_check=SLOW)
many = settings(max_examples=400, suppress_health_check=SLOW)
options = st.lists(
    st.sampled_from([*["--seed=1"] * 9, "--day-first", "--no-header", "--keep=a", "--category=a", "--drop=a", "--task=regression", "--test=0",
                     "--task=classification", "--validation=0", "--month-first"]),
    max_size=2, unique=True,
)  # fmt: skip


def run(folder, *arguments):
    """Run a command in a folder: (status, standard output, standard error). What a terminal could not show is an error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    event(f"{arguments[0]}: {status}")
    return status, *texts


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def assert_refused(folder, before, status, err, diverged):
    assert status == 2
    lines = err.splitlines() if diverged else err.rstrip("\n").split("\n")
    assert lines[-1].startswith("retrograd") and (len(lines) == 1 or diverged), err
    assert err.isprintable() or "\x1b" not in err
    assert contents(folder) == before


def check_train(content, target, options):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.csv").write_bytes(content)
        before = contents(folder)
        status, out, err = run(folder, "train", "x.csv", f"--target={target}", *QUICK, *options)
        if status:
            assert_refused(folder, before, status, err, diverged="Nothing was saved" in err)
            return
        assert "\x1b" not in out + err
        assert set(contents(folder)) - set(before) == {
            "x-model", str(Path("x-model", "model.json")), str(Path("x-model", "model.safetensors")),
        }  # fmt: skip
        header = [option for option in options if option == "--no-header"]
        status, out, err = run(folder, "predict", "x-model", "x.csv", *header)
        assert status == 0, err
        assert "the predictions are its own, bit for bit" in err
        rows = TrainedModel.load(folder / "x-model").training["rows"]
        assert len(list(csv.reader(io.StringIO(out)))) > sum(rows.values())


@few
@given(tables(), options)
def test_training_on_a_hostile_table(table, options):
    check_train(*table, options)


@few
@given(ragged_and_random, options)
def test_training_on_what_is_hardly_a_table(table, options):
    check_train(*table, options)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@many
@given(st.one_of(tables(), tables(), ragged_and_random), options)
def test_training_on_many_hostile_tables(table, options):
    check_train(*table, options)


COLUMNS = {
    "size": st.floats(-1e6, 1e6).map(str), "price": st.floats(0, 1e9).map("${:,.2f}".format), "when": st.dates().map(str),
    "clock": st.times().map(str), "city": st.text("OsloRme ", min_size=1, max_size=4), "kind": st.sampled_from(["a", "b", ""]),
    "flag": st.sampled_from(["yes", "no", "1", ""]),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model that has every kind of column."""
    draw, rows = np.random.RandomState(0), 60
    frame = pd.DataFrame(
        {
            "size": draw.normal(size=rows),
            "price": [f"${value:,.2f}" for value in draw.lognormal(8, 1, rows)],
            "when": [f"2020-{place % 12 + 1:02d}-{place % 28 + 1:02d}" for place in range(rows)],
            "clock": [f"{place % 24}:{place % 60:02d}" for place in range(rows)],
            "city": [*["Oslo"] * 20, *["Rome"] * 20, *[f"town {place}" for place in range(20)]],
            "kind": ["a", "b", ""] * 20,
            "flag": ["yes", "no"] * 30,
            "y": ["p", "q", "q"] * 20,
        }
    )
    path = tmp_path_factory.mktemp("hostile")
    frame.to_csv(path / "train.csv", index=False)
    with contextlib.chdir(path):
        assert main(["train", "train.csv", "--target=y", "--out=model", *QUICK]) == 0
    return path


def check_predict(folder, table, to_file):
    content, _ = table
    (folder / "x.csv").write_bytes(content)
    before = contents(folder)
    try:
        status, out, err = run(folder, "predict", "model", "x.csv", *(["--out=p.csv"] if to_file else []))
        if status:
            assert out == ""
            assert_refused(folder, before, status, err, diverged=False)
            return
        assert "\x1b" not in err
        text = (folder / "p.csv").read_text() if to_file else out
        found = list(csv.reader(io.StringIO(text)))
        assert found[0] == ["prediction", "probability_p", "probability_q"] and len(found) > 1
        assert {row[0] for row in found[1:]} <= {"p", "q"}
        assert all(np.isfinite(float(value)) for row in found[1:] for value in row[1:])
        assert set(contents(folder)) - set(before) == ({"p.csv"} if to_file else set())
    finally:
        (folder / "p.csv").unlink(missing_ok=True)


@few
@given(tables(required=COLUMNS), st.booleans())
def test_predicting_a_hostile_table(folder, table, to_file):
    check_predict(folder, table, to_file)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@many
@given(st.one_of(tables(required=COLUMNS), tables(required=COLUMNS), ragged_and_random), st.booleans())
def test_predicting_many_hostile_tables(folder, table, to_file):
    check_predict(folder, table, to_file)
