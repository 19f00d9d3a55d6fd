"""Telling classification from regression, and refusing targets that neither can use."""

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from retrograd.data._wording import counted, meant, quoted
from retrograd.data.cells import Cells, first_row, read_cells
from retrograd.data.dates import are_numbered_days, is_date
from retrograd.data.numbers import PLAIN, is_decorated, writing_of
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TaskName = Literal["classification", "regression"]
Label = str | int | float | bool

FEW = 20
"""So many different integers, with three rows each on average, are still taken for classes."""


class Task(NamedTuple):
    """What to learn, and why: a sentence to print."""

    name: TaskName
    reason: str


def infer_task(target: "pd.Series[Any]", task: str | None = None, *, decimal: str = ".") -> Task:
    """Tell classification from regression by looking at the target.

    Text, truth values and few different integers are classes; other numbers are amounts. `task` overrides. Missing
    targets do not count.

    Args:
        target: the target column, n cells of any dtype.
        task: `classification` or `regression`, or None to be told.
        decimal: the decimal mark to prefer where a text such as `1,234` leaves it open.

    Returns:
        The task, and the reason for it as one sentence.

    Raises:
        DataError: all targets are missing, one is infinite, all are alike, they are dates or names, or the task that
            was asked for is impossible. One line that says what to do.
    """
    cells = read_target(target)
    labels = labels_of(cells)
    _check_target(cells, labels)
    natural = _natural_task(cells, labels, decimal)
    chosen = natural if task is None or task == natural.name else _asked_for(task, cells.name)
    if chosen.name == "classification":
        _check_classes(cells, labels)
    else:
        _check_amounts(amounts_of(cells, decimal))
    return chosen


def _asked_for(task: str, target: str) -> Task:
    """The task that goes against the target's looks."""
    if task == "classification":
        return Task(
            "classification", f"Task: classification, as asked for (target {quoted(target)} looks like regression)."
        )
    if task == "regression":
        return Task(
            "regression", f"Task: regression, as asked for (target {quoted(target)} looks like classification)."
        )
    near = meant(task, ("classification", "regression"))
    raise DataError(f"there is no task {quoted(task)}{near or ':'} choose classification or regression")


def read_target(target: "pd.Series[Any]") -> Cells:
    """The target column's cells; a column without a name is called `target`.

    Marks of missing numbers, as `-`, are missing cells where all others are numbers.
    """
    cells = read_cells(target, "target" if target.name is None else str(target.name))
    if cells.given is not None or not cells.are_numbers.all():
        return cells
    marks = np.isnan(np.array(cells.level_numbers, dtype=np.float64))
    return cells.without(marks) if marks.any() and not marks.all() else cells


def missing_targets(target: "pd.Series[Any]", task: TaskName) -> np.ndarray:
    """Where a row has no target: bool (n,). Marks of missing numbers, as `-`, count among amounts."""
    cells = read_target(target)
    return amounts_of(cells, ".").gaps if task == "regression" else cells.missing


def amounts_of(cells: Cells, decimal: str) -> Cells:
    """A target's cells, read as its texts write numbers, if all do in one way."""
    if cells.given is not None or cells.dtype != "text" or cells.are_numbers.all():
        return cells
    return cells.written(writing_of(cells.levels, decimal) or PLAIN)


def labels_of(cells: Cells) -> list[Label]:
    """The label that each level of `cells` stands for, in the type that the column has: bool, int, float or text.

    Truth is spelled true and false, in any case; a code such as `007` is text; 1 and 1.0 in one column are both 1.0.
    """
    if cells.dtype == "truth" or {level.casefold() for level in cells.levels} <= {"true", "false"}:
        return [level.casefold() == "true" for level in cells.levels]
    coded = any(len(level) > 1 and level[0] == "0" and level.isdecimal() for level in cells.levels)
    if cells.dtype == "category" or (coded and cells.given is None) or not _are_numbers(cells):
        return list(cells.levels)
    if cells.dtype != "float" and all(level.lstrip("+-").isdecimal() for level in cells.levels):
        return [int(level) for level in cells.levels]
    return [float(level) for level in cells.levels]


def _are_numbers(cells: Cells) -> bool:
    """Whether every level is a number."""
    return cells.given is not None or not any(number is None or math.isnan(number) for number in cells.level_numbers)


def _natural_task(cells: Cells, labels: list[Label], decimal: str) -> Task:
    """The task that the target's values suggest."""
    shown, distinct = f"target {quoted(cells.name)} holds", len(set(labels))
    rows = int((~cells.missing).sum())
    written = amounts_of(cells, decimal)
    if written.writing != PLAIN and (distinct > FEW or rows < 3 * distinct):
        there = ~written.gaps
        row, amounts = first_row(there), len(np.unique(written.numbers[there]))
        number = f"{quoted(written.at(row))} is read as {written.numbers[row - 1]:.15g}"
        return Task("regression", f"Task: regression, because {shown} {amounts} different numbers ({number}).")
    if isinstance(labels[0], bool):
        return Task("classification", f"Task: classification, because {shown} true and false.")
    if isinstance(labels[0], str):
        return Task("classification", f"Task: classification, because {shown} text, {distinct} different values.")
    if (cells.numbers[~cells.missing] % 1).any():
        return Task("regression", f"Task: regression, because {shown} numbers with fractions.")
    if distinct == 2 or (distinct <= FEW and rows >= 3 * distinct):
        return Task(
            "classification",
            f"Task: classification, because {shown} only {distinct} different whole numbers "
            "(--task regression takes them for amounts).",
        )
    return Task(
        "regression",
        f"Task: regression, because {shown} {distinct} different whole numbers "
        "(--task classification takes them for classes).",
    )


def _check_target(cells: Cells, labels: list[Label]) -> None:
    """Refuse a target that no task can use."""
    target = f"target {quoted(cells.name)}"
    if cells.missing.all():
        raise DataError(f"{target} is empty in every row: choose another column with --target")
    if cells.dtype == "date" or all(is_date(level) for level in cells.levels) or _are_numbered(cells):
        row, text = cells.first(np.ones(len(cells.levels), dtype=bool))
        raise DataError(
            f"{target} holds dates or times ({quoted(text)} in row {row}), which are no target: "
            "make it a number, such as the days since a fixed date"
        )
    if len(set(labels)) == 1:
        raise DataError(
            f"{target} is {quoted(cells.levels[0])} in every row, so there is nothing to learn: "
            "choose another column with --target, or add rows that differ"
        )
    infinite = np.isinf(cells.numbers) & (cells.given is not None or bool(cells.are_numbers.all()))
    if infinite.any():
        row = first_row(infinite)
        raise DataError(f"{target} is infinite or beyond float64 in row {row} ({quoted(cells.at(row))}): correct it")


def _are_numbered(cells: Cells) -> bool:
    """Whether days are written as eight digits."""
    return cells.dtype != "float" and are_numbered_days(cells.levels)


def _check_amounts(cells: Cells) -> None:
    """Refuse a regression on anything but numbers."""
    strange = np.array([number is None for number in cells.level_numbers]) | (cells.dtype in {"truth", "category"})
    if strange.any():
        row, text = cells.first(strange)
        raise DataError(
            f"regression needs numbers, but target {quoted(cells.name)} is {quoted(text)} in row {row}: "
            "correct it, or use --task classification"
        )
    infinite = np.isinf(cells.numbers)
    if infinite.any():
        row = first_row(infinite)
        raise DataError(
            f"target {quoted(cells.name)} is beyond float64 in row {row} ({quoted(cells.at(row))}): correct it"
        )


def _check_classes(cells: Cells, labels: list[Label]) -> None:
    """Refuse numbers in disguise, and as many classes as rows."""
    target, rows, distinct = f"target {quoted(cells.name)}", int((~cells.missing).sum()), len(set(labels))
    if isinstance(labels[0], str):
        plain = cells.are_numbers
        decorated = np.array([is_decorated(level) for level in cells.levels])
        if decorated.any() and (decorated | plain).all() and amounts_of(cells, ".").writing == PLAIN:
            row, text = cells.first(decorated)
            raise DataError(
                f"{target} writes its numbers in more than one way ({quoted(text)} in row {row}): "
                "write plain numbers such as 1234.5"
            )
        odd = int(cells.level_counts[~plain].sum())
        if plain.sum() > FEW and 0 < odd < 0.5 * rows:
            row, text = cells.first(~plain)
            raise DataError(
                f"{target} holds numbers except in {counted(odd, 'row')} ({quoted(text)} in row {row}): "
                f"correct {'it' if odd == 1 else 'them'}, or remove the row"
            )
    if distinct > 2 and 2 * distinct > rows:
        raise DataError(
            f"{target} has {distinct} different values in {counted(rows, 'row')}, too many for classes: "
            "choose another column with --target, or group its values"
        )
