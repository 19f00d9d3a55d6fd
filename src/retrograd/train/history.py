"""What happened in a run, epoch by epoch."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retrograd.errors import ModelError


class History(Mapping[str, list[float]]):
    """One list for each quantity, one number for each epoch: ``history["val_loss"][-1]``.

    It holds nothing that depends on the clock: a run that was killed and resumed has the history of one that was not.

    Attributes:
        best_epoch: the epoch (counted from 1) whose weights the model has, where early stopping chose; otherwise None.
        stopped: why the run ended before its last epoch: a sentence, or None if it did not.
        interrupted: whether Ctrl-C ended it.

    >>> history = History()
    >>> history.append({"loss": 0.5, "val_loss": 0.75})
    >>> history["val_loss"], history.epochs
    ([0.75], 1)
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}
        self.best_epoch: int | None = None
        self.stopped: str | None = None
        self.interrupted = False

    def append(self, values: Mapping[str, float]) -> None:
        """Add an epoch; every epoch has the same quantities."""
        if self._columns and set(values) != set(self._columns):
            raise KeyError(f"an epoch of {sorted(values)} after epochs of {sorted(self._columns)}")
        for name, value in values.items():
            self._columns.setdefault(name, []).append(float(value))

    @property
    def epochs(self) -> int:
        """How many epochs there are."""
        return max((len(column) for column in self._columns.values()), default=0)

    def at(self, epoch: int) -> dict[str, float]:
        """The numbers of an epoch, counted from 1."""
        if not 1 <= epoch <= self.epochs:
            raise IndexError(f"there is no epoch {epoch}: the history has {self.epochs}")
        return {name: column[epoch - 1] for name, column in self._columns.items()}

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._columns:
            raise KeyError(f"the history has no {name!r}, but {', '.join(self._columns) or 'no epoch yet'}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.at(self.epochs).items()) if self.epochs else ""
        best = f", best epoch {self.best_epoch}" if self.best_epoch is not None else ""
        return f"History({self.epochs} epochs{best}{': ' if last else ''}{last})"

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers; NaN and infinities are texts, for JSON has none."""
        return {
            "epochs": {name: [plain(value) for value in column] for name, column in self._columns.items()},
            "best_epoch": self.best_epoch,
            "stopped": self.stopped,
            "interrupted": self.interrupted,
        }

    @classmethod
    def from_json(cls, saved: object) -> "History":
        """The inverse of `to_json`, bit for bit, also by way of a file.

        Raises:
            ModelError: it is not what `to_json` made.
        """
        if not isinstance(saved, dict) or set(saved) != {"epochs", "best_epoch", "stopped", "interrupted"}:
            raise ModelError("the saved history is damaged")
        columns, best, stopped = saved["epochs"], saved["best_epoch"], saved["stopped"]
        well_formed = (
            isinstance(columns, dict)
            and all(isinstance(column, list) for column in columns.values())
            and len({len(column) for column in columns.values()}) <= 1
            and (best is None or (type(best) is int and best >= 1))
            and (stopped is None or isinstance(stopped, str))
            and isinstance(saved["interrupted"], bool)
        )
        if not well_formed:
            raise ModelError("the saved history is damaged")
        history = cls()
        history._columns = {str(name): numbers(column) for name, column in columns.items()}
        history.best_epoch, history.stopped, history.interrupted = best, stopped, saved["interrupted"]
        return history


def plain(value: float) -> float | str:
    """A float as JSON can hold it: `json` writes finite ones so that they read back bit for bit."""
    return value if math.isfinite(value) else repr(value)


def number(saved: object) -> float:
    """The inverse of `plain`.

    Raises:
        ModelError: it is no number.
    """
    if type(saved) in (int, float) or (isinstance(saved, str) and saved in ("nan", "inf", "-inf")):
        try:
            return float(saved)  # type: ignore[arg-type]
        except OverflowError:  # an integer of 400 digits
            pass
    raise ModelError("a number in the saved file is damaged")


def numbers(saved: Sequence[object]) -> list[float]:
    """The floats of a list of what `plain` made."""
    return [number(value) for value in saved]
