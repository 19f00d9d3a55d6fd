"""Where in the user's own code something happened."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import NamedTuple

from retrograd.errors import set_where

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"


class Line(NamedTuple):
    """A line of the user's source."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        where = f"{Path(self.file).name}:{self.number}"
        return f"{where}: {self.text}" if self.text else where


def user_line() -> Line | None:
    """The innermost line of the call stack outside this package, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if not file.startswith(_PACKAGE) and not file.startswith("<frozen"):
            return Line(file, frame.f_lineno, linecache.getline(file, frame.f_lineno).strip())
        frame = frame.f_back  # type: ignore[assignment]
    return None


def at_user_line() -> str:
    """`" (at file.py:3: x = ...)"`, or nothing when no line of the user's is on the stack."""
    line = user_line()
    return f" (at {line})" if line else ""


set_where(at_user_line)
