"""From a table to what a model computes with, and from its outputs back: fitted once, saved with the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.data._wording import counted, listed, meant
from retrograd.data.cells import read_columns
from retrograd.data.encoders import Constant, Encoder
from retrograd.data.fitting import fit_encoder
from retrograd.data.kinds import Problem, kind_of, refuse
from retrograd.data.records import encoder_from, record, target_from
from retrograd.data.report import notes_on
from retrograd.data.target import Amounts, Classes, fit_target
from retrograd.data.task import Label, TaskName
from retrograd.errors import DataError, ModelError

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "retrograd.preprocessor"
VERSION = 1


@dataclass(frozen=True)
class Preprocessor:
    """Encoders of the feature columns and of the target. Immutable; two are equal if they encode alike.

    Attributes:
        columns: one encoder for each feature column, in the table's order.
        target: the target's encoding.
        notes: sentences on what was done with the data, to be printed; not saved.
    """

    columns: tuple[Encoder, ...]
    target: Classes | Amounts
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def fit(
        cls,
        features: "pd.DataFrame",
        target: "pd.Series[Any]",
        *,
        task: str | None = None,
        rows: np.ndarray | Sequence[int] | None = None,
    ) -> "Preprocessor":
        """Fit to a table.

        What a column is, and which classes there are, is judged from the whole table, so that no cell of it surprises
        later; medians, means, scales and the categories that get an input come from the training rows alone.

        Args:
            features: n rows, any number of columns of any dtype.
            target: n cells.
            task: `classification` or `regression`; None tells them apart.
            rows: the training rows, int (m,), counted from 0; None for all.

        Raises:
            DataError: columns or targets cannot be used; one line that names all such columns and says what to do.
        """
        if len(features) != len(target):
            raise DataError(f"{counted(len(features), 'row')} of features, but {counted(len(target), 'target')}")
        if not len(features.columns):
            raise DataError("there is no column to predict from")
        chosen = np.arange(len(features)) if rows is None else np.asarray(rows, dtype=np.int64)
        if not len(chosen):
            raise DataError("there is no training row to fit to")
        encoding = fit_target(target, task, chosen)
        read = read_columns(features)
        kinds = {name: kind_of(cells) for name, cells in read.items()}
        refuse([kind for kind in kinds.values() if isinstance(kind, Problem)])
        columns = tuple(
            fit_encoder(cells, kind, chosen)
            for cells, kind in zip(read.values(), kinds.values(), strict=True)
            if not isinstance(kind, Problem)
        )
        if all(isinstance(column, Constant) for column in columns):
            raise DataError("every feature column holds one value in all training rows: there is nothing to learn from")
        return cls(columns, encoding, tuple(notes_on(columns, read)))

    def transform(self, features: "pd.DataFrame", notes: list[str] | None = None) -> np.ndarray:
        """The model's inputs, float64 (n, len(input_names)). Row i depends on row i of `features` only, bit for bit.

        Columns are found by name; those the model was not trained on, such as the target, are passed over.

        Args:
            features: n rows.
            notes: a list to which sentences on what was filled in are appended.

        Raises:
            DataError: a column is lacking, or a cell is not what its column held in training (unknown category, text
                among numbers, infinity): one line with column, row (counted from 1) and what to do.
        """
        notes = [] if notes is None else notes
        read = read_columns(features, self.required)
        lacking = [name for name in self.required if name not in read]
        if lacking:
            near = meant(lacking[0], [name for name in features.columns if name not in self.required])
            raise DataError(
                f"the data lacks {counted(len(lacking), 'column')} that the model was trained on: {listed(lacking)}"
                f"{near or ':'} add {'it' if len(lacking) == 1 else 'them'} under the same name"
            )
        blocks = [
            np.zeros((len(features), 1)) if isinstance(column, Constant) else column.encode(read[column.name], notes)
            for column in self.columns
        ]
        return np.concatenate(blocks, axis=1)

    def encode_target(self, target: "pd.Series[Any]") -> np.ndarray:
        """Class indices, int64 (n,), or standardised amounts, float64 (n,).

        Raises:
            DataError: a target is missing, or not a class or number that it could be.
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
        """The columns that `transform` needs; constant ones are not among them."""
        return tuple(column.name for column in self.columns if not isinstance(column, Constant))

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
            raise ModelError(f"the saved preprocessor is of version {saved.get('version')!r}; {VERSION} can be read")
        columns = saved.get("columns")
        if not isinstance(columns, list) or not columns:
            raise ModelError("the saved preprocessor is damaged: it lists no columns")
        encoders = tuple(encoder_from(column) for column in columns)
        if len({encoder.name for encoder in encoders}) < len(encoders):
            raise ModelError("the saved preprocessor is damaged: it lists a column twice")
        return cls(encoders, target_from(saved.get("target")))
