"""Which rows train, which validate, which test: by seed, the same everywhere and for ever."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.data._wording import counted, quoted
from retrograd.data.task import TaskName, labels_of, missing_targets, read_target
from retrograd.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a table in three parts; every row that has a target is in exactly one.

    Attributes:
        train: int64, ascending row numbers, counted from 0.
        validation: likewise; empty if none was asked for.
        test: likewise.
        note: a sentence that says how many and how chosen.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    note: str


def split(
    target: "pd.Series[Any]", task: TaskName, *, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> Split:
    """Part a table's rows at random: each class in proportion for classification, all alike for regression.

    The draw is NumPy's `RandomState`, whose stream is frozen: a seed means the same rows on every version. Every class
    has at least one row in every part (scikit-learn's stratified split would leave rare classes out of a part).

    Args:
        target: the target column, n cells.
        task: `classification` or `regression`.
        validation: share of all rows, from 0 up.
        test: share of all rows, from 0 up; `validation + test` is less than 1.
        seed: from 0 to 2**32 - 1.

    Raises:
        DataError: too few rows for every part, or shares or a seed that make no sense.
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise DataError(
            f"validation and test are shares of the rows that leave some for training, as in 0.1 and 0.2; "
            f"{validation:g} and {test:g} do not"
        )
    if not 0 <= seed < 2**32:
        raise DataError(f"a seed is a whole number from 0 to 4294967295; {seed} is not")
    draw = np.random.RandomState(seed)  # a Generator's stream may change with NumPy
    shares = [share for share in (validation, test) if share > 0]
    if task == "classification":
        groups = _groups(target, least=1 + len(shares))
    else:
        groups = [np.flatnonzero(~missing_targets(target, task))]
        if len(groups[0]) < 2 * (1 + len(shares)):
            raise DataError(
                f"{counted(len(groups[0]), 'row')} cannot be parted: training, validation and test need two each"
            )
    parts: list[list[np.ndarray]] = [[], [], []]
    for group in groups:
        for part, rows in zip(parts, _parted(draw.permutation(group), validation, test, task), strict=True):
            part.append(rows)
    train, held, tested = (np.sort(np.concatenate(part)) for part in parts)
    how = "each class in proportion, " if task == "classification" else ""
    note = f"Rows: {len(train)} for training, {len(held)} for validation, {len(tested)} for test ({how}seed {seed})."
    return Split(train, held, tested, note)


def _parted(rows: np.ndarray, validation: float, test: float, task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training, validation and test rows of one class (or of all rows), in the order drawn."""
    least = 1 if task == "classification" else 2  # R2 needs two rows
    sizes = [max(least, int(len(rows) * share + 0.5)) if share > 0 else 0 for share in (validation, test)]
    if sum(sizes) > len(rows) - least:
        sizes = [min(size, least) for size in sizes]
    held, tested = sizes
    return rows[held + tested :], rows[:held], rows[held : held + tested]


def _groups(target: "pd.Series[Any]", least: int) -> list[np.ndarray]:
    """The rows of each class, the classes in sorted order.

    Raises:
        DataError: a class has fewer than `least` rows.
    """
    cells = read_target(target)
    labels = labels_of(cells)
    order = {label: place for place, label in enumerate(sorted(set(labels)))}
    classes = np.array([*(order[label] for label in labels), -1])[cells.codes]  # a missing one takes the last
    groups = [np.flatnonzero(classes == place) for place in range(len(order))]
    rare = [(label, len(rows)) for label, rows in zip(order, groups, strict=True) if len(rows) < least]
    if rare:
        listing = ", ".join(f"{quoted(label)} ({counted(count, 'row')})" for label, count in rare[:6])
        more = f" and {len(rare) - 6} more" if len(rare) > 6 else ""
        parts = {2: "training and the held-out part", 3: "training, validation and test"}[least]
        raise DataError(
            f"target {quoted(cells.name)} has classes with too few rows for {parts} (one each): {listing}{more}: "
            "add rows of them, remove them, or join them with another class"
        )
    return groups
