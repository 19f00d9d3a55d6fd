"""What a feature column is (numbers, truth values, categories), or why it cannot be used yet and what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrograd.data._wording import counted, drop_options, quoted
from retrograd.data.cells import TRUTH, Cells, decoration_of, first_row, is_date
from retrograd.errors import DataError

Kind = Literal["numeric", "boolean", "categorical", "empty"]

MOST_LEVELS = 100
"""A text column may have this many different texts, and at most half as many as cells that hold any (but 10 always)."""

_ROW_ID = re.compile(
    r"(?i:ids?|index|idx|row|row[ _]?(number|num|no|id)|nr|no|key|uuid|guid)|.*[\s_.-](?i:id|uuid|guid)|.*[a-z]I[dD]"
)


@dataclass(frozen=True)
class Problem:
    """Why a column cannot be used.

    Attributes:
        column: its name.
        reason: what is wrong, to be read after the column's name.
        remedy: what to do, an imperative.
    """

    column: str
    reason: str
    remedy: str


def kind_of(cells: Cells) -> Kind | Problem:
    """A feature column's kind, judged from all its cells.

    Numbers are a column of which every present cell is a number; truth values one of true, false, yes and no in any
    case; everything else is text, hence categories if there are few different ones. `empty` has no present cell.
    """
    if cells.missing.all():
        return "empty"
    if cells.dtype == "date":
        return _dates(cells, np.ones(len(cells.levels), dtype=bool))
    if cells.dtype == "truth":
        return "boolean"
    if cells.given is not None:
        return _trouble_with_numbers(cells) or "numeric"
    if cells.dtype == "text":
        if cells.are_numbers.all() and not np.isnan(cells.numbers).all():
            return _trouble_with_numbers(cells) or "numeric"
        if all(level.casefold() in TRUTH for level in cells.levels):
            return "boolean"
        if disguised := _disguised(cells):
            return disguised
    return _too_many(cells) or "categorical"


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one line for all the columns that cannot be used; do nothing if there are none.

    Raises:
        DataError: there are problems.
    """
    if len(problems) == 1:
        (problem,) = problems
        raise DataError(f"column {quoted(problem.column)} {problem.reason}: {problem.remedy}")
    if problems:
        columns = ", ".join(f"{quoted(problem.column)} ({problem.reason})" for problem in problems)
        drops = drop_options([problem.column for problem in problems])
        raise DataError(f"{len(problems)} columns cannot be used: {columns}: correct them, or leave them out: {drops}")


def _dropping(cells: Cells) -> str:
    return f"leave it out with {drop_options([cells.name])}"


def _trouble_with_numbers(cells: Cells) -> Problem | None:
    """Infinite numbers, and numbers that only name the rows."""
    infinite = np.isinf(cells.numbers)
    if infinite.any():
        row = first_row(infinite)
        return Problem(
            cells.name,
            f"has a number that is infinite or beyond float64 ({quoted(cells.at(row))} in row {row})",
            "correct it, or leave the cell empty if the value is not known",
        )
    present = cells.numbers[~np.isnan(cells.numbers)]
    if (
        _ROW_ID.fullmatch(cells.name)
        and len(present) == len(cells) > 1
        and len(np.unique(present)) == len(cells)
        and not (present % 1).any()
    ):
        return Problem(
            cells.name,
            "names the rows, a different integer in each, so nothing can be learned from it",
            _dropping(cells),
        )
    return None


def _disguised(cells: Cells) -> Problem | None:
    """Texts that are meant as numbers or dates."""
    present, numbers = int(cells.level_counts.sum()), cells.are_numbers
    decorations = [None if plain else decoration_of(level) for plain, level in zip(numbers, cells.levels, strict=True)]
    decorated = np.array([decoration is not None for decoration in decorations])
    if decorated.any() and (numbers | decorated).all():
        row, text = cells.first(decorated)
        return Problem(
            cells.name,
            f"writes its numbers with {decorations[cells.levels.index(text)]} ({quoted(text)} in row {row})",
            f"write plain numbers such as 1234.5, or {_dropping(cells)}",
        )
    dates = np.array([is_date(level) for level in cells.levels])
    if int(cells.level_counts[dates].sum()) > 0.8 * present:
        return _dates(cells, dates)
    strange = ~numbers & ~decorated
    odd = int(cells.level_counts[strange].sum())
    few = odd < 0.1 * present or (odd < 0.5 * present and int(strange.sum()) <= 5)
    if odd and few and int(numbers.sum()) > 10:
        row, text = cells.first(strange)
        return Problem(
            cells.name,
            f"holds numbers except in {counted(odd, 'row')} ({quoted(text)} in row {row})",
            f"correct {'it' if odd == 1 else 'them'}, leave a cell empty where the value is not known, or "
            + _dropping(cells),
        )
    return None


def _too_many(cells: Cells) -> Problem | None:
    """Names, addresses and other texts that hardly ever come twice."""
    present = int(cells.level_counts.sum())
    if len(cells.levels) <= max(10, min(MOST_LEVELS, present // 2)):
        return None
    return Problem(
        cells.name,
        f"has {len(cells.levels)} different texts in {counted(present, 'row')}, too many for categories",
        f"group them into fewer, or {_dropping(cells)}",
    )


def _dates(cells: Cells, dates: np.ndarray) -> Problem:
    """A column of dates or times; `dates`, bool (levels,), says which."""
    row, text = cells.first(dates)
    return Problem(
        cells.name,
        f"holds dates or times ({quoted(text)} in row {row}), which are not read yet",
        f"replace it by numbers (year, month, weekday, days since ...), or {_dropping(cells)}",
    )
