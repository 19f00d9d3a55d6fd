"""``retrograd predict``: what a saved model says of a table's rows."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from retrograd import data
from retrograd.cli.files import check_file
from retrograd.cli.report import score_line
from retrograd.errors import DataError
from retrograd.report.wording import counted
from retrograd.train.files import write_whole
from retrograd.train.tabular import scored
from retrograd.train.trained_model import DESCRIPTION, WEIGHTS, TrainedModel, digest, is_model_folder, shares

if TYPE_CHECKING:
    from retrograd.data import Table


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("source", metavar="DATA")
@click.option("--out", metavar="FILE.csv", help="Where to write the predictions; by default to standard output.")
@click.option("--no-header", is_flag=True, help="The file has no header line; its columns are called 1, 2, 3, ...")
def predict(model: str, source: str, out: str | None, no_header: bool) -> None:
    """Predict the rows of a table with a saved model.

    MODEL is a folder that `retrograd train` wrote, DATA a CSV or Parquet file with the columns that it was trained on,
    or a built-in set. For each row, in the table's order: the label and the probability of each class, or the amount.
    If DATA has the target column too, the model is measured on it.
    """
    trained = TrainedModel.load(model)
    table = data.load(source, header=not no_header)
    if out is not None:
        path = check_file("--out", out, source)
        if is_model_folder(path.absolute().parent) and path.name in {DESCRIPTION, WEIGHTS}:
            raise DataError(f"--out {out!r} is a file of a model: choose another name")
    notes = list(table.notes)
    inputs = trained.preprocessor.transform(table.frame, notes)
    outputs = trained.outputs(inputs)
    text = csv_of(trained, outputs)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_whole(Path(out), text.encode())
        notes.append(f"Wrote {counted(len(outputs), 'prediction')} to {out}.")
    notes += [*_own_rows(trained, inputs, outputs), *_measured(trained, table, outputs)]
    for note in notes:
        click.echo(note, err=True)


def csv_of(trained: TrainedModel, outputs: np.ndarray) -> str:
    """The predictions as CSV. Every number is written so that it reads back bit for bit."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    found = trained.decoded(outputs)
    if trained.preprocessor.task == "regression":
        writer.writerow(["prediction"])
        writer.writerows([str(value)] for value in found)
        return file.getvalue()
    writer.writerow(["prediction", *(f"probability_{label}" for label in trained.preprocessor.classes)])
    for label, row in zip(found, shares(outputs), strict=True):
        writer.writerow([label, *map(str, row)])
    return file.getvalue()


def _own_rows(trained: TrainedModel, inputs: np.ndarray, outputs: np.ndarray) -> list[str]:
    """Whether these are the rows of the training run, and its outputs for them."""
    record = trained.training
    if record.get("inputs_sha256") != digest(inputs):
        return []
    if record.get("outputs_sha256") == digest(outputs):
        return ["These are the rows of the training run; the predictions are its own, bit for bit."]
    return [
        "These are the rows of the training run; the predictions differ from its own in the last bits, as another "
        "processor or NumPy rounds differently."
    ]


def _measured(trained: TrainedModel, table: "Table", outputs: np.ndarray) -> list[str]:
    """The scores, if the table has the target."""
    target = trained.preprocessor.target.name
    if target not in table.columns:
        return []
    try:
        wanted = trained.preprocessor.encode_target(table.frame[target])
    except DataError as error:
        return [f"Not measured: {error}."]
    held = ~(np.isnan(wanted) if wanted.dtype.kind == "f" else wanted < 0)
    if not held.any():
        return [f"Not measured: target {target!r} is empty in every row."]
    scores, _ = scored(trained.preprocessor, outputs[held], wanted[held])
    rows = counted(len(outputs), "row")
    which = f"{'this' if len(outputs) == 1 else 'these'} {rows}"
    which = which if held.all() else f"the {int(held.sum()):,} of these {rows} that have {target!r}"
    return [f"On {which}: {score_line(scores, target)}."]
