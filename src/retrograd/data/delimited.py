"""Text files of rows and columns (CSV and its relatives), read as they are written: every cell as text.

Nothing is guessed about types here. A column of a training file and the same column of a shorter file are then read
alike, whatever their cells look like to a type guesser, and labels keep their spelling.
"""

import csv
import io
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from retrograd.data._wording import counted, quoted
from retrograd.data.files import decoded
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SAMPLE = 50  # records that are looked at to find the separator


def read_delimited(content: bytes, name: str, *, header: bool = True) -> "tuple[pd.DataFrame, list[str]]":
    """A text file's table, every cell as text, and sentences on how it was read.

    Commas, semicolons, tabs and vertical bars separate; the header's first line decides together with the lines below.

    Args:
        content: the file's bytes, unpacked.
        name: what to call it in messages.
        header: whether the first line names the columns; otherwise they are called 1, 2, 3, ...

    Returns:
        A frame of dtype object whose cells are `str`, its columns the header's names without surrounding blanks; notes.

    Raises:
        DataError: the file cannot be read, or is no table; one line that says why and what to do.
    """
    text, notes = decoded(content, name)
    if not text.strip():
        raise DataError(f"{name} is empty: a header line and rows are needed")
    separator = _separator(text)
    table = _parsed(text, separator, name)
    _check_lengths(text, separator, table.shape[1], name)
    if separator != ",":
        notes.append(f"{name} separates its columns by {SEPARATORS[separator]}.")
    if not header:
        table.columns = [str(place + 1) for place in range(table.shape[1])]
        return table, notes
    titles = [str(cell).strip() for cell in table.iloc[0]]
    frame = table.iloc[1:].reset_index(drop=True)
    frame, titles, left_out = _without_nameless(frame, titles, name)
    _check_header(titles, name)
    if not len(frame):
        raise DataError(f"{name} has a header but no rows below it")
    frame.columns = titles
    return frame, [*notes, *left_out]


def _separator(text: str) -> str:
    """The separator that parts the header, and the lines below it most evenly; a comma if none does."""
    best, found = (0.0, 0), ","
    for separator in SEPARATORS:
        try:
            records = [len(record) for record in islice(_records(text, separator), _SAMPLE)]
        except csv.Error:
            continue
        width = records[0] if records else 0
        if width > 1:
            alike = records.count(width) / len(records)
            if (alike, width) > best:
                best, found = (alike, width), separator
    return found


def _records(text: str, separator: str) -> "filter[list[str]]":
    """The records of a text as lists of cells, without blank lines."""
    return filter(any, csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True))


def _parsed(text: str, separator: str, name: str) -> "pd.DataFrame":
    """All records, the header first, every cell as text."""
    import pandas as pd

    try:
        return pd.read_csv(
            io.StringIO(text, newline=""),
            sep=separator,
            header=None,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            skipinitialspace=True,
            low_memory=False,
        )
    except pd.errors.ParserError as error:
        raise DataError(f"{name} {_explained(str(error))}") from error


def _explained(message: str) -> str:
    """A parser's error in the words of someone who looks at the file."""
    if wide := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message):
        expected, line, seen = wide.groups()
        return (
            f"has {counted(int(expected), 'column')}, but line {line} has {seen}: correct that line; "
            "a cell that holds the separator has to stand in double quotes"
        )
    if "EOF inside string" in message:
        return 'has a double quote that is never closed: look for a lone " and close it, or remove it'
    return f"cannot be parsed: {' '.join(message.split())}"


def _check_lengths(text: str, separator: str, width: int, name: str) -> None:
    """Refuse lines that are too short; pandas would fill them up without a word."""
    if '"' in text:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        try:
            records = [(reader.line_num, record) for record in reader]
        except csv.Error as error:
            raise DataError(f"{name} cannot be parsed: line {reader.line_num}: {error}") from error
        lengths = [(number, len(record)) for number, record in records if len(record) > 1 or "".join(record).strip()]
    else:
        lines = enumerate(text.split("\n"), start=1)
        lengths = [(number, line.count(separator) + 1) for number, line in lines if line and not line.isspace()]
    short = [(number, length) for number, length in lengths if length < width]
    if short:
        number, length = short[0]
        others = f" (and {counted(len(short) - 1, 'other line')} likewise)" if len(short) > 1 else ""
        raise DataError(
            f"{name} has {width} columns, but line {number} has only {length}{others}: "
            "correct it; an empty cell still needs its separator"
        )


def _without_nameless(
    frame: "pd.DataFrame", header: list[str], name: str
) -> "tuple[pd.DataFrame, list[str], list[str]]":
    """Leave out columns without a name that hold nothing, or only number the rows (a saved index); refuse others."""
    notes, kept = [], []
    for place, title in enumerate(header):
        if title:
            kept.append(place)
            continue
        cells = [str(cell).strip() for cell in frame.iloc[:, place]]
        if not any(cells):
            continue
        if len(set(cells)) < len(cells) or not all(cell.isdecimal() for cell in cells):
            raise DataError(f"{name} has a column without a name (column {place + 1}): name it in the header line")
        notes.append(f"Column {place + 1} has no name and only numbers the rows: left out.")
    return frame.iloc[:, kept], [header[place] for place in kept], notes


def _check_header(header: list[str], name: str) -> None:
    """Refuse a name that two columns bear, and a header without any."""
    if not header:
        raise DataError(f"{name} has no named column: its first line has to name the columns")
    twice = [title for title, count in Counter(header).items() if count > 1]
    if twice:
        places = " and ".join(str(place + 1) for place, title in enumerate(header) if title == twice[0])
        raise DataError(f"{name} has two columns called {quoted(twice[0])} (columns {places}): rename one of them")
