"""Kinds of option values that click does not have."""

import math
from typing import Any

import click


class Number(click.ParamType):
    """A finite number between two others.

    Args:
        low: the least.
        high: the largest.
        open_low: whether `low` itself is excluded.
        open_high: likewise.
    """

    name = "number"

    def __init__(self, low: float, high: float = math.inf, *, open_low: bool = False, open_high: bool = False) -> None:
        self.low, self.high, self.open_low, self.open_high = low, high, open_low, open_high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is no number", param, ctx)
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        if not (above and below and math.isfinite(number)):
            first = f"above {self.low:g}" if self.open_low else f"from {self.low:g}"
            last = "" if self.high == math.inf else f" {'below' if self.open_high else 'to'} {self.high:g}"
            self.fail(f"{value} is not a number {first}{last}", param, ctx)
        return number


class Widths(click.ParamType):
    """Widths of hidden layers: ``64,64``, or ``none`` for a linear model."""

    name = "widths"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if value.strip().lower() == "none":
            return ()
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is no list of widths, such as 64,64, or none", param, ctx)
        return tuple(int(part) for part in parts)
