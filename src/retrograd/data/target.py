"""The target's way to numbers and back: classes, or amounts in their own unit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.data._wording import listed, quoted
from retrograd.data.cells import Cells, first_row, read_cells
from retrograd.data.numbers import PLAIN
from retrograd.data.scaling import mean_and_scale
from retrograd.data.task import Label, amounts_of, infer_task, labels_of, read_target
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Classes:
    """A target of classes.

    Attributes:
        name: the target column.
        labels: the classes, sorted, in the type they have in the table: text, int, float or bool.
    """

    name: str
    labels: tuple[Label, ...]

    def encode(self, target: "pd.Series[Any]") -> np.ndarray:
        """Each label's place in `labels`, -1 where it is missing: int64 (n,).

        Raises:
            DataError: a label is not among `labels`.
        """
        cells, codes = self._codes(target)
        strange = (codes < 0) & ~cells.missing
        if strange.any():
            row = first_row(strange)
            raise DataError(
                f"target {quoted(self.name)} is {quoted(cells.at(row))}, which is no class, in row {row}: the classes "
                f"are {listed(self.labels)}"
            )
        return codes

    def places(self, target: "pd.Series[Any]") -> tuple[np.ndarray, dict[str, int]]:
        """As `encode`, with -1 also for a label that is no class, and how many rows have each of those."""
        cells, codes = self._codes(target)
        found, counts = np.unique(cells.codes[(codes < 0) & ~cells.missing], return_counts=True)
        return codes, {cells.levels[code]: count for code, count in zip(found.tolist(), counts.tolist(), strict=True)}

    def _codes(self, target: "pd.Series[Any]") -> tuple[Cells, np.ndarray]:
        """The column's cells, and the place of each label: -1 where it is missing, or no class."""
        cells = read_target(target.rename(self.name))
        places: dict[Label | None, int] = {label: place for place, label in enumerate(self.labels)}
        table = [places.get(label, -1) for label in self._alike(cells)]
        # A missing cell has the code -1 and takes the last.
        return cells, np.array([*table, -1], dtype=np.int64)[cells.codes]

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Labels of class indices, int (n,): int64, float64, bool or (for text and huge integers) object (n,).

        Raises:
            DataError: an index is not one of a class.
        """
        indices, last = np.asarray(values), len(self.labels) - 1
        if indices.dtype.kind not in "iu" or (indices.size and not 0 <= indices.min() <= indices.max() <= last):
            raise DataError(f"class indices have to be integers from 0 to {last}")
        return self._table[indices]

    @property
    def _table(self) -> np.ndarray:
        """The labels as an array."""
        table = np.array(self.labels, dtype=object)
        kind = type(self.labels[0])
        if kind is str or (kind is int and max(map(abs, table)) >= 2**63):
            return table
        return table.astype({bool: np.bool_, int: np.int64, float: np.float64}[kind])

    def _alike(self, cells: Cells) -> list[Label | None]:
        """The levels of `cells` in the type of `labels`; None for one that is not of that type."""
        if isinstance(self.labels[0], str):
            return list(cells.levels)
        if isinstance(self.labels[0], bool):
            words: dict[str, Label] = {"true": True, "false": False}
            return [words.get(level.casefold()) for level in cells.levels]
        return [_exact(level, number) for level, number in zip(cells.levels, cells.level_numbers, strict=True)]


def _exact(level: str, number: float | None) -> Label | None:
    """An integer without loss, any other number as it is. Python's 2.0 equals its 2, also as a key."""
    return int(level) if level.lstrip("+-").isdecimal() else number


@dataclass(frozen=True)
class Amounts:
    r"""A target of numbers: the model learns :math:`(y - \text{mean}) / \text{scale}`.

    Attributes:
        name: the target column.
        mean: the training rows' mean.
        scale: their root mean square deviation.
        writing: how texts write the numbers: `retrograd.data.numbers`.
    """

    name: str
    mean: float
    scale: float
    writing: str = PLAIN

    def encode(self, target: "pd.Series[Any]") -> np.ndarray:
        """The standardised target, NaN where it is missing: float64 (n,).

        Raises:
            DataError: a target is infinite or no number.
        """
        cells = read_cells(target, self.name).written(self.writing)
        numbers = cells.numbers
        strange = np.isinf(numbers) | (np.isnan(numbers) & ~cells.gaps)
        if strange.any():
            row = first_row(strange)
            raise DataError(
                f"target {quoted(self.name)} is {quoted(cells.at(row))}, which is no finite number, in row {row}: "
                "correct it, or leave the cell empty"
            )
        return (numbers - self.mean) / self.scale

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Amounts in the target's own unit, float64 (n,), of standardised ones."""
        return np.asarray(values, dtype=np.float64) * self.scale + self.mean


def fit_target(target: "pd.Series[Any]", task: str | None, rows: np.ndarray, decimal: str = ".") -> Classes | Amounts:
    """The target's encoding: classes from all rows, mean and scale from the training rows (int64).

    Raises:
        DataError: as `infer_task`, or the training rows' targets are missing or all alike.
    """
    chosen = infer_task(target, task, decimal=decimal)
    cells = read_target(target)
    if chosen.name == "classification":
        if (gaps := cells.missing[rows]).any():
            raise _missing(cells.name, rows, gaps)
        return Classes(cells.name, tuple(sorted(set(labels_of(cells)))))
    cells = amounts_of(cells, decimal)
    values = cells.numbers[rows]
    if np.isnan(values).any():
        raise _missing(cells.name, rows, np.isnan(values))
    mean, scale = mean_and_scale(values, f"target {quoted(cells.name)}")
    if scale == 0:
        raise DataError(
            f"target {quoted(cells.name)} is {mean:g} in every training row, so there is nothing to learn: "
            "add rows that differ"
        )
    return Amounts(cells.name, mean, scale, cells.writing)


def _missing(name: str, rows: np.ndarray, gaps: np.ndarray) -> DataError:
    return DataError(f"target {quoted(name)} is missing in row {rows[np.argmax(gaps)] + 1}, which is to be trained on")
