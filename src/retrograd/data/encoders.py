"""How one feature column becomes inputs: numbers are standardised, truth values are 0 and 1, categories one-hot.

An encoder is fitted on the training rows of a column and is a frozen record of numbers and texts from then on. It works
cell by cell, so a row's inputs do not depend, not in a single bit, on which other rows are encoded with it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from retrograd.data._wording import counted, listed, quoted
from retrograd.data.cells import TRUTH, Cells, first_row
from retrograd.errors import DataError

_LARGEST = float(np.finfo(np.float32).max)  # inputs end as float32 in most models


class Encoder(ABC):
    """A column's way to become `width` inputs.

    `name` is the column's; `kind` names the class in a saved model.
    """

    kind: ClassVar[str]
    name: str

    @property
    @abstractmethod
    def input_names(self) -> tuple[str, ...]:
        """A name for each input: `age`, `city=Oslo`, `city=(missing)`."""

    @abstractmethod
    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        """The inputs, float64 (n, width); what a person should know about them is appended to `notes`.

        Raises:
            DataError: a cell is not what the training rows made the column out to be.
        """


@dataclass(frozen=True)
class Constant(Encoder):
    """A column that says nothing: one value, or none, in the training rows. Its one input is 0 whatever it holds."""

    kind: ClassVar[str] = "constant"
    name: str

    @property
    def input_names(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        return np.zeros((len(cells), 1))


@dataclass(frozen=True)
class Numeric(Encoder):
    r"""Numbers: :math:`(x - \text{mean}) / \text{scale}`, a missing one being `fill`, the training rows' median.

    `mean` and `scale` (the root of the mean square deviation) are those of the training rows, filled.
    """

    kind: ClassVar[str] = "numeric"
    name: str
    fill: float
    mean: float
    scale: float

    @property
    def input_names(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        numbers = _numbers(cells)
        missing = np.isnan(numbers)
        with np.errstate(over="ignore"):
            inputs = (np.where(missing, self.fill, numbers) - self.mean) / self.scale
        far = np.abs(inputs) > _LARGEST
        if far.any():
            row = first_row(far)
            raise DataError(
                f"column {quoted(self.name)}, row {row}: {numbers[row - 1]:g} is too far from the numbers in training "
                f"(mean {self.mean:g}, standard deviation {self.scale:g}): correct it"
            )
        if missing.any():
            notes.append(
                f"Column {quoted(self.name)}: {counted(int(missing.sum()), 'missing number')} "
                f"filled with {self.fill:g}, the median in training."
            )
        return inputs[:, None]


@dataclass(frozen=True)
class Boolean(Encoder):
    """Truth values: 0 and 1. A missing one is `fill`; if training rows miss some, that has an input of its own."""

    kind: ClassVar[str] = "boolean"
    name: str
    fill: float
    missing: bool

    @property
    def input_names(self) -> tuple[str, ...]:
        return (self.name, f"{self.name}=(missing)") if self.missing else (self.name,)

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        truths = truth_values(cells)
        unknown = np.isnan(truths)
        if unknown.any() and not self.missing:
            notes.append(
                f"Column {quoted(self.name)}: {counted(int(unknown.sum()), 'missing value')} "
                f"taken for {'true' if self.fill else 'false'}, the more frequent in training."
            )
        truths = np.where(unknown, self.fill, truths)
        return np.stack([truths, unknown.astype(np.float64)], axis=1) if self.missing else truths[:, None]


@dataclass(frozen=True)
class Categorical(Encoder):
    """Categories: one input for each level of the training rows, 1 where the cell holds it and 0 elsewhere.

    Missing cells are a level of their own if training rows have any. `others` are the levels that the table had in
    other rows only: those cells, and missing ones that training rows never had, are 0 in every input.
    """

    kind: ClassVar[str] = "categorical"
    name: str
    levels: tuple[str, ...]
    others: tuple[str, ...]
    missing: bool

    @property
    def input_names(self) -> tuple[str, ...]:
        named = tuple(f"{self.name}={level}" for level in self.levels)
        return (*named, f"{self.name}=(missing)") if self.missing else named

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        known = {level: place for place, level in enumerate(self.levels)}
        none = len(self.levels) + self.missing  # a column beyond the last, cut off below
        new = np.array([level not in known and level not in self.others for level in cells.levels], dtype=bool)
        if new.any():
            row, text = cells.first(new)
            more = f" (and {counted(int(new.sum()) - 1, 'other new text')})" if new.sum() > 1 else ""
            raise DataError(
                f"column {quoted(self.name)}, row {row}: {quoted(text)}{more} is not among the training data's "
                f"{counted(len(known) + len(self.others), 'category', 'categories')} "
                f"({listed(self.levels, limit=5)}): correct it, or train again with rows that have it"
            )
        places = np.array([*(known.get(level, none) for level in cells.levels), none - 1 if self.missing else none])
        chosen = places[cells.codes]
        if (lost := int((chosen == none).sum())) > 0:
            notes.append(
                f"Column {quoted(self.name)}: {counted(lost, 'cell')} that no training row has a like of "
                f"(a rare category, or missing), taken for none of the categories."
            )
        return (chosen[:, None] == np.arange(none)).astype(np.float64)


def _odd(column: str, row: int, text: str, what: str) -> str:
    return f"column {quoted(column)}, row {row}: {quoted(text)} {what}: correct it, or leave the cell empty"


def _numbers(cells: Cells) -> np.ndarray:
    """A column that has to be numeric as float64 (n,), NaN where missing."""
    strange = ~cells.are_numbers if cells.given is None else np.zeros(len(cells.levels), dtype=bool)
    if strange.any():
        row, text = cells.first(strange)
        raise DataError(_odd(cells.name, row, text, "is not a number, as this column was in training"))
    infinite = np.isinf(cells.numbers)
    if infinite.any():
        row = first_row(infinite)
        raise DataError(_odd(cells.name, row, cells.at(row), "is infinite or beyond float64"))
    return cells.numbers


def truth_values(cells: Cells) -> np.ndarray:
    """A column that has to hold truth values (0 and 1 count) as float64 (n,), NaN where missing."""
    words = {**TRUTH, "0": 0.0, "1": 1.0}
    table = [words.get(level.casefold()) for level in cells.levels]
    strange = np.array([value is None for value in table], dtype=bool)
    if strange.any():
        row, text = cells.first(strange)
        raise DataError(_odd(cells.name, row, text, "is neither true nor false, as this column was in training"))
    return np.array([*(value for value in table if value is not None), math.nan])[cells.codes]
