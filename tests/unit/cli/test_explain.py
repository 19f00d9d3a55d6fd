"""``retrograd explain``: built-in networks, JSON files, model folders; mistakes get one line, status 2."""

import contextlib
import json

import numpy as np
import pytest

from retrograd.cli import main


def run(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def shown(capsys, *arguments):
    status, out, err = run(capsys, "explain", *arguments)
    assert status == 0 and err == "", err
    return out


def refused(capsys, *arguments):
    status, out, err = run(capsys, "explain", *arguments)
    assert status == 2 and out == "" and err.count("\n") == 1
    return err.strip()


@pytest.mark.parametrize("name", ["mazur", "3-2-2", "xor"])
def test_built_in_networks(capsys, name):
    text = shown(capsys, name)
    for section in ("Forward: hidden layer", "Error", "Backward: output layer", "Update", "Training"):
        assert f"\n{section}" in text
    assert "DISAGREE" not in text and "\x1b" not in text


def test_formulas_in_latex_and_markdown(capsys):
    latex = shown(capsys, "mazur", "--weight", "w5", "--format", "latex")
    assert latex.startswith(r"\section*{mazur") and latex.count(r"\begin{align*}") == latex.count(r"\end{align*}")
    markdown = shown(capsys, "mazur", "--weight", "w5", "--format", "markdown", "--digits", "12")
    assert markdown.startswith("## mazur") and "0.082167040564" in markdown
    assert "'html' is not one of" in refused(capsys, "mazur", "--format", "html")


@pytest.fixture
def folder(tmp_path):
    """An empty folder, to work in."""
    with contextlib.chdir(tmp_path):
        yield tmp_path


def test_write_change_and_explain_again(capsys, folder):
    assert "Wrote net.json" in shown(capsys, "mazur", "--write", "net.json")
    assert shown(capsys, "net.json") == shown(capsys, "mazur")
    content = json.loads((folder / "net.json").read_text())
    content["layers"][1]["weights"][0][0]["value"] = 0.9
    (folder / "net.json").write_text(json.dumps(content))
    changed = shown(capsys, "net.json")
    assert "0.9 * 0.593269992" in changed and "0.083509" not in shown(capsys, "mazur")
    assert "net.json' is there already" in refused(capsys, "mazur", "--write", "net.json")
    assert "there is no folder 'none'" in refused(capsys, "mazur", "--write", "none/net.json")
    shown(capsys, "net.json", "--write", "copy.json")
    assert (folder / "copy.json").read_text() == (folder / "net.json").read_text()


def test_a_file_of_the_name_of_a_built_in_network_comes_first(capsys, folder):
    (folder / "mazur").write_text("{}")
    assert "'inputs' is missing" in refused(capsys, "mazur")


def test_options(capsys):
    assert "10,000" in shown(capsys, "mazur", "--rounds", "10000")
    assert "deliberately wrong" in shown(capsys, "mazur", "--update", "sequential")
    assert "0.5932699921072" in shown(capsys, "mazur", "--digits", "13")
    assert "The chain" not in shown(capsys, "mazur") and "the chain from E to w3" in shown(
        capsys, "mazur", "--weight", "w3"
    )


def test_rows(capsys, tmp_path):
    layer = {"weights": [[0.1, 0.2], [0.3, -0.4]], "bias": 0.1, "activation": "softmax"}
    record = {"inputs": [[1, 2], [3, 4]], "targets": [0, 1], "layers": [layer], "loss": "cross-entropy"}
    file = tmp_path / "net.json"
    file.write_text(json.dumps(record))
    assert "row 0 of 2" in shown(capsys, str(file)) and "i1 = 1 " in shown(capsys, str(file))
    assert "row 1 of 2" in shown(capsys, str(file), "--row", "1") and "i1 = 3 " in shown(
        capsys, str(file), "--row", "1"
    )
    assert "there is no row 2: the data has 2 rows, counted from 0" in refused(capsys, str(file), "--row", "2")


def test_mistakes(capsys, tmp_path):
    assert refused(capsys, "mazzur") == (
        "retrograd: there is no file or folder 'mazzur'; built-in examples are mazur, 3-2-2 and xor"
    )
    assert "there is no weight 'w9'" in refused(capsys, "mazur", "--weight", "w9")
    assert "no model folder: it has no model.json" in refused(capsys, str(tmp_path))
    assert "--data is for a trained model" in refused(capsys, "mazur", "--data", "digits")
    assert "NET" in refused(capsys)
    bad = tmp_path / "bad.json"
    bad.write_text('{"inputs": [1}')
    assert "is no JSON: line 1, column 14" in refused(capsys, str(bad))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a classifier and of a regression with a composed activation, trained for a moment."""
    folder = tmp_path_factory.mktemp("models")
    for name, options in {
        "iris": ["--hidden", "5,4", "--activation", "tanh"],
        "diabetes": ["--hidden", "6", "--activation", "gelu", "--dropout", "0"],
    }.items():
        assert main(["train", name, "--epochs", "2", "--out", str(folder / name), *options]) == 0
    return folder


def test_a_trained_classifier(capsys, models):
    text = shown(capsys, str(models / "iris"), "--row", "60")
    assert "a 4-5-4-3 network, tanh and softmax, cross-entropy" in text
    assert "row 60 of iris: target is versicolor, the model says" in text
    assert "out_versicolor" in text and "i1" in text and "is sepal length (cm)" in text and "DISAGREE" not in text
    one = shown(capsys, str(models / "iris"), "--row", "60", "--weight", "0.weight[2,1]")
    assert "the chain from E to 0.weight[2,1]" in one and "agree to" in one


def test_a_trained_regression_with_an_activation_of_several_steps(capsys, models):
    text = shown(capsys, str(models / "diabetes"), "--row", "3")
    assert "gelu(net_h1)" in text and "the slope of gelu at net_h1" in text and "mean squared error" in text
    assert "DISAGREE" not in text


def test_the_explained_outputs_are_the_models(models):
    from retrograd import data
    from retrograd.cli.networks import named
    from retrograd.explain.network import explain_network
    from retrograd.train.trained_model import TrainedModel

    for name in ("iris", "diabetes"):
        trained = TrainedModel.load(models / name)
        network, _ = named(str(models / name), None, 7)
        outputs = trained.outputs(trained.preprocessor.transform(data.load(name).frame.iloc[[7]]))[0]
        found = explain_network(network, check=False).worked.nets[-1].array
        assert found == pytest.approx(outputs, rel=1e-5, abs=1e-6)


def test_mistakes_with_models(capsys, models, tmp_path):
    folder = str(models / "iris")
    assert "there is no row 500: iris has 150 rows" in refused(capsys, folder, "--row", "500")
    assert "--rounds is for a network's JSON" in refused(capsys, folder, "--rounds", "5")
    assert "a trained model has none" in refused(capsys, folder, "--write", str(tmp_path / "net.json"))
    assert "there is no weight" in refused(capsys, folder, "--weight", "w1")
    table = tmp_path / "table.csv"
    np.savetxt(table, np.ones((3, 4)), delimiter=",", header="a,b,c,d", comments="")
    assert refused(capsys, folder, "--data", str(table))


def test_a_page(capsys, folder):
    assert "Wrote out.html" in shown(capsys, "mazur", "--html", "out.html", "--rounds", "5")
    text = (folder / "out.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and "retrograd play mazur" in text
    assert "Wrote out.html" in shown(capsys, "xor", "--row", "2", "--weight", "w5", "--html", "out.html")
    assert '"row":2' in (folder / "out.html").read_text(encoding="utf-8")


def test_pages_that_cannot_be_written(capsys, folder):
    record = {
        "inputs": [0.5], "targets": [1.0], "loss": "half squared error",
        "layers": [{"weights": [[0.1]], "bias": 0.3, "activation": "tanh"}],
    }  # fmt: skip
    (folder / "net.json").write_text(json.dumps(record))
    assert "is a folder" in refused(capsys, "mazur", "--html", ".")
    assert "there is no folder 'none'" in refused(capsys, "mazur", "--html", "none/out.html")
    assert "is the network itself" in refused(capsys, "net.json", "--html", "./net.json")
    assert "--update sequential is for the text" in refused(
        capsys, "mazur", "--html", "o.html", "--update", "sequential"
    )
    assert "there is no weight 'w9'" in refused(capsys, "mazur", "--html", "o.html", "--weight", "w9", "--rounds", "1")
    assert sorted(p.name for p in folder.iterdir()) == ["net.json"]
