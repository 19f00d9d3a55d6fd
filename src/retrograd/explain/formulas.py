"""Formulas with names, and with numbers, in place of the letters that a primitive uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from retrograd.core.primitive import Primitive
from retrograd.core.types import is_weak_scalar
from retrograd.explain.numerals import signed
from retrograd.primitives.families import Pointwise
from retrograd.primitives.vocabulary import NUMPY, TEXT, Symbol

Show = Callable[[Any], str]  # how a number is written
_WORD = re.compile(r"[A-Za-z_]\w*")


def formula(prim: Primitive, operands: Sequence[str], ndim: int | None = None) -> str:
    """The formula of a primitive with its operands and parameters filled in; axes are left out if they are all."""
    text = prim.written_out or f"{prim.name}({', '.join(prim.operands)})"
    if ndim is not None and getattr(prim, "axes", None) == tuple(range(ndim)):
        text = text.replace(", axes", "")
    names = dict(zip(prim.operands, operands, strict=False))
    if prim.operands == ("xs",):
        names = {"xs": f"[{', '.join(operands)}]"}
    for field in getattr(prim, "__dataclass_fields__", ()):
        names.setdefault(field, _parameter(field, getattr(prim, field)))
    return tidy(_WORD.sub(lambda m: names.get(m.group(), m.group()), text))


def tidy(text: str) -> str:
    """Without the parentheses around negative numbers where a comma or another pair stands around them."""
    return re.sub(r"(?:(?<=\()|(?<=, ))\((-[^()]*)\)(?=[,)])", r"\1", text)


def _parameter(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return f"{name}={value}" if len(value) != 1 else f"{name}={value[0]}"
    return str(value)


def element_of(array: Any, at: tuple[int, ...]) -> Any:
    """The element of an array that meets element `at` of what it was broadcast to."""
    array = np.asarray(array)
    if not array.shape:
        return array[()]
    own = at[len(at) - array.ndim :]
    return array[tuple(0 if n == 1 else i for i, n in zip(own, array.shape, strict=True))]


def element_place(shape: Sequence[int], at: tuple[int, ...]) -> tuple[int, ...]:
    """Where that element lies."""
    own = at[len(at) - len(shape) :] if shape else ()
    return tuple(0 if n == 1 else i for i, n in zip(own, shape, strict=True))


def is_pointwise(prim: Any) -> bool:
    """Whether element i of the output depends on element i of each argument alone."""
    return isinstance(prim, Pointwise)


def numbers_of(prim: Primitive, args: Sequence[Any], at: tuple[int, ...], show: Show = signed) -> str:
    """The formula of a pointwise primitive for one element, numbers plugged in."""
    return formula(prim, [show(element_of(a, at)) for a in args])


def local_in_names(prim: Any, i: int, operands: Sequence[str], out: str, upstream: str) -> str:
    """The local derivative with respect to argument `i` as the primitive declares it."""
    if is_pointwise(prim):
        return _local(prim, i, [Symbol(n) for n in operands], Symbol(out))
    parts = prim.derivative.split(",  ")
    if not prim.derivative or (len(parts) > 1 and i >= len(parts)):
        return ""
    names = {**dict(zip(prim.operands, operands, strict=False)), "out": out, "ct": upstream}
    return _WORD.sub(lambda m: names.get(m.group(), m.group()), parts[i if len(parts) > 1 else 0])


def local_in_numbers(prim: Any, i: int, args: Sequence[Any], out: Any, at: tuple[int, ...], show: Show = signed) -> str:
    """The local derivative of a pointwise primitive at one element, numbers plugged in."""

    def symbol(value: Any) -> Symbol:
        return Symbol(show(element_of(value, at)))

    return _local(prim, i, [symbol(a) for a in args], symbol(out))


def _local(prim: Any, i: int, args: Sequence[Any], out: Any) -> str:
    found = prim.routes(TEXT, Symbol("1"), *args, out=out) if prim.routed else prim.partials(TEXT, *args, out=out)
    part = found[i]() if isinstance(found[i], FunctionType) else found[i]
    if part is None:
        return "0"
    symbol = Symbol.of(part)
    return tidy(symbol.text if symbol.binding > 6 else f"({symbol.text})")  # it stands in a product


def factor(prim: Any, i: int, args: Sequence[Any], out: np.ndarray) -> np.ndarray:
    """The local derivative of a pointwise primitive, element by element, in the shape of the output."""
    one = np.ones(out.shape)
    values = [np.asarray(a) if is_weak_scalar(a) else a for a in args]
    with np.errstate(all="ignore"):
        if prim.routed:
            found = prim.routes(NUMPY, one, *values, out=out)[i]
            found = found() if isinstance(found, FunctionType) else found
        else:
            found = prim.partials(NUMPY, *values, out=out)[i]
            found = found() if isinstance(found, FunctionType) else found
    return np.zeros(out.shape) if found is None else np.broadcast_to(np.asarray(found, np.float64), out.shape)
