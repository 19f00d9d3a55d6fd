"""From a table to what a model computes with, and from its outputs back: fitted once, saved with the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.data._wording import counted, keep_option, listed, meant, quoted
from retrograd.data.cells import Cells, read_columns
from retrograd.data.encoders import Dropped, Encoder
from retrograd.data.fitting import fit_encoder
from retrograd.data.kinds import Choices, Problem, Verdict, decimal_in, judge, refuse
from retrograd.data.records import encoder_from, record, target_from
from retrograd.data.report import ColumnReport, notes_on, report_on
from retrograd.data.target import Amounts, Classes, fit_target
from retrograd.data.task import Label, TaskName, infer_task, missing_targets, read_target
from retrograd.errors import DataError, ModelError

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "retrograd.preprocessor"
VERSION = 2  # 1 knew no dates, dropped nothing and gave a constant column an input


@dataclass(frozen=True)
class Preprocessor:
    """Encoders of the feature columns and of the target. Immutable; two are equal if they encode alike.

    Attributes:
        columns: one encoder for each feature column, in the table's order.
        target: the target's encoding.
        notes: sentences on what was done with the data, to be printed; not saved.
        reports: what was made of each feature column, in the table's order; not saved.
    """

    columns: tuple[Encoder, ...]
    target: Classes | Amounts
    notes: tuple[str, ...] = field(default=(), compare=False)
    reports: tuple[ColumnReport, ...] = field(default=(), compare=False)

    @classmethod
    def fit(
        cls,
        features: "pd.DataFrame",
        target: "pd.Series[Any]",
        *,
        task: str | None = None,
        rows: np.ndarray | Sequence[int] | None = None,
        keep: Iterable[str] = (),
        categories: Iterable[str] = (),
        day_first: bool | None = None,
    ) -> "Preprocessor":
        """Fit to a table.

        What a column is, and which classes there are, is judged from the whole table, so that no cell of it surprises
        later; medians, means, scales and the categories that get an input come from the training rows alone.

        Args:
            features: n rows, any number of columns of any dtype.
            target: n cells.
            task: `classification` or `regression`; None tells them apart.
            rows: the training rows, int (m,), counted from 0; None for all that have a target.
            keep: columns to use although they look like names of rows, or hold too many different texts.
            categories: columns to take for categories whatever they look like.
            day_first: whether 1/2/2020 is in February, for columns that leave it open.

        Raises:
            DataError: columns or targets cannot be used; one line that names all such columns and says what to do.
        """
        if len(features) != len(target):
            raise DataError(f"{counted(len(features), 'row')} of features, but {counted(len(target), 'target')}")
        if not len(features.columns):
            raise DataError("there is no column to predict from")
        read = read_columns(features)
        decimal = decimal_in([*read.values(), read_target(target)])
        if rows is None:
            rows = np.flatnonzero(~missing_targets(target, infer_task(target, task, decimal=decimal).name))
        chosen = np.asarray(rows, dtype=np.int64)
        if not len(chosen):
            raise DataError("there is no training row to fit to")
        encoding = fit_target(target, task, chosen, decimal)
        choices = Choices(frozenset(keep), frozenset(categories), day_first, decimal)
        verdicts = _judged(read, choices)
        columns = tuple(fit_encoder(verdict, chosen) for verdict in verdicts)
        reports = tuple(report_on(column, verdict) for column, verdict in zip(columns, verdicts, strict=True))
        if all(isinstance(column, Dropped) for column in columns):
            raise _nothing_left(reports)
        return cls(columns, encoding, tuple(notes_on(reports)), reports)

    def transform(self, features: "pd.DataFrame", notes: list[str] | None = None) -> np.ndarray:
        """The model's inputs, float64 (n, len(input_names)). Row i depends on row i of `features` only, bit for bit.

        Columns are found by name, in any order; those the model was not trained on are passed over, and that is said.

        Args:
            features: n rows.
            notes: a list to which sentences on what was filled in are appended.

        Raises:
            DataError: columns are lacking, or a cell is not what its column held in training (text among numbers or
                dates, infinity): one line with column, row (counted from 1) and what to do.
        """
        notes = [] if notes is None else notes
        read = read_columns(features, self.required)
        lacking = [name for name in self.required if name not in read]
        if lacking:
            others = [name for name in features.columns if name not in self.required]
            near = next((hint for name in lacking if (hint := meant(name, others))), "")
            raise DataError(
                f"the data lacks {counted(len(lacking), 'column')} that the model was trained on: {listed(lacking)}"
                f"{near or ':'} add {'it' if len(lacking) == 1 else 'them'} under the same name"
            )
        known = {self.target.name, *(column.name for column in self.columns)}
        if extra := [name for column in features.columns if (name := str(column).strip()) not in known]:
            notes.append(f"Passed over, as training had no such column: {listed(extra, 6)}.")
        used = [column for column in self.columns if not isinstance(column, Dropped)]
        return np.concatenate([column.encode(read[column.name], notes) for column in used], axis=1)

    def encode_target(self, target: "pd.Series[Any]") -> np.ndarray:
        """Class indices, int64 (n,), or standardised amounts, float64 (n,); -1 or NaN where a target is missing.

        Raises:
            DataError: a target is not a class or number that it could be.
        """
        return self.target.encode(target)

    def decode_target(self, values: np.ndarray) -> np.ndarray:
        """Labels in their own type from class indices (n,), or amounts in their own unit from standardised ones."""
        return self.target.decode(values)

    @property
    def task(self) -> TaskName:
        """`classification` or `regression`."""
        return "classification" if isinstance(self.target, Classes) else "regression"

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels in the order of their indices; none for regression."""
        return self.target.labels if isinstance(self.target, Classes) else ()

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each column of what `transform` returns: `age`, `city=Oslo`, `city=(missing)`."""
        return tuple(name for column in self.columns for name in column.input_names)

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that `transform` needs; those that were left out are not among them."""
        return tuple(column.name for column in self.columns if not isinstance(column, Dropped))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers. Python's `json` writes floats so that they read back bit for bit."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "columns": [record(column) for column in self.columns],
            "target": record(self.target),
        }

    @classmethod
    def from_json(cls, saved: object) -> "Preprocessor":
        """The inverse of `to_json`, also by way of a file.

        Raises:
            ModelError: it is not what `to_json` made.
        """
        if not isinstance(saved, Mapping) or saved.get("format") != FORMAT:
            raise ModelError(f"this is no saved preprocessor: its format is not {FORMAT!r}")
        if saved.get("version") != VERSION:
            version = str(saved.get("version"))[:20]
            raise ModelError(
                f"the saved preprocessor is of version {version}, {VERSION} can be read: train the model again"
            )
        columns = saved.get("columns")
        if not isinstance(columns, list) or not columns:
            raise ModelError("the saved preprocessor is damaged: it lists no columns")
        encoders = tuple(encoder_from(column) for column in columns)
        if len({encoder.name for encoder in encoders}) < len(encoders):
            raise ModelError("the saved preprocessor is damaged: it lists a column twice")
        if all(isinstance(encoder, Dropped) for encoder in encoders):
            raise ModelError("the saved preprocessor is damaged: it leaves out every column")
        return cls(encoders, target_from(saved.get("target")))


def _judged(read: Mapping[str, Cells], choices: Choices) -> list[Verdict]:
    """What each column is; a column that repeats another one is left out.

    Raises:
        DataError: columns cannot be used.
    """
    judged = [judge(cells, choices) for cells in read.values()]
    refuse([verdict for verdict in judged if isinstance(verdict, Problem)])
    verdicts, first = [], dict[object, str]()
    for verdict in judged:
        assert isinstance(verdict, Verdict)
        if verdict.kind != "dropped" and verdict.cells.name not in choices.keep:
            twin = first.setdefault(_content(verdict), verdict.cells.name)
            if twin != verdict.cells.name:
                verdict = replace(verdict, kind="dropped", reason="duplicate", said=f"repeats {quoted(twin)}")
        verdicts.append(verdict)
    return verdicts


def _content(verdict: Verdict) -> object:
    """Something that two columns share only if their cells do."""
    cells = verdict.cells
    if cells.given is not None:
        return verdict.kind, cells.given.tobytes()
    return verdict.kind, cells.levels, cells.codes.tobytes()


def _nothing_left(reports: Sequence[ColumnReport]) -> DataError:
    """No column is left to learn from: why, and what would change that."""
    why = ", ".join(f"{quoted(report.name)} {report.said}" for report in reports[:6])
    more = f" and {len(reports) - 6} more" if len(reports) > 6 else ""
    kept = [report.name for report in reports if report.reason in {"id", "text", "levels"}]
    remedy = f"take one all the same with {keep_option(kept[0])}" if kept else "add a column that varies"
    return DataError(f"there is nothing to learn from, as {why}{more}: {remedy}")
