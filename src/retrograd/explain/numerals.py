"""How numbers and arrays are printed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

FULL_ROW, FULL_MATRIX = 8, 6  # an array with at most so many elements is shown whole


def number(x: Any, digits: int = 6) -> str:
    """A scalar with so many significant digits: no trailing zeros, no needless exponent."""
    x = x.item() if hasattr(x, "item") else x
    if isinstance(x, bool | int):
        return str(x)
    text = f"{x:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa}e{int(exponent)}"
    return text


def signed(x: Any, digits: int = 6) -> str:
    """A scalar as a part of an expression: in parentheses if it is negative."""
    text = number(x, digits)
    return f"({text})" if text.startswith("-") else text


def decimal(x: Any, places: int = 9) -> str:
    """A scalar with so many decimals, as worked examples print them; tiny and huge ones keep their digits."""
    x = float(x)
    if not math.isfinite(x):
        return str(x)
    if x and (abs(x) < 10.0 ** (4 - places) or abs(x) >= 1e9):
        return number(x, places)
    text = f"{x:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def place(index: tuple[int, ...]) -> str:
    """An index as Python writes it, or nothing for a scalar."""
    return f"[{', '.join(map(str, index))}]" if index else ""


def is_small(array: np.ndarray) -> bool:
    """Whether an array is shown whole, on one line."""
    return array.size <= (FULL_ROW if array.ndim < 2 else FULL_MATRIX) and array.ndim <= 2


def array_text(array: np.ndarray, digits: int = 6) -> str:
    """An array on one line: whole if it is small, else its type, range and mean."""
    if array.ndim == 0:
        return number(array, digits)
    if is_small(array):
        if array.ndim == 1:
            return f"[{', '.join(number(x, digits) for x in array)}]"
        return f"[{', '.join(array_text(row, digits) for row in array)}]"
    kind = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.size == 0 or array.dtype.kind == "b":
        return f"{kind}, {int(array.sum())} true" if array.size else f"{kind}, empty"
    low, high = array.min(), array.max()
    text = f"{kind} from {number(low, digits)} to {number(high, digits)}"
    if array.dtype.kind != "f":
        return text
    mean = array.mean()
    return f"{text}, mean {number(0.0 if abs(mean) < 1e-12 * max(abs(low), abs(high)) else mean, digits)}"


def rows_text(array: np.ndarray, digits: int = 6) -> list[str]:
    """A matrix of up to eight rows and columns, a row on each line; any other array on one line."""
    if array.ndim != 2 or is_small(array) or not 0 < max(array.shape) <= 8:
        return [array_text(array, digits)]
    cells = [[number(x, digits) for x in row] for row in array]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = ["[" + ", ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) + "]" for row in cells]
    return [("[" if i == 0 else " ") + row + ("]" if i == len(rows) - 1 else ",") for i, row in enumerate(rows)]
