"""How numbers and arrays are printed."""

from __future__ import annotations

from typing import Any

import numpy as np

FULL = 12  # an array with at most so many elements is shown whole


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
    """A scalar with so many decimals, as worked examples print them; very small and very large ones keep their digits."""
    x = float(x)
    if x != x or x in (float("inf"), float("-inf")):
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
    return array.size <= FULL and array.ndim <= 2


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
    low, high = number(array.min(), digits), number(array.max(), digits)
    middle = f", mean {number(array.mean(), digits)}" if array.dtype.kind == "f" else ""
    return f"{kind} from {low} to {high}{middle}"
