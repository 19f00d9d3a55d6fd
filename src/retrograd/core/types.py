"""What a value is without its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.config import SUPPORTED
from retrograd.errors import UnsupportedDtype

SHORT = {
    "bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16",
    "uint32": "u32", "uint64": "u64", "float32": "f32", "float64": "f64",
}  # fmt: skip
LONG = {short: long for long, short in SHORT.items()}
WEAK_DTYPES = {bool: np.dtype("bool"), int: np.dtype("int64"), float: np.dtype("float64")}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Shape and dtype; `weak` marks a Python scalar, whose dtype yields to that of any array it meets."""

    shape: tuple[int, ...]
    dtype: np.dtype
    weak: bool = False

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"

    def __str__(self) -> str:
        dims = f"[{','.join(map(str, self.shape))}]" if self.shape else ""
        return f"{SHORT[self.dtype.name]}{dims}{'*' if self.weak else ''}"

    def strong(self) -> ArrayType:
        """The same type without weakness."""
        return ArrayType(self.shape, self.dtype) if self.weak else self

    def with_shape(self, shape: tuple[int, ...]) -> ArrayType:
        return ArrayType(tuple(shape), self.dtype, self.weak and not shape)


class Outline:
    """The shape and dtype of an array that a tape node does not keep (an `ArrayType` takes three times as long)."""

    __slots__ = ("dtype", "shape")

    def __init__(self, value: Any) -> None:
        self.shape: tuple[int, ...] = value.shape
        self.dtype: np.dtype = value.dtype


def is_weak_scalar(value: Any) -> bool:
    """Weak means exactly a Python bool, int or float; NumPy scalars are strong."""
    return type(value) in WEAK_DTYPES


def type_of(value: Any) -> ArrayType:
    """The type of a concrete array, a Python scalar, or a box."""
    cls = type(value)
    if cls is np.ndarray:
        return ArrayType(value.shape, value.dtype)
    if cls in WEAK_DTYPES:
        return ArrayType((), WEAK_DTYPES[cls], weak=True)
    return ArrayType(value.shape, value.dtype, bool(getattr(value, "weak", False)))


def check_dtype(dtype: np.dtype) -> np.dtype:
    """`dtype` in native byte order if the library computes with it.

    Raises:
        UnsupportedDtype: for complex numbers, objects, strings, half and extended precision.
    """
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype in SUPPORTED:
        return dtype
    hint = {
        "c": "split it into real and imaginary parts",
        "O": "give numbers; the rows may differ in length",
        "U": "encode text as numbers first",
        "S": "encode text as numbers first",
        "M": "convert dates to numbers first",
        "f": "convert it to float32 or float64 with .astype(...)",
    }.get(dtype.kind, "convert it to float32 or float64")
    raise UnsupportedDtype(f"dtype {dtype} is not supported: {hint}")
