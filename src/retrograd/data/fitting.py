"""Fitting an encoder to a column: kinds from all rows, numbers from the training rows alone."""

import numpy as np

from retrograd.data._wording import quoted
from retrograd.data.cells import Cells
from retrograd.data.encoders import Boolean, Categorical, Constant, Encoder, Numeric, truth_values
from retrograd.data.kinds import Kind
from retrograd.errors import DataError


def fit_encoder(cells: Cells, kind: Kind, rows: np.ndarray) -> Encoder:
    """The encoder of a column.

    Args:
        cells: the whole column, n cells.
        kind: what `kind_of` made of it.
        rows: int64, the training rows.

    Raises:
        DataError: the numbers are too large for their mean or deviation to be a float64.
    """
    if kind == "numeric":
        return _fit_numeric(cells, rows)
    if kind == "boolean":
        return _fit_boolean(cells, rows)
    if kind == "categorical":
        return _fit_categorical(cells, rows)
    return Constant(cells.name)


def mean_and_scale(values: np.ndarray, what: str) -> tuple[float, float]:
    """Mean and root mean square deviation of float64 (n,); the scale is 0 where all values are alike.

    Raises:
        DataError: a float64 cannot hold them; `what` names the values.
    """
    if values.min() == values.max():
        return float(values[0]), 0.0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean, scale = float(values.mean()), float(values.std())
    if not (np.isfinite(mean) and np.isfinite(scale)):
        raise DataError(f"{what} holds numbers too large to average ({np.abs(values).max():g}): choose another unit")
    return mean, scale


def _fit_numeric(cells: Cells, rows: np.ndarray) -> Encoder:
    """Median of the present training cells, then mean and scale of the filled ones."""
    values = cells.numbers[rows]
    present = values[~np.isnan(values)]
    if not len(present):
        return Constant(cells.name)
    fill = float(np.median(present))
    mean, scale = mean_and_scale(np.where(np.isnan(values), fill, values), f"column {quoted(cells.name)}")
    return Numeric(cells.name, fill, mean, scale) if scale > 0 else Constant(cells.name)


def _fit_boolean(cells: Cells, rows: np.ndarray) -> Encoder:
    """The more frequent truth value of the training rows fills gaps."""
    truths = truth_values(cells)[rows]
    present = truths[~np.isnan(truths)]
    missing = len(present) < len(truths)
    if not len(present) or (present.min() == present.max() and not missing):
        return Constant(cells.name)
    return Boolean(cells.name, float(present.mean() >= 0.5), missing)


def _fit_categorical(cells: Cells, rows: np.ndarray) -> Encoder:
    """The levels of the training rows, sorted; those of other rows are remembered as known."""
    codes = cells.codes[rows]
    seen = set(codes[codes >= 0].tolist())
    missing = bool((codes < 0).any())
    if len(seen) + missing < 2:
        return Constant(cells.name)
    levels = sorted(level for code, level in enumerate(cells.levels) if code in seen)
    others = sorted(level for code, level in enumerate(cells.levels) if code not in seen)
    return Categorical(cells.name, tuple(levels), tuple(others), missing)
