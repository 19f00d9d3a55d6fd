"""Everything between a table and a model, in one call."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from retrograd.data._wording import counted, quoted
from retrograd.data.cells import first_row
from retrograd.data.preprocessor import Preprocessor
from retrograd.data.report import ColumnReport
from retrograd.data.splitting import Split, split
from retrograd.data.table import Table
from retrograd.data.task import Task, infer_task, missing_targets


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table made ready.

    Attributes:
        task: classification or regression, and why.
        rows: which rows train, validate and test; those without a target do none of it.
        preprocessor: fitted to the training rows; save it with the model.
        x: float64 (n, inputs), all rows in the table's order.
        y: int64 (n,) class indices, or float64 (n,) standardised amounts; -1 or NaN in a row without a target.
        notes: what a person should be told, in the order of what was done.
    """

    task: Task
    rows: Split
    preprocessor: Preprocessor
    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[ColumnReport, ...]:
        """What was made of each feature column, in the table's order."""
        return self.preprocessor.reports


def prepare(
    table: Table,
    *,
    task: str | None = None,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    keep: Iterable[str] = (),
    categories: Iterable[str] = (),
    day_first: bool | None = None,
) -> Prepared:
    """Tell the task, part the rows, fit the preprocessor to the training rows, and encode all rows.

    Args:
        table: a table with a target.
        task: `classification` or `regression`; None tells them apart.
        validation: share of the rows for validation.
        test: share of the rows for test.
        seed: of the split.
        keep: feature columns to use although they look like names of rows, or hold too many different texts.
        categories: feature columns to take for categories whatever they look like.
        day_first: whether 1/2/2020 is in February, for columns that leave it open.

    Raises:
        DataError: the table cannot be learned from as it is; one line that says what to do.
    """
    labels, features = table.labels, table.features
    keep, categories = table.named(keep, "--keep"), table.named(categories, "--category")
    chosen = infer_task(labels, task)
    rows = split(labels, chosen.name, validation=validation, test=test, seed=seed)
    preprocessor = Preprocessor.fit(
        features, labels, task=chosen.name, rows=rows.train, keep=keep, categories=categories, day_first=day_first
    )
    missing = missing_targets(labels, chosen.name)
    without = []
    if missing.any():
        what = f"{counted(int(missing.sum()), 'row')} of {len(missing)} without a target"
        without = [f"Left out: {what} (first: row {first_row(missing)}; {quoted(labels.name)})."]
    return Prepared(
        chosen,
        rows,
        preprocessor,
        preprocessor.transform(features),
        preprocessor.encode_target(labels),
        (*table.notes, chosen.reason, *without, *preprocessor.notes, rows.note),
    )
