r"""Changes of unit that bring columns of numbers to one size, and labels as vectors; fitted once, undone exactly.

Backpropagation asks for none of it, but learns faster with inputs of one size: Y. LeCun, L. Bottou, G. Orr, K.-R.
Müller, "Efficient BackProp" (1998), section 4.3. `retrograd.data.prepare` standardises.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from retrograd.errors import DataError


@dataclass(frozen=True, eq=False)
class Scaling:
    r"""The map :math:`x \mapsto (x - \text{origin}) / \text{unit} + \text{start}` of each column.

    A column that was constant when fitted has the unit infinity: it becomes `start` whatever it holds, and comes back
    as `origin`.

    Attributes:
        origin: float64 (D,), what becomes `start`.
        unit: float64 (D,), what becomes 1 more.
        start: a number.
    """

    origin: np.ndarray
    unit: np.ndarray
    start: float = 0.0

    def apply(self, x: ArrayLike) -> np.ndarray:
        """Scaled columns, float64 (N, D)."""
        return (_columns(x, len(self.origin)) - self.origin) / self.unit + self.start

    def invert(self, x: ArrayLike) -> np.ndarray:
        """Columns in their own units again, float64 (N, D)."""
        known = np.isfinite(self.unit)
        return (_columns(x, len(self.origin)) - self.start) * np.where(known, self.unit, 0.0) + self.origin


def standardize(x: ArrayLike) -> Scaling:
    r"""The z-score :math:`(x - \mu) / \sigma`, with the mean and the population's deviation of each column.

    >>> standardize([[1, 200], [2, 400], [3, 900]]).apply([[1, 400]]).round(6).tolist()
    [[-1.224745, -0.339683]]

    Args:
        x: the training rows, (N, D).

    Raises:
        DataError: it is no table of finite numbers, or they are too large for their mean or deviation to be a float64.
    """
    columns = _finite(x)
    pairs = [mean_and_scale(column, f"column {place}") for place, column in enumerate(columns.T)]
    origin, unit = np.array(pairs, dtype=np.float64).T
    return Scaling(origin, _unit(unit))


def rescale(x: ArrayLike, low: float = 0.0, high: float = 1.0) -> Scaling:
    r"""Min-max: :math:`\text{low} + (x - \min) (\text{high} - \text{low}) / (\max - \min)` of each column.

    >>> rescale([[1, 200], [2, 400], [3, 900]], -1, 1).apply([[1, 900], [2, 200]]).tolist()
    [[-1.0, 1.0], [0.0, -1.0]]

    Args:
        x: the training rows, (N, D).
        low: what the least number becomes.
        high: what the largest becomes.

    Raises:
        DataError: it is no table of finite numbers, or `low` is not below `high`.
    """
    if not (np.isfinite([low, high]).all() and low < high):
        raise DataError(f"a range goes from a finite number up to another, not from {low} to {high}")
    columns = _finite(x)
    return Scaling(columns.min(axis=0), _unit(np.ptp(columns, axis=0) / (high - low)), float(low))


def scale_by_maximum(x: ArrayLike) -> Scaling:
    r"""Division by the largest magnitude: :math:`x / \max |x|` of each column. A column of zeros stays zero.

    >>> scale_by_maximum([[1.0, 5.0], [-2.0, 10.0]]).apply([[1.0, 10.0]]).tolist()
    [[0.5, 1.0]]

    Args:
        x: the training rows, (N, D).

    Raises:
        DataError: it is no table of finite numbers.
    """
    columns = _finite(x)
    return Scaling(np.zeros(columns.shape[1]), _unit(np.abs(columns).max(axis=0)))


def one_hot(labels: ArrayLike, classes: int, *, first: int = 1) -> np.ndarray:
    """Labels as vectors, float64 (N, classes): 1 at the label's place and 0 elsewhere.

    `rg.one_hot` is the operation on tensors, whose labels begin with 0 and are not checked.

    >>> one_hot([2, 3, 1], 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]

    Args:
        labels: integers (N,).
        classes: how many there are.
        first: the first class's label.

    Raises:
        DataError: a label is no integer, or outside first, ..., first + classes - 1.
    """
    places = np.asarray(labels)
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise DataError(f"labels are integers in one row, not {places.dtype} of shape {places.shape}")
    strange = (places < first) | (places >= first + classes)
    if strange.any():
        place = int(np.argmax(strange))
        raise DataError(f"label {places[place]} at place {place} is outside {first} to {first + classes - 1}")
    return (places[:, None] == np.arange(first, first + classes)).astype(np.float64)


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


def _unit(sizes: np.ndarray) -> np.ndarray:
    """Sizes to divide by; whatever is divided by infinity is 0."""
    return np.where(sizes > 0, sizes, np.inf)


def _columns(x: ArrayLike, width: int) -> np.ndarray:
    columns = np.asarray(x, dtype=np.float64)
    if columns.ndim != 2 or columns.shape[1] != width:
        raise DataError(f"a table of {width} columns is needed, not an array of shape {columns.shape}")
    return columns


def _finite(x: ArrayLike) -> np.ndarray:
    """A table with rows and finite numbers as float64 (N, D)."""
    columns = np.asarray(x, dtype=np.float64)
    if columns.ndim != 2 or not columns.size or not np.isfinite(columns).all():
        raise DataError(f"a table of finite numbers is needed, rows by columns, not {columns.dtype} {columns.shape}")
    return columns
