"""maximum and minimum, which keep NaN as NumPy does; of zeros +0 is the greater."""

from __future__ import annotations

from retrograd.native.llvm.builder import Function, Type
from retrograd.native.llvm.target import Target


def maximum(f: Function, t: Type, target: Target, x: str, y: str) -> str:
    """The greater of two; NaN if either is."""
    return f.intrinsic("llvm.maximum", t, x, y)


def minimum(f: Function, t: Type, target: Target, x: str, y: str) -> str:
    """The lesser of two; NaN if either is."""
    return f.intrinsic("llvm.minimum", t, x, y)
