"""What `trace_nan` found, as records, and how it is said."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.forward import Forward
from retrograd.core.source import Line, is_library
from retrograd.core.types import is_weak_scalar
from retrograd.errors import NonFiniteError


class Range(NamedTuple):
    """What an array holds, in short.

    Attributes:
        name: what the operation calls it, or the user does.
        type: dtype and shape.
        low, high: the least and the largest finite element; None where there is none.
        zeros, nans, infinities: how many elements are.
    """

    name: str
    type: str
    low: float | None
    high: float | None
    zeros: int
    nans: int
    infinities: int

    @staticmethod
    def of(name: str, array: np.ndarray) -> Range:
        """The range of an array."""
        kind = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
        finite = array[np.isfinite(array)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (None, None)
        counts = [int(np.count_nonzero(x)) for x in (array == 0, np.isnan(array), np.isinf(array))]
        return Range(name, kind, low, high, *counts)

    @property
    def finite(self) -> bool:
        return not (self.nans or self.infinities)

    def __str__(self) -> str:
        counted = [_count(self.zeros, "zero"), _count(self.nans, "NaN"), _count(self.infinities, "infinite")]
        held = "" if self.low is None or self.high is None else f"from {self.low:.6g} to {self.high:.6g}"
        if self.low is not None and self.low == self.high:
            held = f"{self.low:.6g}"
        parts = [held, *[c for c in counted if c]]
        return f"{self.name}: {self.type}, {', '.join(p for p in parts if p) or 'no elements'}"


def _count(n: int, what: str) -> str:
    return "" if not n else f"{n} {what}{'s' if n > 1 and what == 'zero' else ''}"


@dataclass
class Origin:
    """Where a value that is not finite came in, for whoever meets what was computed from it.

    Attributes:
        text: what to say.
        error: the error, if it was computed here after all, where nobody could tell yet whether it would be used.
    """

    text: str
    error: NonFiniteError | None = None


@dataclass
class Finding:
    """An operation that made something that is not finite out of finite values.

    Attributes:
        operation: its name; for a derivative that of the operation of the user's.
        phase: "forward", "backward", or "tangent" in forward mode.
        line: the user's line.
        args: (name, array) of its operands.
        given: (name, array) of the cotangents, or tangents, that came in.
        out: what is not finite.
        fresh: where that is so although what came in is finite.
        pointwise: whether elements of operands and of `out` belong together.
        what: what `out` is, in words.
        declared: whether the operation is part of a derivative that the user declared, and not derived from one.
    """

    operation: str
    phase: str
    line: Line | None
    args: Sequence[tuple[str, np.ndarray]]
    given: Sequence[tuple[str, np.ndarray]]
    out: np.ndarray
    fresh: np.ndarray
    pointwise: bool
    what: str = "the result"
    declared: bool = False

    @property
    def place(self) -> tuple[int, ...]:
        """The first element that is not finite."""
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(self.fresh)), self.fresh.shape))

    def element(self, array: np.ndarray) -> Any:
        """The element of an operand that belongs to `place`; None where there is no such thing."""
        if not array.shape:
            return array.item()
        if not self.pointwise or not _fits(array.shape, self.out.shape):
            return None
        return np.broadcast_to(array, self.out.shape)[self.place].item()

    @property
    def produced(self) -> str:
        """NaN, inf or -inf."""
        value = float(self.out[self.place])
        return "NaN" if np.isnan(value) else str(value)

    def error(self, suggestion: str, origins: Sequence[str] = ()) -> NonFiniteError:
        """The exception that says all of it."""
        subject = {"forward": "", "backward": "the derivative of ", "tangent": "the forward-mode derivative of "}
        where = f", at {self.line}" if self.line is not None else ""
        said = f"{self.operation} gave {self.produced}"
        said = f"{said} in a {self.phase} rule" if self.declared else f"{subject[self.phase]}{said}"
        lines = [f"{said}{where}"]
        iteration = self.line.rounds[-1] if self.line is not None and self.line.rounds else None
        if self.line is not None and self.line.rounds:
            lines.append(f"  in iteration {' of the loop in iteration '.join(map(str, reversed(self.line.rounds)))}"
                         " (counted from 0)")  # fmt: skip
        args = [(name_of_array(a) or name, a) for name, a in self.args]
        ranges = [Range.of(name, array) for name, array in (*args, *self.given)]
        lines += [f"  {r}" for r in ranges]
        bad = int(np.count_nonzero(~np.isfinite(self.out)))
        at = f"; the first at {list(self.place)}" if self.out.shape else ""
        elements = [(n, self.element(a)) for n, a in (*args, *self.given)] if self.out.shape else []
        found = ", ".join(f"{n} = {v:.6g}" for n, v in elements if v is not None)
        lines.append(f"  {self.what}: {bad} of {self.out.size} not finite{at}{f', where {found}' if found else ''}")
        lines += [f"  {text}" for text in origins]
        lines.append(f"  {suggestion}")
        return NonFiniteError(
            "\n".join(lines), operation=self.operation, phase=self.phase, inputs=tuple(ranges), line=self.line,
            iteration=iteration, suggestion=suggestion,
        )  # fmt: skip


def _fits(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False


def floats(value: Any) -> list[np.ndarray]:
    """The floating arrays that a value holds, at whatever level it is boxed; those of a trace have none."""
    if isinstance(value, Box):
        tangent = floats(value.node) if isinstance(value.owner, Forward) else []
        return [*floats(value.value), *tangent]
    if isinstance(value, (list, tuple)):
        return [a for v in value for a in floats(v)]
    if is_weak_scalar(value) or isinstance(value, np.generic):
        value = np.asarray(value)
    return [value] if isinstance(value, np.ndarray) and value.dtype.kind == "f" else []


def finite(arrays: Sequence[np.ndarray]) -> bool:
    """Whether all elements of all of them are finite."""
    return all(bool(np.isfinite(a).all()) for a in arrays)


def name_of_array(array: np.ndarray) -> str:
    """What the user calls an array: the name of a variable on the call stack that holds it, or ""."""
    frame = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            for name, value in list(frame.f_locals.items()):
                if not name.startswith("_") and _holds(value, array):
                    return name
        frame = frame.f_back
    return ""


def _holds(value: Any, array: np.ndarray) -> bool:
    if isinstance(value, Cell):
        return value.array is array
    if isinstance(value, Box):
        return value.owner is None and value.value is array
    if type(value) is not np.ndarray or value.shape != array.shape or value.dtype != array.dtype:
        return False
    return value.size > 1 and bool(np.array_equal(value, array, equal_nan=True))  # arrays are copied on their way in
