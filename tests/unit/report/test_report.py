"""The report: its numbers are the engine's, whatever a table holds is escaped, and what it says to run runs."""

import contextlib
import re
import runpy
import shlex
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from retrograd import data
from retrograd.cli import main
from retrograd.errors import ModelError, RetrogradError
from retrograd.report import report
from retrograd.report.gather import gather, training_of
from retrograd.report.wording import amount, share
from retrograd.train import GradientHealth, History, TrainedModel, evaluate, sensitivity
from retrograd.train.tabular import Settings, train_table

pytest.importorskip("matplotlib")

HOSTILE = '</title><img src=x onerror="alert(1)">'
LABELS = ["<b>yes</b>", "$\\frac{", "{{ 7 * 7 }}\u202e"]


class Page(HTMLParser):
    """The tags of a page, and its text by the id of the section or <pre> that it stands in."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.ids, self.attributes, self.text, self._open = [], [], [], {}, []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append(tag)
        self.attributes += attributes
        if "id" in given:
            self.ids.append(given["id"])
        if tag in ("section", "pre", "title", "h1"):
            self._open.append((tag, given.get("id", tag)))

    def handle_endtag(self, tag):
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, text):
        for _, name in self._open:
            self.text[name] = self.text.get(name, "") + text


def hostile(rows=120):
    draw = np.random.RandomState(0)
    first = draw.randn(rows).round(4)
    label = np.array(LABELS, dtype=object)[np.digitize(first, [-0.5, 0.5])]
    gaps = np.where(draw.uniform(size=rows) < 0.1, "", draw.randint(0, 90, rows).astype(str))
    return pd.DataFrame(
        {
            "<script>alert(1)</script>": first,
            'a & "b" \'': gaps,
            "name that is " + "very " * 40 + "long": draw.choice(["<i>", "&amp;", "]]>"], rows),
            "same": "x",
            "when": pd.date_range("2020-01-01", periods=rows).strftime("%Y-%m-%d"),
            HOSTILE: label,
        }
    )


def trained(table, **settings):
    watch = GradientHealth(every=None)
    prepared = data.prepare(table)
    return train_table(
        prepared, Settings(hidden=(8,), **settings), source=table.name, callbacks=[watch], progress=False
    )


@pytest.fixture(scope="module")
def classes():
    return trained(data.load(hostile(), HOSTILE), epochs=12)


@pytest.fixture(scope="module")
def amounts():
    return trained(data.load("diabetes"), epochs=6)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a result; made once for each."""
    folder, known = tmp_path_factory.mktemp("pages"), {}

    def made(result, **names):
        key = result, *names.items()
        if key not in known:
            known[key] = Page(report(result, folder / "r.html", **names).read_text(encoding="utf-8"))
        return known[key]

    return made


@pytest.fixture(scope="module")
def later(classes):
    return evaluate(classes.model, data.load(hostile()))


def test_nothing_that_a_table_holds_becomes_a_tag(classes, later, page):
    for result in (classes, later):
        found = page(result)
        assert ("On other rows" in found.text["result"]) == (result is classes)
        assert not {"script", "img", "b", "i", "link", "iframe"} & set(found.tags)
        assert found.tags.count("title") == 1 and not any(name.startswith("on") for name, _ in found.attributes)
        assert "<script>alert(1)</script>" in found.text["columns"] and "<b>yes</b>" in found.text["errors"]
        assert "{{ 7 * 7 }}\\u202e" in found.text["errors"] and "\u202e" not in "".join(found.text.values())


def test_it_needs_nothing_from_elsewhere(classes, amounts, page):
    for result in (classes, amounts):
        found = page(result)
        outward = [
            value
            for name, value in found.attributes
            if name in ("src", "href", "xlink:href", "action", "data", "srcset")
        ]
        assert outward and all(value.startswith(("#", "data:")) for value in outward)


def test_ids_are_unique_and_what_refers_to_them_finds_them(classes, amounts, page):
    for result in (classes, amounts):
        found = page(result)
        assert len(found.ids) == len(set(found.ids))
        wanted = {value[1:] for name, value in found.attributes if name.endswith("href") and value.startswith("#")}
        wanted |= {each for _, value in found.attributes for each in re.findall(r"url\(#([^)]*)\)", value or "")}
        assert wanted <= set(found.ids) and any(each.startswith("curves-") for each in wanted)


def test_the_same_page_each_time(amounts, tmp_path):
    first, second = (report(amounts, tmp_path / f"{i}.html").read_bytes() for i in (1, 2))
    assert first == second


def test_numbers_of_a_classification(classes, page):
    found = page(classes)
    said = found.text["result"]
    assert "On other rows of the kind expect" in said
    assert share(classes.scores["accuracy"]) in said and share(classes.baseline["accuracy"]) in said
    facts = gather(classes)
    assert facts.part == "test" and facts.measured == len(classes.prepared.rows.test)
    assert facts.measures.confusion.tolist() == classes.confusion.tolist()
    cells = re.findall(r"\d+|·", found.text["errors"].split("Most frequent")[0].split("predicted")[1])
    for count in classes.confusion.ravel():
        assert (str(count) if count else "·") in cells
    for part, size in classes.model.training["rows"].items():
        assert size and f"{size:,} rows" in found.text["rows"], part
    for note in classes.prepared.notes:
        assert note in found.text["rows"]
    assert "12 epochs." in found.text["curves"]


def test_columns_are_what_the_data_says_of_them(classes, page):
    said = page(classes).text["columns"]
    columns = {column.name: column for column in classes.prepared.columns}
    gaps = columns['a & "b" \'']
    assert f"{gaps.missing} ({gaps.missing / 120:.1%})" in said and f"missing cells take {gaps.fill}" in said
    assert "2020-01-01 · 2020-02-29 · 2020-04-29" in " ".join(said.split())
    assert "left out: it is the same in all training rows" in said


def test_the_worst_rows_are_the_worst(classes, amounts):
    facts = gather(amounts)
    rows = amounts.prepared.rows.test
    decoded = amounts.model.preprocessor.decode_target
    errors = dict(zip(rows + 1, decoded(amounts.prepared.y[rows]) - decoded(amounts.outputs[rows, 0]), strict=True))
    assert [row.number for row in facts.worst] == sorted(errors, key=lambda n: -abs(errors[n]))[:10]
    assert all(row.figure == errors[row.number] == row.actual - row.predicted for row in facts.worst)
    frame = data.load("diabetes").frame
    assert all(row.actual == pytest.approx(frame["target"][row.number - 1]) for row in facts.worst)

    found = gather(classes)
    wrong = [i for i in classes.prepared.rows.test if classes.outputs[i].argmax() != classes.prepared.y[i]]
    assert {row.number - 1 for row in found.worst} <= set(wrong) and len(found.worst) == min(len(wrong), 10)
    assert [row.figure for row in found.worst] == sorted(row.figure for row in found.worst)


def test_influences_are_the_sensitivities(amounts):
    facts = gather(amounts)
    rows = amounts.prepared.x[amounts.prepared.rows.test]
    sizes = sensitivity(amounts.model.network, rows).of_inputs * amounts.model.preprocessor.target.scale
    assert facts.looked_at == len(rows)
    names = dict(facts.influences)
    for name, size in zip(amounts.model.preprocessor.input_names, sizes, strict=True):
        assert names[name] == pytest.approx(size, rel=1e-6)


def test_gradient_health_is_the_last_checkup(amounts, page):
    checkups = gather(amounts).training.checkups
    assert [look.epoch for look in checkups] == [1, 2, 3, 4, 5, 6]
    said = page(amounts).text["health"]
    last = checkups[-1].health
    assert f"After epoch 6, on 256 training rows (loss {last.loss:.4g})" in said
    for layer in last.layers:
        assert layer.name in said and f"{layer.gradient:.3g}" in said
    for sentence in checkups[-1].advice:
        assert sentence in said


def test_a_report_changes_nothing_of_the_training(amounts):
    plain = train_table(
        data.prepare(data.load("diabetes")), Settings(hidden=(8,), epochs=6), source="diabetes", progress=False
    )
    for name, weights in plain.model.network.state_dict().items():
        np.testing.assert_array_equal(weights, amounts.model.network.state_dict()[name])
    assert plain.model.history == amounts.model.history


def test_made_afterwards_it_shows_the_training_too(amounts, page, tmp_path):
    amounts.model.save(tmp_path / "m")
    at_once = page(amounts, model="m")
    later = page(evaluate(TrainedModel.load(tmp_path / "m"), data.load("diabetes")), model="m")
    for section in ("columns", "model", "curves", "health", "made"):
        assert later.text[section] == at_once.text[section], section
    said = f"The 88 test rows among them, which it did not see, gave RMSE {amount(amounts.scores['rmse'])}."
    assert said in later.text["result"]
    assert later.text["h1"] == "m on diabetes" and "442 rows" in later.text["rows"]


@pytest.mark.parametrize("source", ["it's $(data).csv", "diabetes"])
def test_what_it_says_to_run_runs(classes, amounts, page, tmp_path, capsys, source):
    result = amounts if source == "diabetes" else classes
    found = page(result, model="a 'model'", data=source)
    with contextlib.chdir(tmp_path):
        hostile().to_csv("it's $(data).csv", index=False)
        result.model.save("a 'model'")
        lines = found.text["shell"].strip().splitlines()
        assert [shlex.split(line)[:2] for line in lines] == [["retrograd", "predict"], ["retrograd", "evaluate"]]
        for line in lines:
            assert main(shlex.split(line)[1:]) == 0
        assert (tmp_path / "predictions.csv").exists()
        capsys.readouterr()
        (tmp_path / "again.py").write_text(found.text["python"], encoding="utf-8")
        names = runpy.run_path("again.py")
        assert names["model"].preprocessor == result.model.preprocessor
        table = data.load(source).frame
        assert capsys.readouterr().out.startswith(str(result.model.predict(table)[:5]))


def test_without_a_header_line(amounts, page):
    found = page(amounts, model="-m", data="-d.csv", header=False)
    assert "retrograd evaluate ./-m ./-d.csv --no-header" in found.text["shell"]
    assert "data.load('-d.csv', header=False)" in found.text["python"]


def test_without_test_rows_the_validation_rows_are_measured(page):
    for shares, part, said in (
        ({"test": 0}, "validation", "chosen the best epoch"),
        ({"test": 0, "validation": 0}, "training", "has learned from these"),
    ):
        prepared = data.prepare(data.load("iris"), **shares)
        outcome = train_table(prepared, Settings(epochs=2), source="iris", progress=False)
        facts = gather(outcome)
        assert facts.part == part and facts.measured == len(
            getattr(prepared.rows, part[:5] if part == "training" else part)
        )
        found = page(outcome)
        assert said in found.text["result"] and "No look was taken" in found.text["health"]


def test_a_model_that_says_nothing_of_its_training(amounts, page):
    bare = TrainedModel(amounts.model.network, amounts.model.preprocessor)
    found = page(evaluate(bare, data.load("diabetes")))
    assert "does not say which rows" in found.text["rows"] and "does not have them" in found.text["curves"]
    assert "columns" not in found.text


def test_a_training_that_was_interrupted_in_its_first_epoch(amounts, page):
    record = {**amounts.model.training, "checkups": []}
    found = page(replace(amounts, model=replace(amounts.model, training=record, history=History())))
    assert "no epoch was finished" in found.text["curves"] and "No look was taken" in found.text["health"]


@pytest.mark.parametrize(
    "record",
    [
        {"columns": [{"name": "x"}]}, {"columns": 3}, {"rows": [1]}, {"rows": {"train": "many"}}, {"checkups": [{}]},
        {"checkups": [{"epoch": 1, "health": None, "updates": {}}]}, {"test": {"r2": []}}, {"versions": 1},
        {"table_rows": "x"}, {"notes": 1},
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused(record):
    with pytest.raises(ModelError, match="record of its training is damaged"):
        training_of(record)


def test_many_classes_are_shown_by_their_confusions(page):
    draw = np.random.RandomState(0)
    labels = np.repeat([f"c{i}" for i in range(45)], 6)
    frame = pd.DataFrame({"x": draw.randn(270).round(4), "label": labels})
    outcome = trained(data.load(frame, "label"), epochs=1)
    found = page(outcome)
    assert "actual \\ predicted" not in found.text["errors"] and "taken for" in found.text["errors"]


def test_very_large_amounts_and_many_points(page):
    draw = np.random.RandomState(0)
    x = draw.randn(2600).round(6)
    frame = pd.DataFrame({"x": x, "y": 1e150 * (x + 0.1 * draw.randn(2600))})
    outcome = trained(data.load(frame, "y"), epochs=2)
    assert any(value.startswith("data:image/png") for name, value in page(evaluate(outcome.model, data.load(frame))).attributes
               if name == "xlink:href")  # fmt: skip


def test_without_matplotlib_nothing_is_written(amounts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with contextlib.chdir(tmp_path), pytest.raises(RetrogradError, match=r"pip install 'retrograd\[plot\]'"):
        report(amounts, "r.html")
    assert list(tmp_path.iterdir()) == []
