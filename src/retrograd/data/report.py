"""What a person should be told about how the columns were understood: sentences, in the order of their weight."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from retrograd.data._wording import counted, listed, quoted
from retrograd.data.cells import Cells
from retrograd.data.encoders import Boolean, Categorical, Constant, Encoder, Numeric

_SHOWN = 6  # columns named in a sentence


def notes_on(columns: Sequence[Encoder], cells: Mapping[str, Cells]) -> Iterator[str]:
    """Sentences on the encoders of a table's columns.

    Args:
        columns: the encoders, fitted to the training rows.
        cells: all cells of each column, by name.
    """
    yield _kinds(columns)
    filled = [
        f"{quoted(column.name)} ({_gaps(gaps, len(cells[column.name]))}, {column.fill:g})"
        for column in columns
        if isinstance(column, Numeric) and (gaps := int(np.isnan(cells[column.name].numbers).sum()))
    ]
    if filled:
        yield f"Missing numbers take the median of the training rows: {_cut(filled)}."
    own = [
        f"{quoted(column.name)} ({_gaps(int(cells[column.name].missing.sum()), len(cells[column.name]))})"
        for column in columns
        if isinstance(column, (Boolean, Categorical)) and column.missing
    ]
    if own:
        yield f"Missing values have an input of their own: {_cut(own)}."
    constant = [column.name for column in columns if isinstance(column, Constant)]
    if constant:
        yield f"No input from what is the same in all training rows: {listed(constant, _SHOWN)} (always 0)."
    rare = [
        f"{quoted(column.name)} ({listed(column.others, 3)})"
        for column in columns
        if isinstance(column, Categorical) and column.others
    ]
    if rare:
        yield f"Categories that no training row has count as none of the known ones: {_cut(rare)}."


def _kinds(columns: Sequence[Encoder]) -> str:
    """`5 columns make 9 inputs: 3 numeric, standardised ('a', 'b', 'c'); 2 categorical, ... ('d', 'e').`."""
    described: dict[type[Encoder], str] = {
        Numeric: "numeric, standardised",
        Boolean: "true or false, as 1 and 0",
        Categorical: "categorical, an input for each category",
        Constant: "constant",
    }
    parts = []
    for encoder, description in described.items():
        names = [column.name for column in columns if column.kind == encoder.kind]
        if names:
            parts.append(f"{len(names)} {description} ({listed(names, _SHOWN)})")
    inputs = sum(len(column.input_names) for column in columns)
    verb = "makes" if len(columns) == 1 else "make"
    return f"{counted(len(columns), 'column')} {verb} {counted(inputs, 'input')}: {'; '.join(parts)}."


def _gaps(gaps: int, rows: int) -> str:
    return f"{gaps} of {counted(rows, 'row')}"


def _cut(parts: Sequence[str]) -> str:
    """The parts with commas; a long list is cut and says by how much."""
    rest = len(parts) - _SHOWN
    return ", ".join(parts[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
