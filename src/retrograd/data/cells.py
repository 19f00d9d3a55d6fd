"""One column read into something definite: numbers, or codes of distinct texts. What a cell means is decided here.

A column comes from a CSV file (every cell text) or from anybody's DataFrame (any dtype). Both end as `Cells`, so that
one set of rules types them, and a number is the same float64 whichever way it came.
"""

import datetime as dt
import decimal
import math
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.data._wording import quoted
from retrograd.data.numbers import PLAIN, number_in
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MISSING = frozenset({"", "?", "na", "n/a", "nan", "-nan", "null", "<na>", "#n/a", "#na", "#n/a n/a"})
"""Texts, in lower case, that mark a missing cell in any column."""

TRUTH = {
    "false": 0.0,
    "no": 0.0,
    "n": 0.0,
    "f": 0.0,
    "off": 0.0,
    "true": 1.0,
    "yes": 1.0,
    "y": 1.0,
    "t": 1.0,
    "on": 1.0,
}
"""Texts, in lower case, that say false or true."""


class Cells:
    """A column of n cells, read as numbers and as texts; each reading is made when it is first asked for.

    Attributes:
        name: the column's name.
        dtype: what the column said of itself: `integer`, `float`, `truth`, `category` (declared so), `text` or `date`.
        given: float64 (n,) with NaN for missing, where the column came as numbers or truth values; otherwise None.
        writing: how its texts write numbers; see `retrograd.data.numbers`.
    """

    def __init__(
        self,
        name: str,
        dtype: str,
        *,
        given: np.ndarray | None = None,
        coded: tuple[np.ndarray, tuple[str, ...]] | None = None,
        writing: str = PLAIN,
    ) -> None:
        self.name, self.dtype, self.given, self.writing = name, dtype, given, writing
        self._coded = coded

    def __len__(self) -> int:
        return len(self.codes if self.given is None else self.given)

    @cached_property
    def _texts(self) -> tuple[np.ndarray, tuple[str, ...]]:
        if self._coded is not None:
            return self._coded
        assert self.given is not None
        return _coded_numbers(self.given, self.name, truth=self.dtype == "truth")

    @property
    def codes(self) -> np.ndarray:
        """Each cell's place in `levels`, -1 where the cell is missing: int64 (n,)."""
        return self._texts[0]

    @property
    def levels(self) -> tuple[str, ...]:
        """The distinct present cells as text, without surrounding blanks."""
        return self._texts[1]

    @cached_property
    def missing(self) -> np.ndarray:
        """Where a cell is missing: bool (n,)."""
        return self.codes < 0 if self.given is None else np.isnan(self.given)

    @cached_property
    def level_counts(self) -> np.ndarray:
        """How many cells hold each level: int64 (levels,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))

    @cached_property
    def level_numbers(self) -> list[float | None]:
        """Each level as a number; NaN if it marks a missing number, None if it is no number."""
        return [number_in(level, self.writing) for level in self.levels]

    @cached_property
    def are_numbers(self) -> np.ndarray:
        """Which levels are numbers, or mark a missing one: bool (levels,)."""
        return np.array([number is not None for number in self.level_numbers], dtype=bool)

    @cached_property
    def numbers(self) -> np.ndarray:
        """The cells as numbers, NaN where one is missing or none: float64 (n,)."""
        if self.given is not None:
            return self.given
        table = [math.nan if number is None else number for number in self.level_numbers]
        return np.array([*table, math.nan])[self.codes]  # code -1 takes the last

    @cached_property
    def gaps(self) -> np.ndarray:
        """Where a cell is missing, or marks a missing number: bool (n,)."""
        if self.given is not None:
            return self.missing
        marks = [number is not None and math.isnan(number) for number in self.level_numbers]
        return np.array([*marks, True])[self.codes]

    def written(self, writing: str) -> "Cells":
        """The same cells, their texts read as numbers that are written in another way."""
        if self.given is not None or writing == self.writing:
            return self
        return Cells(self.name, self.dtype, coded=self._texts, writing=writing)

    def without(self, gone: np.ndarray) -> "Cells":
        """The same cells of text, those of the levels that are marked in `gone`, bool (levels,), missing."""
        places = np.where(gone, -1, np.cumsum(~gone) - 1)
        kept = tuple(level for level, out in zip(self.levels, gone, strict=True) if not out)
        return Cells(self.name, self.dtype, coded=(np.append(places, -1)[self.codes], kept), writing=self.writing)

    def at(self, row: int) -> str:
        """The text of the cell in `row`, counted from 1."""
        return self.levels[self.codes[row - 1]]

    def first(self, levels: np.ndarray) -> tuple[int, str]:
        """Row (counted from 1) and text of the first cell whose level is marked in `levels`, bool (levels,)."""
        row = first_row(np.append(levels, False)[self.codes])
        return row, self.at(row)


def first_row(marked: np.ndarray) -> int:
    """The first row, counted from 1, where `marked`, bool (n,), is true."""
    return int(np.argmax(marked)) + 1


def read_cells(series: "pd.Series[Any]", name: str) -> Cells:
    """Read a column of any dtype.

    Raises:
        DataError: it holds values that are neither numbers, truth values, text nor dates.
    """
    import pandas as pd
    from pandas.api import types

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_objects(series.astype(object), name, "category")
    if types.is_bool_dtype(dtype) or (types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)):
        given = series.to_numpy(dtype=np.float64, na_value=np.nan)
        kind = "truth" if types.is_bool_dtype(dtype) else "integer" if types.is_integer_dtype(dtype) else "float"
        return Cells(name, kind, given=given)
    if isinstance(dtype, pd.PeriodDtype):
        return read_cells(series.dt.to_timestamp(), name)
    if types.is_datetime64_any_dtype(dtype):
        return _from_objects(series.astype(str).where(series.notna(), None), name, "date")
    if types.is_object_dtype(dtype) or types.is_string_dtype(dtype):
        return _from_objects(series, name, "text")
    raise DataError(f"column {quoted(name)} holds {dtype} values: convert them to numbers or to text")


def read_columns(frame: "pd.DataFrame", wanted: Collection[str] | None = None) -> dict[str, Cells]:
    """The columns of a table by name (as text, without surrounding blanks); only `wanted` ones, if given.

    Raises:
        DataError: it is no DataFrame, two columns share a name, or a column holds what no column can.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"a pandas DataFrame is needed, not a {type(frame).__name__}")
    read: dict[str, Cells] = {}
    for place, column in enumerate(frame.columns):
        name = str(column).strip()
        if wanted is not None and name not in wanted:
            continue
        if name in read:
            raise DataError(f"two columns are called {quoted(name)}: rename one of them")
        read[name] = read_cells(frame.iloc[:, place], name)
    return read


def _coded_numbers(given: np.ndarray, name: str, *, truth: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes and texts of a column of numbers or truth values."""
    present = ~np.isnan(given)
    distinct, places = np.unique(given[present], return_inverse=True)
    codes = np.full(len(given), -1, dtype=np.int64)
    codes[present] = places
    return codes, tuple(str(bool(value)) if truth else text_of(value, name) for value in distinct.tolist())


def _from_objects(series: "pd.Series[Any]", name: str, dtype: str) -> Cells:
    """A column of Python objects: read each distinct one once."""
    import pandas as pd

    try:
        raw_codes, raw_levels = pd.factorize(series)
    except TypeError as error:
        raise DataError(f"column {quoted(name)} holds lists or dicts: give each value a column of its own") from error
    places: dict[str, int] = {}
    table = []
    for value in raw_levels:
        text = text_of(value, name)
        table.append(-1 if text.casefold() in MISSING else places.setdefault(text, len(places)))
    codes = np.array([*table, -1], dtype=np.int64)[raw_codes]  # a missing cell has the code -1 and takes the last
    return Cells(name, dtype, coded=(codes, tuple(places)))


def text_of(value: object, name: str) -> str:
    """A cell as text, so that equal cells of different dtypes have equal texts: 3, 3.0 and `3` alike."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, (decimal.Decimal, dt.date, dt.time)):
        return str(value)
    raise DataError(
        f"column {quoted(name)} holds values of type {type(value).__name__}: convert them to numbers or to text"
    )
