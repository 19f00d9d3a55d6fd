"""What a feature column is: numbers, truth values, dates, categories, nothing to learn from, or unusable as it stands.

What says nothing about other rows (names of rows, free text, empty columns) is left out and that is said. What is
probably a mistake (text among numbers, two ways of writing dates) is refused: only a person knows what was meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrograd.data._wording import counted, drop_options, quoted
from retrograd.data.cells import Cells, first_row
from retrograd.data.dates import Doubt, are_numbered_days, day_first_in, is_date, moment_of
from retrograd.data.numbers import PLAIN, decimal_of, is_decorated, looks_grouped, number_in, writing_of
from retrograd.errors import DataError

Kind = Literal["numeric", "boolean", "categorical", "date", "dropped"]
Reason = Literal["empty", "id", "text", "levels", "duplicate", "constant"]

ALWAYS = 10
"""So few different texts are categories, however few rows each has."""

MOST_LEVELS = 100
"""So many categories of a column have an input each, the most frequent ones; the others share one."""

_ROW_ID = re.compile(
    r"(?i:ids?|index|idx|row|row[ _]?(number|num|no|id)|nr|no|key|uuid|guid)|.*[\s_.-](?i:id|uuid|guid)|.*[a-z]I[dD]"
)
_LONG_TRUTH = {"true", "false", "yes", "no"}
_PAIRS = ({"y", "n"}, {"t", "f"}, {"on", "off"})


@dataclass(frozen=True)
class Choices:
    """What is known of columns beyond their own cells.

    Attributes:
        keep: columns to use though they look like names of rows, or have too many different texts.
        categories: columns to take for categories, whatever they look like.
        day_first: whether 1/2/2020 is in February, for columns that do not show it themselves.
        decimal: the decimal mark that other columns of the table leave no doubt about.
    """

    keep: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    day_first: bool | None = None
    decimal: str = "."


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a column is.

    Attributes:
        kind: the kind of encoder that it gets; `dropped` if it is left out.
        cells: its cells, read as the kind needs.
        reason: why it is left out.
        said: the same in words, to be read after the column's name.
        day_first: of dates, whether 1/2/2020 is in February.
    """

    kind: Kind
    cells: Cells
    reason: Reason | None = None
    said: str = ""
    day_first: bool = False


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


def judge(cells: Cells, choices: Choices = Choices()) -> Verdict | Problem:
    """A feature column's kind, judged from all its cells.

    Numbers are a column of which every present cell is a number, all written in one way; truth values one of words such
    as true, false, yes and no; dates one of which every cell is a date or every cell a time of day; everything else is
    text, hence categories if enough cells hold one that comes often.
    """
    if cells.missing.all():
        return Verdict("dropped", cells, "empty", "is empty")
    if cells.name in choices.categories:
        return Verdict("categorical", cells)
    if cells.dtype == "truth":
        return Verdict("boolean", cells)
    if cells.dtype == "category":
        return _many_texts(cells, choices) or Verdict("categorical", cells)
    if _all_numbers(cells):
        return _numbers(cells, choices)
    if _are_truth({level.casefold() for level in cells.levels}):
        return Verdict("boolean", cells)
    writing = writing_of(cells.levels, choices.decimal)
    if writing is not None:
        return _numbers(cells.written(writing), choices)
    return _dates(cells, choices) or _mixed(cells) or _many_texts(cells, choices) or Verdict("categorical", cells)


def decimal_in(columns: Sequence[Cells]) -> str:
    """The decimal mark that the columns of a table leave no doubt about; a point if they do, or differ."""
    marks = {decimal_of(cells.levels) for cells in columns if cells.dtype == "text" and cells.levels}
    return "," if "," in marks and "." not in marks else "."


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


def rare_below(cells: int) -> int:
    """A category of fewer rows is rare: 2 in a column of up to 299 cells, 5 in one of 500 and more.

    >>> [rare_below(cells) for cells in (12, 299, 300, 500, 10**6)]
    [2, 2, 3, 5, 5]
    """
    return min(5, max(2, cells // 100))


def _dropping(cells: Cells) -> str:
    return f"leave it out with {drop_options([cells.name])}"


def _all_numbers(cells: Cells) -> bool:
    """Whether every cell is a plain number, or marks a missing one."""
    return cells.given is not None or (bool(cells.are_numbers.all()) and not np.isnan(cells.numbers).all())


def _are_truth(words: set[str]) -> bool:
    """Whether words in lower case are true and false: single letters only as a pair, as F and N are no pair."""
    return words <= _LONG_TRUTH or any(words <= pair for pair in _PAIRS)


def _numbers(cells: Cells, choices: Choices) -> Verdict | Problem:
    """Numbers, unless they are days in disguise, only name the rows, or are not finite."""
    if _may_be_days(cells) and are_numbered_days(cells.levels):
        return Verdict("date", cells)
    if cells.writing == PLAIN and cells.given is None and choices.decimal == "," and looks_grouped(cells.levels):
        cells = cells.written(",")
    infinite = np.isinf(cells.numbers)
    if infinite.any():
        row = first_row(infinite)
        return Problem(
            cells.name,
            f"has a number that is infinite or beyond float64 ({quoted(cells.at(row))} in row {row})",
            "correct it, or leave the cell empty if the value is not known",
        )
    if cells.name not in choices.keep and (said := _names_rows(cells)):
        return Verdict("dropped", cells, "id", said)
    return Verdict("numeric", cells)


def _may_be_days(cells: Cells) -> bool:
    """Whether numbers lie between 19000101 and 21001231: cheap to see, before every one is looked at."""
    bounds = np.nanmin(cells.numbers), np.nanmax(cells.numbers)
    return cells.writing == PLAIN and cells.dtype != "float" and 19000101 <= bounds[0] <= bounds[1] <= 21001231


def _names_rows(cells: Cells) -> str | None:
    """Why whole numbers only name the rows: a different one in each, and called so, or counting from 0 or 1.

    Different whole numbers alone may well say something, as inhabitants do; so may years, which count from elsewhere.
    """
    numbers = cells.numbers
    if len(numbers) < 2 or np.isnan(numbers).any() or (numbers % 1).any() or len(np.unique(numbers)) < len(numbers):
        return None
    if _ROW_ID.fullmatch(cells.name):
        return "names the rows, a different integer in each"
    if numbers[0] in {0, 1} and (np.diff(numbers) == 1).all():
        return f"counts the rows from {numbers[0]:.0f}"
    return None


def _dates(cells: Cells, choices: Choices) -> Verdict | Problem | None:
    """Dates or times of day, if nearly all cells are."""
    dates = np.array([is_date(level) for level in cells.levels])
    present, found = int(cells.level_counts.sum()), int(cells.level_counts[dates].sum())
    if found <= 0.8 * present:
        return None
    if found < present:
        row, text = cells.first(~dates)
        return _date_problem(cells, f"except in {counted(present - found, 'row')} ({quoted(text)} in row {row})")
    order = day_first_in(cells.levels, choices.day_first)
    if isinstance(order, Doubt):
        return Problem(cells.name, f"holds dates {order.why}", f"{order.remedy}, or {_dropping(cells)}")
    moments = [moment for level in cells.levels if (moment := moment_of(level, day_first=order))]
    for what, alike in (
        ("beside times of day", [moment.day is not None for moment in moments]),
        ("with a time zone and without one", [moment.zoned for moment in moments]),
    ):
        if len(set(alike)) == 2:
            row, text = cells.first(np.array(alike) != alike[0])
            return _date_problem(cells, f"{what} ({quoted(text)} in row {row})")
    return Verdict("date", cells, day_first=order)


def _date_problem(cells: Cells, what: str) -> Problem:
    return Problem(
        cells.name,
        f"holds dates or times {what}",
        f"write all alike, such as 2020-01-31, leave a cell empty where it is not known, or {_dropping(cells)}",
    )


def _mixed(cells: Cells) -> Problem | None:
    """Numbers in two ways of writing, and texts among numbers."""
    numbers = cells.are_numbers
    decorated = np.array(
        [not plain and is_decorated(level) for plain, level in zip(numbers, cells.levels, strict=True)]
    )
    take = f"or take it for categories with --category, or {_dropping(cells)}"
    if decorated.any() and (numbers | decorated).all():
        row, text = cells.first(decorated)
        unlike = np.array([number_in(level, writing_of([text], ".") or PLAIN) is None for level in cells.levels])
        other_row, other = cells.first(unlike)
        examples = f"{quoted(text)} in row {row}, {quoted(other)} in row {other_row}"
        return Problem(
            cells.name,
            f"writes its numbers in more than one way ({examples})",
            f"write plain numbers such as 1234.5, {take}",
        )
    strange = ~numbers & ~decorated
    present, odd = int(cells.level_counts.sum()), int(cells.level_counts[strange].sum())
    few = odd < 0.1 * present or (odd < 0.5 * present and int(strange.sum()) <= 5)
    if odd and few and int((~strange).sum()) > 10:
        row, text = cells.first(strange)
        return Problem(
            cells.name,
            f"holds numbers except in {counted(odd, 'row')} ({quoted(text)} in row {row})",
            f"correct {'it' if odd == 1 else 'them'}, leave a cell empty where the value is not known, {take}",
        )
    return None


def _many_texts(cells: Cells, choices: Choices) -> Verdict | None:
    """Names, addresses and other texts that hardly ever come twice."""
    counts, levels = cells.level_counts, len(cells.levels)
    present = int(counts.sum())
    if levels <= ALWAYS or cells.name in choices.keep:
        return None
    often = np.sort(counts[counts >= rare_below(present)])[::-1][:MOST_LEVELS]
    if 2 * int(often.sum()) >= present:
        return None
    many = f"{levels} different texts in {counted(present, 'row')}"
    if 2 * sum(len(level.split()) > 2 for level in cells.levels) > levels:
        return Verdict("dropped", cells, "text", f"holds free text, {many}")
    if levels == len(cells):
        return Verdict("dropped", cells, "id", "names the rows, a different text in each")
    rare = 2 * int((counts < rare_below(present)).sum()) > levels
    which = "most of them rare" if rare else f"less than half of which hold the {MOST_LEVELS} most frequent"
    return Verdict("dropped", cells, "levels", f"has {many}, {which}")
