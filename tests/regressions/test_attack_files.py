"""What hostile and messy files found in the commands: each of these once gave a wrong number, a traceback or a riddle."""

import contextlib
import errno
import io
import json
import socket
import sys

import numpy as np
import pandas as pd
import pytest

from retrograd import data
from retrograd.cli.main import main
from retrograd.data.cells import read_cells
from retrograd.data.kinds import judge
from retrograd.errors import DataError, RetrogradError
from retrograd.explain.network.files import built_in_text
from retrograd.train import files
from retrograd.train.tabular import Settings, train_table


def table(rows=60, **columns):
    draw = np.random.RandomState(0)
    x = draw.normal(size=(rows, 2)).round(3)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": np.where(x[:, 0] > 0, "good", "bad"), **columns})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model's folder, and the table that it was trained on, whose third row has no target."""
    folder = tmp_path_factory.mktemp("trained")
    frame = table()
    frame.loc[2, "label"] = ""
    frame.to_csv(folder / "rows.csv", index=False)
    prepared = data.prepare(data.load(str(folder / "rows.csv"), "label"))
    settings = Settings(hidden=(4,), epochs=1)
    train_table(prepared, settings, source="rows.csv", progress=False, engine="eager").model.save(folder / "model")
    return folder


def said(capsys, *arguments):
    """The exit status and what went to standard error, one line."""
    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().err.strip()


def test_a_row_without_a_target_is_not_explained_against_the_last_class(model, capsys):
    status, line = said(capsys, "explain", model / "model", "--data", model / "rows.csv", "--row", 2)
    assert status == 2
    assert line.startswith("retrograd: row 2 of rows.csv has no 'label': without the target there is no error")


def test_a_folder_is_not_said_to_be_no_path(model, tmp_path, capsys):
    assert said(capsys, "train", tmp_path, "--target", "y") == (
        2,
        f"retrograd: {str(tmp_path)!r} is a folder: give one CSV file",
    )
    _, line = said(capsys, "predict", model / "model", model / "rows.csv", "--out", tmp_path)
    assert line == f"retrograd: --out {str(tmp_path)!r} is a folder: give the name of a file"


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_predictions_do_not_replace_a_file_of_the_model(model, capsys, name):
    file = model / "model" / name
    before = file.read_bytes()
    status, line = said(capsys, "predict", model / "model", model / "rows.csv", "--out", file)
    assert (status, file.read_bytes() == before) == (2, True)
    assert line.endswith("is a file of a model: choose another name")


def test_one_row_is_counted_as_one(model, tmp_path, capsys):
    table().head(1).to_csv(tmp_path / "one.csv", index=False)
    status, text = said(capsys, "predict", model / "model", tmp_path / "one.csv", "--out", tmp_path / "p.csv")
    assert status == 0
    assert "On this 1 row: accuracy" in text


def test_every_lacking_column_is_looked_for(model):
    preprocessor = data.prepare(data.load(str(model / "rows.csv"), "label")).preprocessor
    frame = table().drop(columns="a").rename(columns={"b": "B"})
    with pytest.raises(DataError, match=r"lacks 2 columns .*: 'a', 'b'; did you mean 'B'\? add them"):
        preprocessor.transform(frame)


def test_many_frequent_categories_are_not_called_rare():
    verdict = judge(read_cells(pd.Series([f"town {i % 500}" for i in range(4000)]), "town"))
    assert verdict.said == "has 500 different texts in 4000 rows, less than half of which hold the 100 most frequent"


def test_a_network_that_memory_cannot_hold_is_refused():
    """The system used to end the process without a word."""
    with pytest.raises(RetrogradError, match=r"hidden layers of 10000000, 10000000 make .* which need .* GB to train"):
        train_table(data.prepare(data.load("iris")), Settings(hidden=(10**7, 10**7)), source="iris", progress=False)


@pytest.mark.parametrize("html", [False, True])
def test_half_a_surrogate_pair_in_a_network_is_refused(tmp_path, capsys, html):
    net, page = tmp_path / "net.json", tmp_path / "page.html"
    net.write_text(json.dumps({**json.loads(built_in_text("mazur")), "name": "\ud800"}))
    status, line = said(capsys, "explain", net, *(["--html", page] if html else []))
    assert status == 2
    assert line.startswith(f"retrograd: {str(net)!r}: half of a surrogate pair")
    assert not page.exists()


def test_a_whole_surrogate_pair_is_a_letter(tmp_path, capsys):
    net = {**json.loads(built_in_text("mazur")), "name": "\U0001f600"}
    (tmp_path / "net.json").write_text(json.dumps(net), encoding="utf-8")  # which escapes it
    assert said(capsys, "explain", tmp_path / "net.json")[0] == 0


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_nothing_behind_and_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", full)
    for name in ("old.csv", "new.csv"):
        path = tmp_path / name
        if name == "old.csv":
            path.write_text("as it was")
        with pytest.raises(OSError, match="No space") as caught:
            files.write_whole(path, b"content")
        assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="No space") as caught, files.new_folder(tmp_path / "model") as folder:
        (folder / "weights").write_bytes(b"content")
    assert caught.value.filename == str(tmp_path / "model")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old.csv", "as it was")]


def test_a_closed_standard_output_is_no_defect(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        assert main(["explain", "mazur", "--weight", "w5"]) == 0
    assert errors.getvalue() == ""


def test_a_port_in_use_is_named(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, line = said(capsys, "play", "mazur", "--no-browser", "--port", port)
    assert status == 2
    assert line.startswith(f"retrograd: --port {port} cannot be listened at: ")
