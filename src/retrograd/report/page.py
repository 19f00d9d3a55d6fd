"""`report`: the facts as one HTML file."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrograd import plots
from retrograd.data import BUILTIN
from retrograd.explain.templating import templates
from retrograd.plots.plot import figure_class
from retrograd.report.gather import Facts, gather
from retrograd.report.picture import inline
from retrograd.report.views import caution, columns_table, headline, health_table, measures_table, verdict
from retrograd.report.wording import amount, counted, share, shown
from retrograd.train.evaluation import Evaluation
from retrograd.train.files import write_whole
from retrograd.train.tabular import Outcome

WIDEST = 40  # classes in a confusion matrix; of more only the most frequent confusions are shown
MANY_POINTS = 2000  # above which a cloud of points is a bitmap in the picture


@dataclass(frozen=True)
class Place:
    """Where model and data are, as the commands of the report call them.

    Attributes:
        folder: the model's; None if it is not saved.
        data: a built-in set's name, or a path.
        header: whether the file has a line with the names of the columns.
    """

    folder: str | None
    data: str
    header: bool = True

    @property
    def commands(self) -> tuple[str, ...]:
        """To predict and to evaluate, for a shell."""
        both = f"{_quoted(self.folder or 'model')} {_quoted(self.data)}"
        no_header = "" if self.header else " --no-header"
        return (
            f"retrograd predict {both}{no_header} --out predictions.csv",
            f"retrograd evaluate {both}{no_header}",
        )

    @property
    def python(self) -> str:
        """To load the model, predict and evaluate, in Python."""
        load = f"data.load({self.data!r})" if self.header else f"data.load({self.data!r}, header=False)"
        return (
            "from retrograd import data\n"
            "from retrograd.train import TrainedModel, evaluate\n\n"
            f"model = TrainedModel.load({self.folder or 'model'!r})\n"
            f"table = {load}\n"
            "print(model.predict(table.frame)[:5])\n"
            "print(evaluate(model, table).measures.scores)\n"
        )


def _quoted(word: str) -> str:
    """A word for a shell that is no option either."""
    return shlex.quote(f"./{word}" if word.startswith("-") else word)


def report(
    result: Outcome | Evaluation,
    path: str | Path,
    *,
    model: str | Path | None = None,
    data: str | Path | None = None,
    header: bool = True,
) -> Path:
    """Write a report: one HTML file that needs nothing from elsewhere, and is there whole or not at all.

    Args:
        result: what `train_table` or `evaluate` gave. Train with the callback `rg.train.GradientHealth(every=None)`,
            and the report says how the gradients fared.
        path: of the file; one that is there is replaced.
        model: the folder in which the model is saved, for the commands that load it again.
        data: the file that the table came from, likewise; by default what the table is called.
        header: whether that has a line with the names of the columns.

    Returns:
        The path.

    Raises:
        RetrogradError: matplotlib is not installed.
        ModelError: the model's record of its training is damaged.

    >>> import tempfile
    >>> from retrograd import data
    >>> from retrograd.report import report
    >>> from retrograd.train.tabular import Settings, train_table
    >>> iris = data.prepare(data.load("iris"))
    >>> outcome = train_table(iris, Settings(epochs=2), source="iris", progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report(outcome, f"{folder}/iris.html").name
    'iris.html'
    """
    figure_class()
    facts = gather(result)
    name = str(data) if data is not None else facts.source if facts.source in BUILTIN else "DATA.csv"
    place = Place(None if model is None else str(model), name, header)
    file = Path(path)
    write_whole(file, html(facts, place).encode())
    return file


def html(facts: Facts, place: Place) -> str:
    """The page."""
    content = {
        "facts": facts,
        "training": facts.training,
        "place": place,
        "title": f"{shown(place.folder)} on {shown(facts.source)}" if facts.evaluation else f"{shown(facts.target)}",
        "headline": headline(facts),
        "verdict": verdict(facts),
        "caution": caution(facts),
        "measures": measures_table(facts),
        "columns": columns_table(facts),
        "health": health_table(facts),
        "confusion": _confusion(facts),
        "confusions": _confusions(facts),
        "largest": max((size for _, size in facts.influences), default=0.0) or 1.0,
        "pictures": _pictures(facts),
    }
    found = templates("retrograd.report", amount=amount, share=share, counted=counted, shown=shown)
    page: str = found.get_template("report.html").render(content)
    return page


def _pictures(facts: Facts) -> dict[str, Any]:
    """The plots that there are figures for, as SVG."""
    from markupsafe import Markup

    found = dict.fromkeys(("curves", "residuals", "health"), "")
    history = facts.history
    if history.epochs and ("loss" in history or "val_loss" in history):
        what = "Training and validation error by epoch" if "val_loss" in history else "Training error by epoch"
        found["curves"] = inline(plots.curves(history), "curves", what)
    if facts.task == "regression":
        found["residuals"] = inline(
            _residuals(facts), "residuals", "Predicted and actual amounts, and their differences"
        )
    if facts.training.checkups:
        found["health"] = inline(
            plots.gradient_health(facts.training.checkups), "health", "The gradient at each layer, by epoch"
        )
    return {name: Markup(svg) for name, svg in found.items()}  # noqa: S704 - ElementTree wrote it, and escapes


def _residuals(facts: Facts) -> plots.Plot:
    plot = plots.residuals(facts.actual, facts.predicted)
    if len(facts.actual) > MANY_POINTS:
        plot.figure.axes[0].lines[0].set_rasterized(True)
    return plot


def _confusion(facts: Facts) -> list[dict[str, Any]] | None:
    """The rows of the confusion matrix, each cell with its share of the row; None if there are too many classes."""
    counts = facts.measures.confusion
    if counts is None or len(counts) > WIDEST:
        return None
    rows = []
    for i, (score, row) in enumerate(zip(facts.measures.classes, counts, strict=True)):
        total = max(int(row.sum()), 1)
        cells = [{"count": int(n), "shade": round(100 * int(n) / total), "right": i == j} for j, n in enumerate(row)]
        rows.append({"label": score.label, "cells": cells})
    return rows


def _confusions(facts: Facts) -> list[dict[str, Any]]:
    """The ten most frequent confusions."""
    counts = facts.measures.confusion
    if counts is None:
        return []
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = zip(*(index.tolist() for index in np.unravel_index(places, wrong.shape)), strict=True)
    labels = [score.label for score in facts.measures.classes]
    return [{"actual": labels[i], "taken": labels[j], "count": int(wrong[i, j])} for i, j in pairs if wrong[i, j]]
