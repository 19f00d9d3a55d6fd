"""Whether two models are of one structure, so that one can stand for both."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.nn.module import Module
from retrograd.nn.structure import Part, structure_of
from retrograd.tensor.parameter import Parameter


def difference(a: Module, b: Module) -> str | None:
    """The first thing in which `b` differs from `a` other than the values of cells, in words; None if there is none."""
    if a is b:
        return None
    ours, theirs = structure_of(a), structure_of(b)
    for (path, module), (other_path, other) in zip(ours.modules, theirs.modules, strict=False):
        place = path or "the model"
        if path != other_path or type(module) is not type(other):
            return (
                f"{other_path or 'the model'} is a {type(other).__name__}, {place} of model 0 a {type(module).__name__}"
            )
        if found := _attributes(place, vars(module), vars(other)):
            return found
    if len(ours.modules) != len(theirs.modules):
        return f"it has {len(theirs.modules)} modules, model 0 has {len(ours.modules)}"
    return _cells(ours.cells, theirs.cells)


def _attributes(place: str, a: dict[str, Any], b: dict[str, Any]) -> str | None:
    for name in [*a, *(n for n in b if n not in a)]:
        if name not in a or name not in b:
            return f"{place} has {'no' if name not in b else 'an'} attribute {name}"
        if not _alike(a[name], b[name]):
            return f"{name} of {place} is {_short(b[name])}, in model 0 it is {_short(a[name])}"
    return None


def _cells(a: list[tuple[str, Cell]], b: list[tuple[str, Cell]]) -> str | None:
    first_of_a: dict[Cell, str] = {}
    first_of_b: dict[Cell, str] = {}
    for (path, cell), (other_path, other) in zip(a, b, strict=False):
        if path != other_path:
            return f"it has {other_path} where model 0 has {path}"
        if cell.type != other.type or type(cell) is not type(other):
            return f"{path} is a {type(other).__name__} {other.type}, in model 0 a {type(cell).__name__} {cell.type}"
        if isinstance(cell, Parameter) and cell.requires_grad != other.requires_grad:
            return f"{path} is {'trained' if other.requires_grad else 'frozen'}, and not so in model 0"
        tied, other_tied = first_of_a.setdefault(cell, path), first_of_b.setdefault(other, path)
        if tied != other_tied:
            return f"{path} is the same cell as {other_tied}, in model 0 as {tied}"
    if len(a) != len(b):
        longer, who, whom = (b, "it", "model 0") if len(b) > len(a) else (a, "model 0", "it")
        return f"{who} has {longer[min(len(a), len(b))][0]}, {whom} has not"
    return None


def _alike(a: Any, b: Any) -> bool:
    """Whether two attributes mean the same; cells and modules inside are compared elsewhere."""
    if a is b or (isinstance(a, (Cell, Part)) and type(a) is type(b)):
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, FunctionType):
        return a.__code__ is b.__code__ and _alike(a.__defaults__, b.__defaults__) and _alike(_closed(a), _closed(b))
    try:
        return bool(np.all(np.asarray(a == b)))
    except Exception:  # noqa: BLE001 - what cannot be compared is not alike
        return False


def _closed(f: FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in f.__closure__ or ()]


def _short(value: Any) -> str:
    text = repr(value).splitlines()[0]
    return text if len(text) <= 60 else text[:57] + "..."
