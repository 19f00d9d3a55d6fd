"""Where in the user's own code something happened."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from retrograd.config import within
from retrograd.errors import set_where

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"


class Line(NamedTuple):
    """A line of the user's source, and on whose behalf something runs there.

    Attributes:
        derivative: the operation of that line whose derivative is being computed; "" for the operation itself. What
            one derivative is made of shares one `Line` object.
        phase: "forward"; for a derivative "backward", or "tangent" in forward mode.
        tentative: what is computed may be thrown away: both arms of a `cond` run where lanes differ, and what a
            derivative will need is computed before it is known whether anybody asks for it.
        rounds: the iterations of the loops around it, outermost first, counted from 0.
    """

    file: str
    number: int
    text: str
    derivative: str = ""
    phase: str = "forward"
    tentative: bool = False
    rounds: tuple[int, ...] = ()

    def of_derivative(self, operation: str, phase: str) -> Line:
        """The same place, for the derivative of `operation`; one of a derivative belongs to the user's operation."""
        return self._replace(derivative=self.derivative or operation, phase=phase)

    def __str__(self) -> str:
        where = f"{Path(self.file).name}:{self.number}"
        return f"{where}: {self.text}" if self.text else where


_standing: ContextVar[Line | None] = ContextVar("standing", default=None)
_tentative: ContextVar[bool] = ContextVar("tentative", default=False)
_rounds: ContextVar[tuple[int, ...]] = ContextVar("rounds", default=())
standing = _standing.get
"""The line that another part of the program stands for here (see `at_line`), or None."""


@contextmanager
def at_line(line: Line | None) -> Iterator[None]:
    """What runs within the context runs on behalf of `line`, wherever it is called from; None changes nothing."""
    if line is None:
        yield
        return
    with within(_standing, line):
        yield


@contextmanager
def in_round(index: int) -> Iterator[None]:
    """What runs within the context is iteration `index` of a loop."""
    with within(_rounds, (*_rounds.get(), index)):
        yield


@contextmanager
def tentatively() -> Iterator[None]:
    """What is computed within the context may be thrown away."""
    with within(_tentative, True):
        yield


def is_tentative() -> bool:
    """Whether what is computed here may be thrown away."""
    line = _standing.get()
    return _tentative.get() or (line is not None and line.tentative)


def is_library(file: str) -> bool:
    """Whether a source file is part of this package."""
    return file.startswith((_PACKAGE, "<frozen"))


def user_line() -> Line | None:
    """The line we stand for, or else the innermost line of the call stack outside this package, or None."""
    line = _standing.get() or _innermost()
    rounds, tentative = _rounds.get(), _tentative.get()
    if line is None or not (rounds or tentative):
        return line
    return line._replace(rounds=line.rounds or rounds, tentative=line.tentative or tentative)


def _innermost() -> Line | None:
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_library(file):
            return Line(file, frame.f_lineno, linecache.getline(file, frame.f_lineno).strip())
        frame = frame.f_back  # type: ignore[assignment]
    return None


def at_user_line() -> str:
    """`" (at file.py:3: x = ...)"`, or nothing when no line of the user's is on the stack."""
    line = user_line()
    return f" (at {line})" if line else ""


set_where(at_user_line)
