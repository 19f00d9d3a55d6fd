"""How the steps of an epoch are made: one by one from Python, or many in one call of a compiled loop.

Both engines take the same rows in the same order, draw the same numbers and add the losses up alike. They come back to
the run after a stretch: one step of the eager engine, up to `STRETCH` seconds of the compiled one. So progress stays
live and Ctrl-C is heard however long an epoch takes. How long a stretch is changes nothing in the results.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from retrograd import native
from retrograd.config import FLOAT64, INT
from retrograd.errors import RetrogradError
from retrograd.jit.jitted import Jitted, Shelf
from retrograd.ops.inputs import face
from retrograd.train.door import Rows
from retrograd.train.forward import training
from retrograd.train.step import Step, make_loop

ENGINES = ("auto", "native", "eager")


class Trained(Protocol):
    """What an engine has to know of a trainer, or of a run over many models."""

    model: Any
    programs: Shelf
    losses: tuple[int, ...]
    """The shape of a step's loss: () for one model."""

    @property
    def train_step(self) -> Step:
        """Makes a step with the rows given, and returns the loss before it."""


STRETCH = 0.05
"""Seconds after which a compiled loop comes back at the latest, once the first stretches have shown its speed."""


class Engine(ABC):
    """Makes the steps of a run."""

    name: str
    """What the engine is called where a run is summed up."""

    @abstractmethod
    def shuffle(self, order: np.ndarray) -> None:
        """From here on the rows come in this order."""

    @abstractmethod
    def run(self, first: int, most: int, total: Any) -> tuple[int, Any, Any]:
        """Make at least one step of an epoch, beginning with step `first`, and at most `most`.

        After a step whose loss is not finite it makes no other.

        Args:
            total: the losses so far, each times the rows of its step, summed.

        Returns:
            How many steps were made, the loss of the last one, and the new sum: floats, or arrays for a stack.
        """


class Eager(Engine):
    """One step at a time, from Python."""

    name = "eager"

    def __init__(self, trainer: Trained, data: Rows, size: int) -> None:
        self._step, self._data, self._size = trainer.train_step, data, size
        self._order = np.zeros(0, INT)

    def shuffle(self, order: np.ndarray) -> None:
        self._order = order

    def run(self, first: int, most: int, total: Any) -> tuple[int, Any, Any]:
        rows = self._order[first * self._size : (first + 1) * self._size]
        loss = _plain(self._step(face(self._data.x[rows]), face(self._data.y[rows])))
        return 1, loss, total + loss * len(rows)


class Compiled(Engine):
    """Many steps in one call: a program for the full minibatches, and one for the last, shorter one of an epoch."""

    name = "native"

    def __init__(self, trainer: Trained, data: Rows, size: int) -> None:
        self._model = trainer.model
        self._loop = _Loop(make_loop(trainer.train_step, trainer.losses), trainer.programs)
        self._none = np.zeros(trainer.losses)
        self._x, self._y = face(data.x), face(data.y)
        self._rows, self._size = len(data), size
        self._most = 1
        self.shuffle(np.zeros(len(data), INT))

    def shuffle(self, order: np.ndarray) -> None:
        self._full = self._rows // self._size
        whole = self._full * self._size
        self._batches, self._rest = face(order[:whole].reshape(-1, self._size)), face(order[whole:].reshape(1, -1))

    def prepare(self) -> None:
        """Trace and compile what the first step needs; nothing is trained, and no cell changes.

        Raises:
            Exception: whatever the model or the loss raise when they are traced.
        """
        with training(self._model):
            self._call(0, 0, self._none)

    def run(self, first: int, most: int, total: Any) -> tuple[int, Any, Any]:
        count = min(most, self._most, max(self._full - first, 1))
        began = perf_counter()
        done, loss, total = self._call(first, count, total)
        if count == self._most:
            self._adapt(perf_counter() - began)
        return done, loss, total

    def _call(self, first: int, count: int, total: Any) -> tuple[int, Any, Any]:
        batches = self._batches if first < self._full else self._rest
        place = np.asarray(first if first < self._full else 0, INT)
        done, loss, total = self._loop(self._x, self._y, batches, place, np.asarray(count, INT), np.asarray(total))
        return int(done), _plain(loss), _plain(total)

    def _adapt(self, seconds: float) -> None:
        """Twice as many steps in the next stretch if this one was short, half as many if it was long."""
        if seconds < STRETCH / 4:
            self._most *= 2
        elif seconds > STRETCH:
            self._most = max(1, self._most // 2)


class _Loop(Jitted):
    """A jitted loop whose programs, and the models in them, are its trainer's and end with it."""

    def __init__(self, loop: Any, shelf: Shelf) -> None:
        super().__init__(loop, ())
        self.shelf, self.table, self.lock = shelf, shelf.programs, shelf.lock


def _plain(loss: Any) -> Any:
    """A float; many losses as float64."""
    array = np.asarray(loss, FLOAT64)
    return array if array.ndim else float(array)


def unavailable() -> str | None:
    """Why nothing runs natively here, or None."""
    return native.available()


def engine_of(asked: str, trainer: Trained, data: Rows, size: int) -> tuple[Engine, str | None]:
    """The engine for a run, and why it is not the native one although that would have been welcome.

    Raises:
        RetrogradError: `native` was asked for and cannot be.
    """
    if asked == "eager":
        return Eager(trainer, data, size), None
    reason, cause = unavailable(), None
    if reason is None:
        compiled = Compiled(trainer, data, size)
        try:
            compiled.prepare()
        except Exception as error:  # noqa: BLE001 - a model or a loss of one's own may raise anything
            reason, cause = f"the step cannot be compiled: {_line(error)}", error
        else:
            return compiled, None
    if asked == "native":
        raise RetrogradError(f"engine='native': {reason}") from cause
    return Eager(trainer, data, size), reason


def _line(error: Exception) -> str:
    """The first line of what an error says, or its name; without a full stop."""
    return next((line for line in str(error).splitlines() if line), type(error).__name__).rstrip(".")
