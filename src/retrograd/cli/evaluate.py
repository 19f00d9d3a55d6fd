"""``retrograd evaluate``: how good a saved model is on a labelled table."""

import json
from typing import Any

import click

from retrograd import data
from retrograd.cli.files import check_report
from retrograd.cli.report import matrix_lines
from retrograd.report.views import MEANINGS, figure
from retrograd.report.wording import share, shown
from retrograd.train.evaluation import Evaluation
from retrograd.train.evaluation import evaluate as evaluated
from retrograd.train.trained_model import TrainedModel

MOST = 40  # classes in the table of classes; of more the worst are shown


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("source", metavar="DATA")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, for programs.")
@click.option("--report", "report_file", metavar="FILE.html", help="Write a report too: one web page.")
@click.option("--no-header", is_flag=True, help="The file has no header line; its columns are called 1, 2, 3, ...")
def evaluate(model: str, source: str, as_json: bool, report_file: str | None, no_header: bool) -> None:
    """Measure a saved model on a table with the target.

    MODEL is a folder that `retrograd train` wrote, DATA a CSV or Parquet file with the columns that it was trained on
    and the target, or a built-in set. The measures stand beside those of a model that has learned nothing. Rows without
    a target, or with a label that the model does not know, are counted and in no measure.
    """
    if report_file is not None:
        check_report(report_file, source)
    trained = TrainedModel.load(model)
    found = evaluated(trained, data.load(source, header=not no_header))
    if report_file is not None:
        from retrograd.report import report

        report(found, report_file, model=model, data=source, header=not no_header)
    if as_json:
        click.echo(json.dumps({"model": model, **found.to_json()}, indent=2, allow_nan=False))
    else:
        _print(found)
    if report_file is not None:
        click.echo(f"Wrote the report to {report_file}.", err=as_json)


def _print(found: Evaluation) -> None:
    """The evaluation as text."""
    for note in found.notes:
        click.echo(note)
    of = "" if len(found.measured) == found.rows else f" of {found.rows:,}"
    click.echo(f"Measured on {len(found.measured):,}{of} rows; learned nothing: always {found.measures.knows}.")
    click.echo(_measures(found), nl=False)
    if found.measures.confusion is None:
        return
    if found.measures.interval is not None and not found.own:
        low, high = found.measures.interval
        click.echo(f"Accuracy on other rows of the kind: {share(low)} to {share(high)}, 19 times out of 20.")
    click.echo(_classes(found), nl=False)
    click.echo("\n".join(matrix_lines([str(c.label) for c in found.measures.classes], found.measures.confusion)))


def _measures(found: Evaluation) -> str:
    """Each measure beside that of a model that has learned nothing."""
    table = _table("measure", "model", "learned nothing")
    for name, value in found.measures.scores.items():
        nothing = found.measures.baseline[name]
        table.add_row(MEANINGS[name][0], figure(name, value), figure(name, nothing))
    return _drawn(table)


def _classes(found: Evaluation) -> str:
    """Precision, recall and F1 of each class; of many classes those with the least F1."""
    table = _table("class", "precision", "recall", "F1", "rows")
    scores = found.measures.classes
    if len(scores) > MOST:
        scores = tuple(sorted(scores, key=lambda score: 2.0 if score.f1 is None else score.f1)[:MOST])
        table.title = f"The {MOST} classes of {len(found.measures.classes)} with the least F1"
    for score in scores:
        figures = ("-" if value is None else share(value) for value in (score.precision, score.recall, score.f1))
        table.add_row(shown(score.label), *figures, f"{score.support:,}")
    return _drawn(table)


def _table(*names: str) -> Any:
    """An empty table, its first column text and the others numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    return table


def _drawn(table: Any) -> str:
    """The table as text, as wide as it needs to be."""
    from rich.console import Console

    console = Console(width=120, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
