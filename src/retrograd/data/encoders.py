"""How one feature column becomes inputs: numbers are standardised, truth values are 0 and 1, categories one-hot.

Dates have a file of their own, `retrograd.data.date_encoder`.

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
from retrograd.data.numbers import PLAIN
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
class Dropped(Encoder):
    """A column that is left out: it has no input, and a table to predict for need not have it.

    `reason` is one of `retrograd.data.kinds.Reason`.
    """

    kind: ClassVar[str] = "dropped"
    name: str
    reason: str

    @property
    def input_names(self) -> tuple[str, ...]:
        return ()

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        return np.zeros((len(cells), 0))


@dataclass(frozen=True)
class Numeric(Encoder):
    r"""Numbers: :math:`(x - \text{mean}) / \text{scale}`, a missing one being `fill`, the training rows' median.

    `mean` and `scale` (the root of the mean square deviation) are those of the training rows, filled. `writing` is how
    texts write the numbers: `retrograd.data.numbers`.
    """

    kind: ClassVar[str] = "numeric"
    name: str
    fill: float
    mean: float
    scale: float
    writing: str = PLAIN

    @property
    def input_names(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        numbers = _numbers(cells.written(self.writing))
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
    """Categories: one input for each of `levels`, 1 where the cell holds it and 0 elsewhere.

    `others` are the texts of the table without an input of their own: rare ones, and those of no training row. They,
    and texts that the table never had, share the input `(other)` if training rows had rare ones (`pool`), else they
    are 0 in every input. So are missing cells, unless training rows had some: then `missing` cells have an input.
    """

    kind: ClassVar[str] = "categorical"
    name: str
    levels: tuple[str, ...]
    others: tuple[str, ...]
    pool: bool
    missing: bool

    @property
    def input_names(self) -> tuple[str, ...]:
        own = [*self.levels, *(["(other)"] if self.pool else []), *(["(missing)"] if self.missing else [])]
        return tuple(f"{self.name}={level}" for level in own)

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        known = {level: place for place, level in enumerate(self.levels)}
        none = len(self.input_names)  # a column beyond the last, cut off below
        other = len(self.levels) if self.pool else none
        places = np.array([*(known.get(level, other) for level in cells.levels), none - 1 if self.missing else none])
        new = self.unseen(cells)
        if new.any():
            texts = [level for level, is_new in zip(cells.levels, new, strict=True) if is_new]
            unseen = f"{counted(len(texts), 'category', 'categories')} that training never saw ({listed(texts, 3)})"
            taken = "taken for the rare ones" if self.pool else "taken for none of the known ones"
            count = counted(int(cells.level_counts[new].sum()), "cell")
            notes.append(f"Column {quoted(self.name)}: {count} with {unseen}, {taken}.")
        if not self.missing and (gaps := int(cells.missing.sum())):
            notes.append(
                f"Column {quoted(self.name)}: {counted(gaps, 'missing cell')}, of which training had none, "
                "taken for none of the categories."
            )
        return (places[cells.codes][:, None] == np.arange(none)).astype(np.float64)

    def unseen(self, cells: Cells) -> np.ndarray:
        """Which levels of `cells` the table of the training had not: bool, one for each level."""
        seen = {*self.levels, *self.others}
        return np.array([level not in seen for level in cells.levels], dtype=bool)


def _odd(column: str, row: int, text: str, what: str) -> str:
    return f"column {quoted(column)}, row {row}: {quoted(text)} {what}: correct it, or leave the cell empty"


def _as(writing: str) -> str:
    """` written like 1.234,5 €`, or nothing for plain numbers."""
    if writing == PLAIN:
        return ""
    return f" written like {'1,234.5' if writing[0] == '.' else '1.234,5'}{writing[1:]}"


def _numbers(cells: Cells) -> np.ndarray:
    """A column that has to be numeric as float64 (n,), NaN where missing."""
    strange = ~cells.are_numbers if cells.given is None else np.zeros(len(cells.levels), dtype=bool)
    if strange.any():
        row, text = cells.first(strange)
        raise DataError(
            _odd(cells.name, row, text, f"is not a number{_as(cells.writing)}, as this column was in training")
        )
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
