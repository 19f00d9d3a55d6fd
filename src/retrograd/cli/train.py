"""``retrograd train``: from a table to a saved model."""

import os
import shlex
from pathlib import Path
from typing import Any

import click

from retrograd import data
from retrograd.cli.files import check_report
from retrograd.cli.main import INTERRUPTED
from retrograd.cli.parameters import Number, Widths
from retrograd.cli.report import report_of
from retrograd.errors import ModelError, RetrogradError, TrainingDiverged
from retrograd.report.wording import counted
from retrograd.train.callbacks import GradientHealth
from retrograd.train.engine import ENGINES
from retrograd.train.tabular import ACTIVATIONS, OPTIMIZERS, SCHEDULES, Outcome, Settings, train_table
from retrograd.train.trained_model import refuse_to_replace

DEFAULT = Settings()
COUNT, SHARE = click.IntRange(min=1), Number(0, 1, open_high=True)


@click.command(context_settings={"show_default": True})
@click.argument("data", metavar="DATA")
@click.option("--target", metavar="COLUMN", help="The column to predict. Needed for a file; built-in sets have one.")
@click.option("--task", metavar="TASK", help="classification or regression; by default told from the target.")
@click.option("--drop", metavar="COLUMN", multiple=True, help="A column to leave out; may be given several times.")
@click.option("--keep", metavar="COLUMN", multiple=True, help="A column to use though it looks like names of rows.")
@click.option("--category", metavar="COLUMN", multiple=True, help="A column to take for categories, such as codes.")
@click.option(
    "--day-first/--month-first", default=None, help="What 1/2/2020 begins with, where a column leaves it open."
)
@click.option("--no-header", is_flag=True, help="The file has no header line; its columns are called 1, 2, 3, ...")
@click.option("--out", metavar="FOLDER", help="Where to save the model; by default digits-model, digits-model-2, ...")
@click.option("--force", is_flag=True, help="Replace a model that is saved there; no other folder is ever replaced.")
@click.option("--report", metavar="FILE.html", help="Write a report too: one web page.")
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, 2**32 - 1),
    default=DEFAULT.seed,
    help="Of the split and the training.",
)
@click.option("--validation", type=SHARE, default=0.1, help="Share of rows that says when to stop.")
@click.option("--test", type=SHARE, default=0.2, help="Share of rows to measure the model on.")
@click.option(
    "--epochs", metavar="N", type=COUNT, default=DEFAULT.epochs, help="The most passes over the training rows."
)
@click.option(
    "--patience", metavar="N", type=COUNT, default=DEFAULT.patience, help="Epochs without improvement to stop."
)
@click.option("--hidden", type=Widths(), default=",".join(map(str, DEFAULT.hidden)), help="Layer widths, or none.")
@click.option("--activation", type=click.Choice(list(ACTIVATIONS)), default=DEFAULT.activation, help="Between layers.")
@click.option("--dropout", type=SHARE, default=DEFAULT.dropout, help="Share of values left out.")
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default=DEFAULT.optimizer, help="How weights are changed.")
@click.option("--lr", type=Number(0, open_low=True), default=DEFAULT.lr, help="The learning rate.")
@click.option(
    "--schedule", type=click.Choice(SCHEDULES), default=DEFAULT.schedule, help="How the rate goes over the run."
)
@click.option("--weight-decay", type=Number(0), default=DEFAULT.weight_decay, help="How weights are drawn to zero.")
@click.option(
    "--batch-size", metavar="N", type=COUNT, help="Rows in a step; by default 32 to 256, by the number of rows."
)
@click.option(
    "--engine", type=click.Choice(ENGINES), default="auto", help="What makes the steps: compiled loops, or Python."
)
@click.pass_context
def train(ctx: click.Context, /, **options: Any) -> int:
    """Train a network on a table, and save it.

    DATA is a built-in set (digits, iris, wine, breast_cancer, diabetes) or a CSV or Parquet file: `retrograd train
    digits`, `retrograd train houses.csv --target price`. Ctrl-C ends the training early and keeps the best model so
    far.
    """
    source, target, task, drop = (options.pop(name) for name in ("data", "target", "task", "drop"))
    keep, category, day_first, no_header = (
        options.pop(name) for name in ("keep", "category", "day_first", "no_header")
    )
    out, force, engine, report_file = (options.pop(name) for name in ("out", "force", "engine", "report"))
    validation, test = options.pop("validation"), options.pop("test")
    if not validation and ctx.get_parameter_source("patience") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--patience watches the validation rows, and --validation 0 leaves none", ctx)
    settings = Settings(**options)
    table = data.load(source, target, drop=drop, header=not no_header)
    if out is None and force:
        out = default_name(table.name)
    if report_file is not None:
        check_report(report_file, source, out)
    if out is not None:
        check_writable(Path(out), force=force)
    prepared = data.prepare(
        table, task=task, validation=validation, test=test, seed=settings.seed,
        keep=keep, categories=category, day_first=day_first,
    )  # fmt: skip
    click.echo("\n".join(prepared.notes))
    watchers = [] if report_file is None else [GradientHealth(every=None)]
    try:
        outcome = train_table(prepared, settings, source=table.name, callbacks=watchers, engine=engine)
    except TrainingDiverged as error:
        raise RetrogradError(f"{error}. Nothing was saved; try --lr {min(settings.lr / 10, DEFAULT.lr):g}") from error
    click.echo(report_of(outcome))
    folder = saved(outcome, table.name, out, force=force)
    parameters = sum(int(parameter.size) for parameter in outcome.model.network.parameters())
    click.echo(f"Saved the model ({counted(parameters, 'parameter')}) in {folder}.")
    if report_file is not None:
        from retrograd.report import report

        report(outcome, report_file, model=folder, data=source, header=not no_header)
        click.echo(f"Wrote the report to {report_file}.")
    again = source if source in data.BUILTIN else "DATA.csv"
    click.echo(f"To predict: retrograd predict {shlex.quote(str(folder))} {again} --out predictions.csv")
    return INTERRUPTED if outcome.model.history.interrupted else 0


def check_writable(path: Path, *, force: bool) -> None:
    """Refuse before the training what could not be written after it.

    Raises:
        ModelError: something is there that is not to be replaced, or the folder above it cannot be written.
    """
    refuse_to_replace(path, replace=force)
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise ModelError(f"{str(path)!r} cannot be a folder: {str(above)!r} is a file")
    if not os.access(above, os.W_OK):
        raise ModelError(f"{str(path)!r} cannot be written: there is no permission to write in {str(above)!r}")


def default_name(table: str) -> str:
    """`titanic-model` for `titanic.csv.gz`."""
    return f"{table.split('.', maxsplit=1)[0] or 'table'}-model"


def saved(outcome: Outcome, name: str, out: str | None, *, force: bool) -> Path:
    """Save the model under `out`, or under the first free of digits-model, digits-model-2, ...; the folder."""
    if out is not None:
        outcome.model.save(out, replace=force)
        return Path(out)
    number = 1
    while True:
        folder = Path(default_name(name) if number == 1 else f"{default_name(name)}-{number}")
        if not (folder.exists() or folder.is_symlink()):
            try:
                outcome.model.save(folder)
                return folder
            except ModelError:
                if not folder.exists():  # otherwise another process took the name since: try the next
                    raise
        number += 1
