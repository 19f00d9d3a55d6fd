"""What was made of each column: a record for programs, and sentences for people, in the order of their weight."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from retrograd.data._wording import counted, listed, quoted
from retrograd.data.cells import Cells, first_row
from retrograd.data.date_encoder import Dates, shown
from retrograd.data.dates import DAY, moment_of
from retrograd.data.encoders import Boolean, Categorical, Dropped, Encoder, Numeric
from retrograd.data.kinds import Kind, Reason, Verdict
from retrograd.data.numbers import PLAIN

_SHOWN = 6  # columns named in a sentence


@dataclass(frozen=True)
class ColumnReport:
    """What was made of a feature column.

    Attributes:
        name: the column's.
        kind: `numeric`, `boolean`, `categorical`, `date`, or `dropped` if it is left out.
        reason: why it is left out: `empty`, `id`, `text`, `levels` (too many categories), `duplicate`, `constant` (in
            the training rows); None if it is used.
        said: what is particular about it, to be read after its name; empty if nothing is.
        inputs: how many inputs it makes.
        rows: cells in the table.
        missing: those that are missing.
        distinct: different texts or numbers among the others.
        pooled: different categories that share the input `(other)`, or that no training row has.
        pooled_cells: the cells that hold one of those.
        fill: what a missing cell takes, as text; None where it has an input of its own, or takes nothing.
        low: the least number; of dates, in days since 1970. None if there are no numbers.
        middle: the median, likewise.
        high: the largest, likewise.
    """

    name: str
    kind: Kind
    reason: Reason | None
    said: str
    inputs: int
    rows: int
    missing: int
    distinct: int
    pooled: int = 0
    pooled_cells: int = 0
    fill: str | None = None
    low: float | None = None
    middle: float | None = None
    high: float | None = None


def report_on(encoder: Encoder, verdict: Verdict) -> ColumnReport:
    """The record of one column.

    Args:
        encoder: fitted to the training rows.
        verdict: what the column was judged to be, with all its cells.
    """
    cells, kind, reason = verdict.cells, verdict.kind, verdict.reason
    missing = cells.missing
    said, fill, pooled, pooled_cells = verdict.said, None, 0, 0
    low, middle, high = _spread(verdict)
    if isinstance(encoder, Dropped) and kind != "dropped":
        kind, reason, said = "dropped", "constant", "is the same in all training rows"
    elif isinstance(encoder, Numeric):
        missing, fill = np.isnan(cells.numbers), f"{encoder.fill:g}"
        if encoder.writing != PLAIN:
            said = _written(cells)
    elif isinstance(encoder, Boolean) and not encoder.missing:
        fill = "true" if encoder.fill else "false"
    elif isinstance(encoder, Dates):
        said = _dates_said(encoder, cells.levels)
        fill = None if encoder.missing else shown(encoder.fill, clock=encoder.clock)
    elif isinstance(encoder, Categorical):
        others = np.array([level in set(encoder.others) for level in cells.levels], dtype=bool)
        pooled, pooled_cells = int(others.sum()), int(cells.level_counts[others].sum())
        fill = None if encoder.missing else "none of the categories"
    distinct = len(cells.levels) if cells.given is None else len(np.unique(cells.given[~cells.missing]))
    counts = (len(encoder.input_names), len(cells), int(missing.sum()), distinct, pooled, pooled_cells)
    return ColumnReport(cells.name, kind, reason, said, *counts, fill, low, middle, high)


def notes_on(columns: Sequence[ColumnReport]) -> Iterator[str]:
    """Sentences on the columns of a table."""
    yield _kinds(columns)
    for reason, sentence in _LEFT_OUT.items():
        names = [column for column in columns if column.reason == reason]
        if names and reason in {"constant", "empty"}:
            yield f"{sentence}: {listed([column.name for column in names], _SHOWN)}."
        elif names:
            keep = " (--keep takes it all the same)" if reason in {"id", "text", "levels"} else ""
            yield f"{sentence}{keep}: {_cut([f'{quoted(column.name)} {column.said}' for column in names])}."
    if dates := [f"{quoted(column.name)} ({column.said})" for column in columns if column.kind == "date"]:
        yield f"Dates become the time passed, and where in the day, week and year: {_cut(dates)}."
    if written := [f"{quoted(c.name)} ({c.said})" for c in columns if c.kind == "numeric" and c.said]:
        yield f"Numbers are not written plainly: {_cut(written)}."
    yield from _on_missing(columns)
    if pooled := [
        f"{quoted(c.name)} ({counted(c.pooled, 'category', 'categories')} in {counted(c.pooled_cells, 'row')})"
        for c in columns
        if c.pooled
    ]:
        yield f"Categories that are rare, or in no training row, are taken together: {_cut(pooled)}."


_LEFT_OUT: dict[Reason, str] = {
    "id": "Left out, as nothing can be learned from what names the rows",
    "text": "Left out, as free text is no category",
    "levels": "Left out, as it has too many categories",
    "duplicate": "Left out, as another column says the same",
    "empty": "Left out, as there is nothing in it",
    "constant": "Left out, as it is the same in all training rows",
}


def _on_missing(columns: Sequence[ColumnReport]) -> Iterator[str]:
    """Sentences on missing cells."""

    def those(chosen: Callable[[ColumnReport], bool], told: Callable[[ColumnReport], str]) -> str:
        return _cut([told(column) for column in columns if column.missing and column.inputs and chosen(column)])

    def gaps(column: ColumnReport) -> str:
        return f"{column.missing} of {counted(column.rows, 'row')}"

    if filled := those(lambda c: c.kind == "numeric", lambda c: f"{quoted(c.name)} ({gaps(c)}, {c.fill})"):
        yield f"Missing numbers take the median of the training rows: {filled}."
    if own := those(lambda c: c.kind != "numeric" and c.fill is None, lambda c: f"{quoted(c.name)} ({gaps(c)})"):
        yield f"Missing values have an input of their own: {own}."


def _kinds(columns: Sequence[ColumnReport]) -> str:
    """`5 columns make 9 inputs: 3 numeric, standardised ('a', 'b', 'c'); 2 categorical, ... ('d', 'e').`."""
    described: dict[Kind, str] = {
        "numeric": "numeric, standardised",
        "boolean": "true or false, as 1 and 0",
        "date": "of dates or times",
        "categorical": "categorical, an input for each category",
        "dropped": "left out",
    }
    parts = []
    for kind, description in described.items():
        names = [column.name for column in columns if column.kind == kind]
        if names:
            parts.append(f"{len(names)} {description} ({listed(names, _SHOWN)})")
    inputs = sum(column.inputs for column in columns)
    verb = "makes" if len(columns) == 1 else "make"
    return f"{counted(len(columns), 'column')} {verb} {counted(inputs, 'input')}: {'; '.join(parts)}."


def _dates_said(encoder: Dates, texts: Sequence[str]) -> str:
    """What the first text means, and which parts are used."""
    moment = moment_of(texts[0], day_first=encoder.day_first)
    assert moment is not None
    meaning = shown(moment.elapsed / DAY, clock=True) if encoder.clock else shown(moment.day or 0, clock=False)
    read = "" if texts[0].startswith(meaning) else f"{quoted(texts[0])} is {meaning}"
    zone = "in UTC" if encoder.zoned else ""
    parts = f"with {', '.join(encoder.parts)}" if encoder.parts else ""
    return ", ".join(part for part in (read, parts, zone) if part) or "one day or time in all"


def _written(cells: Cells) -> str:
    """What the first number is read as."""
    row = first_row(~np.isnan(cells.numbers))
    return f"{quoted(cells.at(row))} is read as {cells.numbers[row - 1]:.15g}"


def _spread(verdict: Verdict) -> tuple[float, float, float] | tuple[None, None, None]:
    """Least, median and largest of the numbers or days that are there."""
    cells = verdict.cells
    if verdict.kind == "numeric":
        numbers = cells.numbers
    elif verdict.kind == "date":
        moments = [moment_of(level, day_first=verdict.day_first) for level in cells.levels]
        days = [math.nan if moment is None else moment.elapsed / DAY for moment in moments]
        numbers = np.array([*days, math.nan])[cells.codes]
    else:
        return None, None, None
    present = numbers[~np.isnan(numbers)]
    return float(present.min()), float(np.median(present)), float(present.max())


def _cut(parts: Sequence[str]) -> str:
    """The parts with commas; a long list is cut and says by how much."""
    rest = len(parts) - _SHOWN
    return ", ".join(parts[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
