"""Parquet files, whose columns have types of their own. Needs pyarrow, the extra `parquet`."""

import io
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from retrograd.data._wording import drop_options, quoted
from retrograd.errors import DataError, not_installed

if TYPE_CHECKING:
    import pandas as pd

START = b"PAR1"
"""How a Parquet file begins."""

_SAVED_INDEX = "__index_level_"  # pandas saves the names of rows so


def read_parquet(content: bytes, name: str, *, drop: Collection[str] = ()) -> "tuple[pd.DataFrame, list[str]]":
    """A Parquet file's table, and sentences on how it was read.

    Whole numbers stay whole where cells are missing, decimals become float64, dictionaries categories.

    Args:
        content: the file's bytes.
        name: what to call it in messages.
        drop: columns that will not be used, whatever is in them.

    Raises:
        DataError: pyarrow is not installed, or the file is damaged, empty, or has a column that no table can have.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(not_installed(f"{name} is a Parquet file, to be read with pyarrow", "parquet")) from error
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{name} is a damaged Parquet file: {' '.join(str(error).split())}") from error
    return _frame(table, name, drop)


def _frame(table: Any, name: str, drop: Collection[str]) -> "tuple[pd.DataFrame, list[str]]":
    """A pandas table of an Arrow table."""
    import pandas as pd
    import pyarrow as pa

    titles = [title.strip() for title in table.column_names]
    index = [place for place, title in enumerate(titles) if title.startswith(_SAVED_INDEX)]
    notes = [f"{name} holds the names of its rows, as pandas saves them: left out."] if index else []
    table = table.remove_column(index[0]) if len(index) == 1 else table
    titles = [title for title in titles if not (len(index) == 1 and title.startswith(_SAVED_INDEX))]
    twice = [title for title, count in Counter(titles).items() if count > 1]
    if twice or "" in titles or not titles:
        what = (
            f"two columns called {quoted(twice[0])}" if twice else "a column without a name" if titles else "no column"
        )
        raise DataError(f"{name} has {what}: name each column, and each differently")
    if not table.num_rows:
        raise DataError(f"{name} has no rows")
    nullable = {
        **{getattr(pa, f"{kind}{bits}")(): getattr(pd, f"{label}{bits}Dtype")()
           for kind, label in (("int", "Int"), ("uint", "UInt")) for bits in (8, 16, 32, 64)},
        pa.bool_(): pd.BooleanDtype(),
    }  # fmt: skip
    columns = {}
    for title, column in zip(titles, table.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if title in drop:
            columns[title] = pd.Series([None] * table.num_rows, dtype=object)
            continue
        if reason := _refused(kind, pa.types):
            raise DataError(
                f"column {quoted(title)} of {name} holds {kind}, {reason}, or leave it out with {drop_options([title])}"
            )
        if pa.types.is_decimal(kind):
            column = column.cast(pa.string()).cast(pa.float64())  # the direct cast misses the nearest float64
        columns[title] = column.to_pandas(types_mapper=nullable.get)
    return pd.DataFrame(columns), notes


def _refused(kind: Any, types: Any) -> str | None:
    """Why an Arrow type cannot be a column: to be read after `holds <type>`, an imperative in it."""
    if types.is_nested(kind):
        return "several values in a cell: give each a column of its own"
    if types.is_duration(kind) or types.is_interval(kind):
        return "lengths of time: write them as numbers, such as seconds"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "which are bytes, not text: write text or numbers"
    return None
