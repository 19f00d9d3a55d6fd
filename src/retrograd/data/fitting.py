"""Fitting an encoder to a column: kinds from all rows, numbers from the training rows alone."""

import numpy as np

from retrograd.data._wording import quoted
from retrograd.data.cells import Cells
from retrograd.data.date_encoder import fit_dates
from retrograd.data.encoders import Boolean, Categorical, Dropped, Encoder, Numeric, truth_values
from retrograd.data.kinds import ALWAYS, MOST_LEVELS, Verdict, rare_below
from retrograd.data.scaling import mean_and_scale


def fit_encoder(verdict: Verdict, rows: np.ndarray) -> Encoder:
    """The encoder of a column.

    Args:
        verdict: what `judge` made of it, with its n cells.
        rows: int64, the training rows.

    Raises:
        DataError: the numbers are too large for their mean or deviation to be a float64.
    """
    cells, kind = verdict.cells, verdict.kind
    if kind == "dropped":
        return Dropped(cells.name, verdict.reason or "")
    if kind == "numeric":
        fitted = _fit_numeric(cells, rows)
    elif kind == "boolean":
        fitted = _fit_boolean(cells, rows)
    elif kind == "date":
        fitted = fit_dates(cells, rows, day_first=verdict.day_first)
    else:
        fitted = _fit_categorical(cells, rows)
    return fitted or Dropped(cells.name, "constant")


def _fit_numeric(cells: Cells, rows: np.ndarray) -> Encoder | None:
    """Median of the present training cells, then mean and scale of the filled ones."""
    values = cells.numbers[rows]
    present = values[~np.isnan(values)]
    if not len(present):
        return None
    fill = float(np.median(present))
    mean, scale = mean_and_scale(np.where(np.isnan(values), fill, values), f"column {quoted(cells.name)}")
    return Numeric(cells.name, fill, mean, scale, cells.writing) if scale > 0 else None


def _fit_boolean(cells: Cells, rows: np.ndarray) -> Encoder | None:
    """The more frequent truth value of the training rows fills gaps."""
    truths = truth_values(cells)[rows]
    present = truths[~np.isnan(truths)]
    missing = len(present) < len(truths)
    if not len(present) or (present.min() == present.max() and not missing):
        return None
    return Boolean(cells.name, float(present.mean() >= 0.5), missing)


def _fit_categorical(cells: Cells, rows: np.ndarray) -> Encoder | None:
    """The levels of the training rows, sorted; rare ones share an input, those of other rows are known."""
    codes = cells.codes[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(cells.levels))
    seen = np.flatnonzero(counts)
    kept = seen
    if len(seen) > ALWAYS:
        often = [code for code in seen.tolist() if counts[code] >= rare_below(int(counts.sum()))]
        kept = np.array(
            sorted(often, key=lambda code: (-counts[code], cells.levels[code]))[:MOST_LEVELS], dtype=np.int64
        )
    missing, pool = bool((codes < 0).any()), len(kept) < len(seen)
    if len(kept) + pool + missing < 2:
        return None
    own = {cells.levels[code] for code in kept.tolist()}
    others = tuple(sorted(set(cells.levels) - own))
    return Categorical(cells.name, tuple(sorted(own)), others, pool, missing)
