"""`retrograd evaluate`, and the reports of `train` and `evaluate`: output, errors in one line, nothing left behind."""

import contextlib
import json
import sys

import numpy as np
import pandas as pd
import pytest

from retrograd import data
from retrograd.cli import main
from retrograd.train import TrainedModel, evaluate

QUICK = ("--epochs", 5, "--hidden", 8)


def shop(rows=90, seed=0):
    draw = np.random.RandomState(seed)
    size, kind = draw.randint(1, 100, rows), draw.choice(["shirt", "shoe"], rows)
    return pd.DataFrame({"size": size, "kind": kind, "sold": np.where(size > 50, "yes [b]", "no")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table and a model of it."""
    path = tmp_path_factory.mktemp("shop")
    with contextlib.chdir(path):
        shop().to_csv("shop.csv", index=False)
        assert (
            main(["train", "shop.csv", "--target", "sold", "--out", "m", "--report", "first.html", *map(str, QUICK)])
            == 0
        )
    return path


@pytest.fixture
def run(folder, capsys):
    """Run a command there: (status, standard output, standard error)."""

    def in_folder(*arguments):
        capsys.readouterr()
        with contextlib.chdir(folder):
            status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return in_folder


@pytest.fixture
def refused(run, folder):
    """Run a command that must be refused in one line and change nothing; the line."""

    def contents():
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def in_folder(*arguments):
        before = contents()
        status, out, err = run(*arguments)
        assert (status, out) == (2, "") and err.count("\n") == 1 and err.startswith("retrograd")
        assert contents() == before
        return err

    return in_folder


def fresh(folder, frame, name="new.csv"):
    frame.to_csv(folder / name, index=False)
    return name


def test_text(run, folder):
    frame = shop(40, 1)
    frame.loc[[0, 1], "sold"] = ""
    frame.loc[2, "sold"] = "perhaps"
    status, out, err = run("evaluate", "m", fresh(folder, frame))
    found = evaluate(TrainedModel.load(folder / "m"), data.load(folder / "new.csv"))
    assert status == 0 and err == ""
    scores = found.measures.scores
    for said in (
        "Not measured, as there is no 'sold': 2 rows.",
        "Not measured, as the model does not know the label: 'perhaps' (1 row).",
        "Measured on 37 of 40 rows; learned nothing: always",
        f"{scores['accuracy']:.2%}",
        f"{scores['balanced_accuracy']:.2%}",
        f"{scores['log_loss']:.4f}",
        "19 times out of 20.",
        "yes [b]",  # no markup of rich's
        "Rows by their class, columns by the predicted one:",
    ):
        assert said in out


def test_json(run, folder):
    status, out, err = run("evaluate", "m", fresh(folder, shop(40, 1)), "--json")
    assert status == 0 and err == ""
    found = evaluate(TrainedModel.load(folder / "m"), data.load(folder / "new.csv"))
    assert json.loads(out) == {"model": "m", **json.loads(json.dumps(found.to_json()))}


def test_its_accuracy_is_that_of_the_predictions(run, folder):
    run("predict", "m", fresh(folder, shop(40, 1)), "--out", "p.csv")
    predicted = pd.read_csv(folder / "p.csv")["prediction"]
    record = json.loads(run("evaluate", "m", "new.csv", "--json")[1])
    assert record["scores"]["accuracy"] == float(np.mean(predicted == shop(40, 1)["sold"]))


def test_a_report_of_the_training_and_one_of_an_evaluation(run, folder):
    first = (folder / "first.html").read_text(encoding="utf-8")
    assert "Predicting “sold” in shop.csv" in first and "retrograd evaluate m shop.csv" in first
    assert "Gradient health" in first and "No look was taken" not in first
    status, out, _ = run("evaluate", "m", "shop.csv", "--report", "later.html")
    assert status == 0 and out.endswith("Wrote the report to later.html.\n")
    assert "19 times" not in out  # the model has learned from these rows
    later = (folder / "later.html").read_text(encoding="utf-8")
    assert "m on shop.csv" in later and "No look was taken" not in later and 'id="curves-figure_1"' in later
    status, out, err = run("evaluate", "m", "shop.csv", "--json", "--report", "later.html")
    assert status == 0 and err == "Wrote the report to later.html.\n" and json.loads(out)


def test_the_report_leaves_the_model_as_it_is(run, folder):
    run("train", "shop.csv", "--target", "sold", "--out", "plain", *QUICK)
    one, other = (TrainedModel.load(folder / name) for name in ("m", "plain"))
    assert (folder / "m/model.safetensors").read_bytes() == (folder / "plain/model.safetensors").read_bytes()
    assert one.history == other.history and one.training["outputs_sha256"] == other.training["outputs_sha256"]
    assert one.training["checkups"] and not other.training["checkups"]


def test_regression(run, folder):
    run("train", "diabetes", "--out", "d", *QUICK)
    status, out, _ = run("evaluate", "d", "diabetes")
    assert status == 0 and "R²" in out and "RMSE" in out and "Median absolute error" in out
    assert "These are the rows of the training run, and 310 of them" in out and "-0.0000" not in out


def test_what_is_refused(refused, folder):
    fresh(folder, shop(9, 2).drop(columns="sold"), "unlabelled.csv")
    fresh(folder, shop(9, 2).assign(sold=""), "empty.csv")
    (folder / "nothing.csv").write_text("size,kind,sold\n")
    for arguments, message in (
        (("nobody", "shop.csv"), "there is no model folder 'nobody'"),
        (("shop.csv", "shop.csv"), "'shop.csv' is no model folder"),
        (("m", "nowhere.csv"), "there is no file 'nowhere.csv'"),
        (("m", "unlabelled.csv"), "has no column 'sold', the target of the model"),
        (("m", "empty.csv"), "can be measured: none has a target"),
        (("m", "nothing.csv"), "nothing.csv"),
        (("m", "iris"), "'iris' has no column 'sold'"),
        (("m", "shop.csv", "--report", "shop.csv"), "is the data itself"),
        (("m", "shop.csv", "--report", "r.txt"), "give a name that ends in .html"),
        (("m", "shop.csv", "--report", "no/r.html"), "there is no folder 'no'"),
        (("m", "shop.csv", "--report", "m"), "is a folder"),
    ):
        assert message in refused("evaluate", *arguments)


def test_a_training_is_refused_before_it_begins(refused):
    for arguments, message in (
        (("--report", "r.txt"), "give a name that ends in .html"),
        (("--report", "no/r.html"), "there is no folder 'no'"),
        (("--report", "x.html", "--out", "x.html"), "in each other's way"),
        (("--report", "x.html", "--out", "x.html/m"), "in each other's way"),
        (("--report", "m/r.html", "--out", "m", "--force"), "in each other's way"),
    ):
        assert message in refused("train", "shop.csv", "--target", "sold", *arguments)


def test_without_matplotlib_the_install_line_is_said_before_the_training(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    install = "pip install 'retrograd[plot]'"
    assert install in refused("train", "shop.csv", "--target", "sold", "--report", "r.html")
    assert install in refused("evaluate", "m", "shop.csv", "--report", "r.html")


def test_a_damaged_record(refused, run, folder):
    run("train", "shop.csv", "--target", "sold", "--out", "damaged", *QUICK)
    file = folder / "damaged/model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "training": {"columns": 3, "class_counts": "x"}}))
    status, out, err = run("evaluate", "damaged", "shop.csv")
    assert status == 0 and "in these rows" in out
    assert "record of its training is damaged" in refused("evaluate", "damaged", "shop.csv", "--report", "r.html")
