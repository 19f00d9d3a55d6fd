"""`retrograd train` and `retrograd predict` as a person uses them: on built-in sets and on files."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from retrograd.cli import main
from retrograd.train import TrainedModel


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command in a folder of its own: (status, standard output, standard error)."""

    def in_folder(*arguments):
        with contextlib.chdir(tmp_path):
            status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return in_folder


@pytest.fixture
def refused(run, tmp_path):
    """Run a command that must be refused in one line and leave nothing behind; the line."""

    def in_folder(*arguments):
        before = sorted(tmp_path.rglob("*"))
        status, _, err = run(*arguments)
        last = err.splitlines()[-1]
        assert status == 2 and last.startswith("retrograd") and "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        return last

    return in_folder


def passengers(rows=120, seed=0):
    """A table with everything: numbers with gaps, texts, truth values, a constant."""
    draw = np.random.RandomState(seed)
    fare, age = draw.lognormal(3, 1, rows).round(2), draw.randint(1, 80, rows).astype(object)
    sex, deck = draw.choice(["male", "female"], rows), draw.choice(["A", "B", ""], rows)
    alone = draw.choice(["true", "false"], rows)
    survived = np.where((sex == "female") ^ (draw.uniform(size=rows) < 0.1), "yes", "no")
    age[draw.choice(rows, 9, replace=False)] = ""
    return pd.DataFrame(
        {"fare": fare, "age": age, "sex": sex, "deck": deck, "alone": alone, "ship": "Titanic", "survived": survived}
    )


@pytest.fixture
def titanic(tmp_path):
    passengers().to_csv(tmp_path / "titanic.csv", index=False)
    return "titanic.csv"


QUICK = ("--epochs", 6, "--hidden", 16)


def test_a_file_of_everything(run, titanic, tmp_path):
    status, out, err = run("train", titanic, "--target", "survived", *QUICK)
    assert status == 0
    for said in (
        "Task: classification, because target 'survived' holds text, 2 different values.",
        "Missing numbers take the median of the training rows: 'age' (9 of 120 rows, ",
        "Left out, as it is the same in all training rows: 'ship'.",
        " (each class in proportion, seed 0).",
        " rows (the most frequent class alone: ",
        "Rows by their class, columns by the predicted one:",
        " parameters) in titanic-model.",
        "To predict: retrograd predict titanic-model DATA.csv --out predictions.csv",
    ):
        assert said in out
    assert re.search(r"^Rows: \d+ for training, \d+ for validation, \d+ for test", out, re.MULTILINE)
    assert re.search(r"^Test: accuracy \d+\.\d\d% on \d+ rows", out, re.MULTILINE)
    assert "epoch 1/6  loss " in err and "Kept the weights of epoch" in err
    assert sorted(p.name for p in (tmp_path / "titanic-model").iterdir()) == ["model.json", "model.safetensors"]


def table_of(text):
    return list(csv.DictReader(text.splitlines()))


def test_predicting_the_training_file_gives_the_runs_own_predictions(run, titanic, tmp_path):
    """Bit for bit: the folder has a digest of the run's own outputs, made before anything was saved."""
    run("train", titanic, "--target", "survived", *QUICK)
    status, out, err = run("predict", "titanic-model", titanic)
    assert status == 0
    assert "These are the rows of the training run; the predictions are its own, bit for bit.\n" in err
    assert re.search(r"^On these 120 rows: accuracy \d+\.\d\d%\.$", err, re.MULTILINE)
    found = table_of(out)
    assert list(found[0]) == ["prediction", "probability_no", "probability_yes"] and len(found) == 120
    model = TrainedModel.load(tmp_path / "titanic-model")
    frame = pd.read_csv(tmp_path / titanic, dtype=object, keep_default_na=False)
    written = np.array([[np.float32(row["probability_no"]), np.float32(row["probability_yes"])] for row in found])
    np.testing.assert_array_equal(written, model.probabilities(frame))
    assert [row["prediction"] for row in found] == model.predict(frame).tolist()


def test_the_digest_is_that_of_the_outputs_of_the_run(tmp_path):
    from retrograd import data
    from retrograd.train.tabular import Settings, train_table
    from retrograd.train.trained_model import digest

    outcome = train_table(data.prepare(data.load("wine")), Settings(epochs=2), source="wine", progress=False)
    outcome.model.save(tmp_path / "m")
    again = TrainedModel.load(tmp_path / "m")
    inputs = again.preprocessor.transform(data.load("wine").features)
    assert digest(inputs) == again.training["inputs_sha256"]
    assert digest(again.outputs(inputs)) == again.training["outputs_sha256"] == digest(outcome.outputs)


def test_other_rows_are_predicted_without_the_target(run, titanic, tmp_path):
    run("train", titanic, "--target", "survived", *QUICK)
    others = passengers(30, seed=1).drop(columns=["survived", "ship"])
    others[others.columns[::-1]].to_csv(tmp_path / "others.csv", index=False)
    status, out, err = run("predict", "titanic-model", "others.csv", "--out", "p.csv")
    assert (status, out) == (0, "")
    assert "Wrote 30 predictions to p.csv." in err and "accuracy" not in err and "bit for bit" not in err
    assert len(table_of((tmp_path / "p.csv").read_text())) == 30


def test_a_target_that_cannot_be_measured_is_said(run, titanic, tmp_path):
    run("train", titanic, "--target", "survived", *QUICK)
    others = passengers(20, seed=1)
    others["survived"] = ""
    others.to_csv(tmp_path / "others.csv", index=False)
    status, out, err = run("predict", "titanic-model", "others.csv")
    assert status == 0 and len(table_of(out)) == 20 and "Not measured: target 'survived' is empty in every row" in err
    others["survived"] = [*["no"] * 15, *[""] * 5]
    others.to_csv(tmp_path / "others.csv", index=False)
    assert (
        "On the 15 of these 20 rows that have 'survived': accuracy " in run("predict", "titanic-model", "others.csv")[2]
    )


def houses(rows=80):
    """Columns as people have them: an id, a date, currency, a comma for the point, many towns, gaps in the target."""
    draw = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "id": range(1, rows + 1),
            "sold": [f"{place % 12 + 1}/{place % 12 + 1}/20{place % 9 + 10}" for place in range(rows - 1)]
            + ["3/4/2019"],
            "fee": [f"${fee:,.2f}" for fee in draw.lognormal(8, 1, rows)],
            "size": [f"{size:.2f}".replace(".", ",") for size in draw.normal(90, 20, rows)],
            "town": draw.choice(
                ["Oslo", "Rome", *[f"village {place}" for place in range(30)]], rows, p=[0.4, 0.3, *[0.01] * 30]
            ),
            "kind": draw.choice([3, 7, 9], rows),
            "price": [*[f"{price:,.0f}" for price in draw.lognormal(12, 0.3, rows - 3)], "", "-", "NA"],
        }
    )


@pytest.mark.parametrize("kind", ["csv", "gz", "zip", "parquet", "latin-1", "utf-16"])
def test_files_as_people_have_them(run, tmp_path, kind):
    frame = houses()
    name = {"gz": "h.csv.gz", "zip": "h.zip", "parquet": "h.parquet"}.get(kind, "h.csv")
    if kind == "parquet":
        frame.to_parquet(tmp_path / name)
    elif kind in {"latin-1", "utf-16"}:
        frame.replace("Rome", "Århus").to_csv(tmp_path / name, index=False, sep=";", encoding=kind)
    else:
        frame.to_csv(tmp_path / name, index=False)
    arguments = ("--target", "price", "--month-first", "--category", "kind", "--keep", "id", *QUICK)
    status, out, err = run("train", name, *arguments)
    assert status == 0, err
    assert "Left out: 3 rows of 80 without a target (first: row 78; 'price')." in out
    assert "because target 'price' holds 77 different numbers ('" in out
    assert "2 categorical, an input for each category ('town', 'kind')" in out
    assert "is 2019-03-04" not in out and "'1/1/2010' is 2010-01-01, with month, weekday" in out
    status, out, err = run("predict", "h-model", name)
    assert status == 0 and len(table_of(out)) == 80
    assert "bit for bit" in err and "On the 77 of these 80 rows that have 'price': R2 " in err


def test_what_only_a_person_knows_is_asked(run, refused, tmp_path):
    houses().to_csv(tmp_path / "h.csv", index=False)
    line = refused("train", "h.csv", "--target", "price", *QUICK)
    assert line == (
        "retrograd: column 'sold' holds dates that may begin with the day or the month ('3/4/2019'): "
        "say it with --day-first or --month-first, or leave it out with --drop sold"
    )
    status, out, _ = run("train", "h.csv", "--target", "price", "--day-first", *QUICK)
    assert status == 0 and "(--keep takes it all the same): 'id' names the rows, a different integer in each." in out


def test_a_file_without_a_header(run, refused, tmp_path):
    passengers()[["fare", "sex", "survived"]].to_csv(tmp_path / "raw.csv", index=False, header=False)
    assert "say --no-header" in refused("train", "raw.csv", "--target", "3")
    assert run("train", "raw.csv", "--target", "3", "--no-header", *QUICK)[0] == 0
    assert "bit for bit" in run("predict", "raw-model", "raw.csv", "--no-header")[2]


def test_other_towns_and_other_columns_are_counted_and_said(run, tmp_path):
    houses().to_csv(tmp_path / "h.csv", index=False)
    run("train", "h.csv", "--target", "price", "--month-first", *QUICK)
    others = houses().drop(columns=["id", "price"]).assign(colour="red")
    others.loc[[2, 5], "town"] = ["Atlantis", "Utopia"]
    others.to_csv(tmp_path / "others.csv", index=False)
    status, out, err = run("predict", "h-model", "others.csv")
    assert status == 0 and len(table_of(out)) == 80
    assert "Passed over, as training had no such column: 'colour'." in err
    assert (
        "Column 'town': 2 cells with 2 categories that training never saw ('Atlantis', 'Utopia'), taken for the rare"
        in err
    )


def test_regression(run, tmp_path):
    status, out, _ = run("train", "diabetes", "--epochs", 15)
    assert status == 0
    assert re.search(
        r"^Test: R2 0\.\d{4}, RMSE \d+\.\d+ in the unit of 'target' on 88 rows \(the mean alone: RMSE",
        out,
        re.MULTILINE,
    )
    assert "Rows by their class" not in out
    status, out, err = run("predict", "diabetes-model", "diabetes")
    values = [float(row["prediction"]) for row in table_of(out)]
    assert status == 0 and len(values) == 442 and 25 < min(values) and max(values) < 400
    assert "bit for bit" in err and "On these 442 rows: R2 " in err
    from retrograd import data

    model = TrainedModel.load(tmp_path / "diabetes-model")
    np.testing.assert_array_equal(values, model.predict(data.load("diabetes").features))


def test_the_same_command_gives_the_same_model(run, tmp_path):
    for name in ("a", "b"):
        assert run("train", "iris", "--epochs", 4, "--seed", 3, "--out", name)[0] == 0
    for file in ("model.json", "model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_default_name_is_a_free_one(run, tmp_path):
    for expected in ("iris-model", "iris-model-2", "iris-model-3"):
        assert f" in {expected}.\n" in run("train", "iris", "--epochs", 1)[1]
    (tmp_path / "iris-model-4").write_text("mine")
    assert " in iris-model-5.\n" in run("train", "iris", "--epochs", 1)[1]


def test_options_reach_the_model(run, tmp_path):
    status, out, _ = run(
        "train", "iris", "--epochs", 2, "--hidden", "5,4", "--activation", "tanh", "--dropout", 0, "--optimizer", "sgd",
        "--lr", 0.1, "--weight-decay", 0.01, "--batch-size", 10, "--seed", 9, "--patience", 7, "--validation", 0.2,
        "--test", 0.3, "--drop", "sepal width (cm)", "--out", "sub/m",
    )  # fmt: skip
    assert status == 0 and "Rows: 75 for training, 30 for validation, 45 for test" in out
    record = json.loads((tmp_path / "sub" / "m" / "model.json").read_text())
    assert [layer["layer"] for layer in record["layers"]] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    chosen = {"hidden": [5, 4], "lr": 0.1, "weight_decay": 0.01, "batch_size": 10, "seed": 9, "patience": 7}
    assert {name: record["training"][name] for name in chosen} == chosen
    assert record["layers"][0]["in_features"] == 3


def test_the_engine_is_chosen_and_said(run, refused, monkeypatch):
    status, _, err = run("train", "iris", "--epochs", 2, "--engine", "eager")
    assert status == 0 and re.search(r"^Trained 2 epochs, .* rows/s, eager\)\.$", err, re.MULTILINE)
    monkeypatch.setattr("retrograd.train.engine.unavailable", lambda: "llvmlite is not installed")
    status, _, err = run("train", "iris", "--epochs", 2)
    assert status == 0 and err.startswith("The steps run eagerly: llvmlite is not installed.\nepoch 1/2 ")
    assert "rows/s, eager)" in err
    line = refused("train", "iris", "--epochs", 2, "--engine", "native")
    assert line == "retrograd: engine='native': llvmlite is not installed"
    monkeypatch.setattr("retrograd.train.engine.unavailable", lambda: None)
    status, _, err = run("train", "iris", "--epochs", 2, "--engine", "native")
    assert status == 0 and "rows/s, native)" in err and "eagerly" not in err


def test_a_linear_model(run):
    status, out, _ = run("train", "breast_cancer", "--hidden", "none", "--epochs", 30)
    assert status == 0 and float(re.search(r"accuracy ([\d.]+)%", out)[1]) > 93


def test_without_rows_to_test_or_validate(run):
    status, out, err = run("train", "iris", "--epochs", 2, "--validation", 0, "--test", 0)
    assert status == 0 and "No test rows: the model was not measured." in out and "Kept the weights" not in err


def test_the_task_can_be_chosen(run):
    status, out, _ = run("train", "digits", "--task", "regression", "--epochs", 1, "--hidden", 8)
    assert status == 0 and "as asked for" in out and "R2 " in out


def test_an_existing_model_is_replaced_only_by_force(run, refused, tmp_path):
    run("train", "iris", "--epochs", 1, "--out", "m")
    before = (tmp_path / "m" / "model.json").read_bytes()
    assert refused("train", "wine", "--out", "m") == (
        "retrograd: 'm' holds a model already: choose another name, or replace it with --force"
    )
    assert (tmp_path / "m" / "model.json").read_bytes() == before
    assert run("train", "wine", "--epochs", 1, "--out", "m", "--force")[0] == 0
    assert TrainedModel.load(tmp_path / "m").training["source"] == "wine"


def test_force_replaces_the_model_of_the_default_name(run, tmp_path):
    for _ in range(2):
        assert " in iris-model.\n" in run("train", "iris", "--epochs", 1, "--force")[1]
    assert [p.name for p in tmp_path.iterdir()] == ["iris-model"]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_what_is_no_model_is_never_replaced(refused, tmp_path, force):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("mine")
    assert "'photos' is there and is no model folder" in refused("train", "iris", "--out", "photos", *force)
    assert "cannot be a folder" in refused("train", "iris", "--out", "photos/a.jpg/m", *force)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("irs",), "there is no file 'irs'; did you mean 'iris'?"),
        (("table.csv",), "say which column of 'table.csv' to predict with --target; the columns are: 'a', 'b', 'y'"),
        (("table.csv", "--target", "z"), "target 'z' is no column"),
        (("iris", "--drop", "petal"), "--drop 'petal' is no column"),
        (("iris", "--task", "clasification"), "did you mean 'classification'?"),
        (("iris", "--validation", "0.6", "--test", "0.5"), "shares of the rows that leave some for training"),
        (("iris", "--validation", "1"), "1 is not a number from 0 below 1"),
        (("iris", "--lr", "-1"), "-1 is not a number above 0"),
        (("iris", "--hidden", "8,x"), "'8,x' is no list of widths"),
        (("iris", "--seed", "-1"), "--seed"),
        (("iris", "--epochs", "0"), "--epochs"),
        (("iris", "--validation", "0", "--patience", "3"), "--patience watches the validation rows"),
        (("iris", "--hidden", "9999999999,9999999999"), "GB to train; this machine has"),
        (("bad.csv", "--target", "y"), "line 3 has only 1"),
        (("gone/x.csv", "--target", "y"), "there is no file 'gone/x.csv'"),
    ],
)
def test_what_cannot_be_trained_is_one_line(refused, tmp_path, arguments, message):
    (tmp_path / "table.csv").write_text("a,b,y\n1,2,3\n")
    (tmp_path / "bad.csv").write_text("a,y\n1,2\n3\n")
    assert message in refused("train", *arguments)


def test_a_run_that_explodes_saves_nothing(refused):
    line = refused("train", "diabetes", "--optimizer", "sgd", "--lr", "1e30", "--epochs", 3)
    assert "lower the learning rate" in line and line.endswith("Nothing was saved; try --lr 0.001")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused_before_training(refused, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    assert "there is no permission to write" in refused("train", "iris", "--out", "closed/m")


@pytest.fixture
def model(run):
    run("train", "iris", "--epochs", 1, "--out", "m")
    return "m"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("nothing", "iris"), "there is no model folder 'nothing'"),
        ((".", "iris"), "'.' is no model folder: it has no model.json"),
        (("m", "irs"), "did you mean 'iris'?"),
        (("m", "wine"), "the data lacks 4 columns that the model was trained on"),
        (("m", "iris", "--out", "m"), "--out 'm' is a folder"),
        (("m", "iris", "--out", "x/y.csv"), "there is no folder 'x'"),
        (("m", "rows.csv", "--out", "rows.csv"), "--out 'rows.csv' is the data itself"),
        (("m", "rows.csv"), "row 2: 'tall' is not a number"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(refused, model, tmp_path, arguments, message):
    header = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n"
    (tmp_path / "rows.csv").write_text(header + "5,3,1,0\ntall,3,1,0\n")
    assert message in refused("predict", *arguments)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_damaged_model_is_one_line(refused, model, tmp_path, name):
    path = tmp_path / "m" / name
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"\x80\x04K\x01.", content[::-1]):
        path.write_bytes(damaged)
        assert "damaged" in refused("predict", "m", "iris")


def test_rows_that_are_appended_change_no_prediction(run, model, tmp_path):
    _, out, _ = run("predict", "m", "iris")
    from retrograd import data

    frame = data.load("iris").features
    pd.concat([frame, frame[::-1]]).to_csv(tmp_path / "more.csv", index=False)
    assert run("predict", "m", "more.csv")[1].startswith(out)


# In processes of their own --------------------------------------------------------------------------------------------


ENDLESS = [sys.executable, "-m", "retrograd", "train", "digits", "--epochs", "100000", "--patience", "100000"]


def test_ctrl_c_saves_what_was_learned(tmp_path):
    process = subprocess.Popen(
        [*ENDLESS, "--out", "m"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert any(line.startswith("epoch ") for line in process.stderr)  # reads as far as the first
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted in epoch" in err and "Kept the weights of epoch" in err and "Saved the model" in out
    assert TrainedModel.load(tmp_path / "m").history.interrupted


def test_a_second_ctrl_c_ends_it(tmp_path):
    program = (
        "import signal, sys\n"
        "from retrograd.train import callbacks\n"
        "def twice(self, run, loss):\n"
        "    signal.raise_signal(signal.SIGINT); signal.raise_signal(signal.SIGINT)\n"
        "callbacks.Progress.on_step_end = twice\n"
        "from retrograd.cli import main\n"
        "sys.exit(main(['train', 'iris']))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 130 and run.stderr.endswith("retrograd: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_killed_leaves_nothing(tmp_path):
    process = subprocess.Popen(ENDLESS, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any(line.startswith("epoch ") for line in process.stderr)  # reads as far as the first
    process.kill()
    process.communicate()
    assert list(tmp_path.iterdir()) == []
