"""Everything between a table and a model, in one call."""

from dataclasses import dataclass

import numpy as np

from retrograd.data.preprocessor import Preprocessor
from retrograd.data.splitting import Split, split
from retrograd.data.table import Table
from retrograd.data.task import Task, infer_task


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table made ready.

    Attributes:
        task: classification or regression, and why.
        rows: which rows train, validate and test.
        preprocessor: fitted to the training rows; save it with the model.
        x: float64 (n, inputs), all rows in the table's order.
        y: int64 (n,) class indices, or float64 (n,) standardised amounts.
        notes: what a person should be told, in the order of what was done.
    """

    task: Task
    rows: Split
    preprocessor: Preprocessor
    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]


def prepare(
    table: Table, *, task: str | None = None, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> Prepared:
    """Tell the task, part the rows, fit the preprocessor to the training rows, and encode all rows.

    Args:
        table: a table with a target.
        task: `classification` or `regression`; None tells them apart.
        validation: share of the rows for validation.
        test: share of the rows for test.
        seed: of the split.

    Raises:
        DataError: the table cannot be learned from as it is; one line that says what to do.
    """
    labels, features = table.labels, table.features
    chosen = infer_task(labels, task)
    rows = split(labels, chosen.name, validation=validation, test=test, seed=seed)
    preprocessor = Preprocessor.fit(features, labels, task=chosen.name, rows=rows.train)
    return Prepared(
        chosen,
        rows,
        preprocessor,
        preprocessor.transform(features),
        preprocessor.encode_target(labels),
        (*table.notes, chosen.reason, *preprocessor.notes, rows.note),
    )
