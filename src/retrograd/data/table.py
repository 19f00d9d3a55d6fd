"""A table to learn from, and where it came from: a built-in set by name, a text or Parquet file, or a DataFrame."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrograd.data._wording import listed, meant, quoted
from retrograd.data.builtin import BUILTIN, TARGET, load_builtin
from retrograd.data.delimited import read_delimited
from retrograd.data.files import content_of
from retrograd.data.parquet import START as PARQUET
from retrograd.data.parquet import read_parquet
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Table:
    """Rows and named columns, one of which may be the target.

    Attributes:
        frame: n rows. From a file every cell is text, as written; the built-in sets and DataFrames keep their dtypes.
        target: the name of the column to predict, or None where that has not been said.
        name: what to call the table: `digits`, `titanic.csv`.
        notes: sentences on how it was read, to be printed.
    """

    frame: "pd.DataFrame"
    target: str | None
    name: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, the target's among them."""
        return tuple(str(column) for column in self.frame.columns)

    @property
    def features(self) -> "pd.DataFrame":
        """The table without its target.

        Raises:
            DataError: nothing is left.
        """
        features = self.frame if self.target is None else self.frame.drop(columns=self.target)
        if not len(features.columns):
            raise DataError(
                f"{quoted(self.name)} has only the column {listed(self.columns)}: nothing to predict it from"
            )
        return features

    @property
    def labels(self) -> "pd.Series[Any]":
        """The target column.

        Raises:
            DataError: which one it is has not been said.
        """
        if self.target is None:
            raise DataError(
                f"say which column of {quoted(self.name)} to predict with --target; the columns are: "
                f"{listed(self.columns, 40)}"
            )
        return self.frame[self.target]

    def named(self, names: Iterable[str], role: str) -> tuple[str, ...]:
        """The names of feature columns, checked.

        Raises:
            DataError: there is no such column, or it is the target; `role` says what it was named for.
        """
        found = tuple(_column(name.strip(), self.columns, self.name, role) for name in names)
        if self.target in found:
            raise DataError(f"{role} {quoted(self.target)}: that is the target")
        return found

    def with_target(self, target: str) -> "Table":
        """The same table with another target.

        Raises:
            DataError: it has no such column.
        """
        return replace(self, target=_column(target.strip(), self.columns, self.name, "target"))


def load(
    source: "str | os.PathLike[str] | pd.DataFrame",
    target: str | None = None,
    *,
    drop: Iterable[str] = (),
    header: bool = True,
) -> Table:
    """Read a table.

    Args:
        source: the name of a built-in set (`retrograd.data.BUILTIN`); the path of a CSV file, which may be separated by
            commas, semicolons, tabs or vertical bars and compressed with gzip, bzip2, xz or zip, or of a Parquet file
            (for a file that is called like a built-in set write `./digits`); or a DataFrame.
        target: the column to predict. Built-in sets have one of their own; a table to predict for needs none.
        drop: columns to leave out.
        header: whether a text file's first line names the columns; otherwise they are called 1, 2, 3, ...

    Raises:
        DataError: there is no such set or file, it cannot be read, or a column is not there; one line that says what
            to do.
    """
    drop = tuple(drop)
    if not header and not _is_text_file(source):
        raise DataError("only a text file can be without a header line: leave out --no-header")
    if not isinstance(source, (str, os.PathLike)):
        table = _from_frame(source)
    elif isinstance(source, str) and source in BUILTIN:
        table = Table(load_builtin(source), TARGET, source)
    else:
        table = _from_file(_existing(source), drop, header=header)
    if target is not None:
        table = table.with_target(target)
    dropped = [_column(name.strip(), table.columns, table.name, "--drop") for name in drop]
    if table.target in dropped:
        raise DataError(f"column {quoted(table.target)} is the target and cannot be dropped as well")
    return replace(table, frame=table.frame.drop(columns=dropped))


def _column(name: str, columns: Sequence[str], table: str, role: str) -> str:
    """The name, if it is a column's."""
    if name in columns:
        return name
    hint = meant(name, columns) or "."
    if len(columns) == 1 and len(columns[0].split()) > 1:
        hint = "; if blanks separate its columns, write commas instead."
    elif any(_is_number(column) for column in columns):
        hint = (
            "; its first line looks like data: put a line with the columns' names above it, or say --no-header, and "
            "the columns are called 1, 2, 3, ..."
        )
    raise DataError(
        f"{role} {quoted(name)} is no column of {quoted(table)}{hint} The columns are: {listed(columns, 40)}"
    )


def _is_text_file(source: object) -> bool:
    """Whether a source can be a text file at all; files are looked into later."""
    return isinstance(source, (str, os.PathLike)) and source not in BUILTIN


def _from_file(path: Path, drop: Sequence[str], *, header: bool) -> Table:
    """A table of a file, whichever kind it is."""
    content, name = content_of(path), quoted(path.name)
    if content.startswith(PARQUET):
        if not header:
            raise DataError(f"{name} is a Parquet file, which names its columns: leave out --no-header")
        frame, notes = read_parquet(content, name, drop={column.strip() for column in drop})
    else:
        frame, notes = read_delimited(content, name, header=header)
    return Table(frame, None, path.name, tuple(notes))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_frame(frame: "pd.DataFrame") -> Table:
    """A table of a DataFrame's columns, their names made text without surrounding blanks."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a table is a built-in set's name, a path or a DataFrame, not a {type(frame).__name__}")
    names = [str(column).strip() for column in frame.columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"the DataFrame has two columns called {quoted(twice[0])}: rename one of them")
    if not len(frame):
        raise DataError("the DataFrame has no rows")
    renamed = frame.copy(deep=False)
    renamed.columns = names
    return Table(renamed, None, "DataFrame")


def _existing(source: "str | os.PathLike[str]") -> Path:
    """The path of a file that is there."""
    text = os.fspath(source)
    builtin = f"The built-in sets are: {', '.join(BUILTIN)}"
    if not text.strip():
        raise DataError(f"the data has no name: give a CSV file, or a built-in set. {builtin}")
    if "://" in text:
        raise DataError(f"{text!r} is an address: download the file first, then give its path")
    path = Path(text).expanduser()
    try:
        folder, there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{text!r} cannot be a path: {error}") from error
    if folder:
        raise DataError(f"{text!r} is a folder: give one CSV file")
    if there:
        return path
    near = meant(path.name, [*BUILTIN, *_neighbours(path)] if path.name == text else _neighbours(path))
    raise DataError(f"there is no file {text!r}{near or '.'} {builtin}")


def _neighbours(path: Path) -> list[str]:
    """The names of the files in a path's folder."""
    try:
        return sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    except OSError:
        return []
