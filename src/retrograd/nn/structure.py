"""What a module is made of: its cells and modules, found by walking its attributes, each with its path as name.

The walk is remembered. Every assignment that changes the structure of any module moves `_epoch`; lists and dicts, which
can change without us, are compared element by element. So the common question "is all as it was?" costs well under a
microsecond, and `Module._version`, which compiled programs depend on, is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from operator import is_
from typing import Any

from retrograd.core.cells import Cell
from retrograd.errors import RetrogradError
from retrograd.tensor.parameter import Parameter

_epoch = [0]
_serial = count(1).__next__
_containers = (list, tuple, dict)


def changed() -> None:
    """Some module has gained, lost or exchanged a part."""
    _epoch[0] += 1


class Structure:
    """The parts of one module.

    Attributes:
        cells: (path, cell) of everything in a state_dict's order; a cell that two paths share comes twice.
        modules: (path, module), each once, the outer before the inner.
        version: another number whenever the parts or their order are others.
    """

    __slots__ = ("_epoch", "_mutable", "by_name", "cells", "modules", "version")

    def __init__(self, module: Part) -> None:
        self._epoch = _epoch[0]
        self.cells: list[tuple[str, Cell]] = []
        self.modules: list[tuple[str, Any]] = []
        self._mutable: list[tuple[Any, list[Any]]] = []
        _Walk(self).module(module, "")
        self.by_name = dict(self.cells)
        self.version = _serial()

    @property
    def fresh(self) -> bool:
        """Whether nothing has changed since the walk."""
        if self._epoch != _epoch[0]:
            return False
        return not self._mutable or all(_same(_elements(c), was) for c, was in self._mutable)

    def same_parts(self, other: Structure) -> bool:
        """Whether both have the same parts in the same places."""
        return all(
            len(a) == len(b) and all(p == q and x is y for (p, x), (q, y) in zip(a, b, strict=True))
            for a, b in ((self.cells, other.cells), (self.modules, other.modules))
        )

    def unique(self, kind: type[Cell]) -> Iterator[tuple[str, Any]]:
        """(path, cell) of every cell of this kind once, under its first path."""
        seen: set[Cell] = set()
        for path, cell in self.cells:
            if isinstance(cell, kind) and cell not in seen:
                seen.add(cell)
                yield path, cell


def _same(now: list[Any], was: list[Any]) -> bool:
    return len(now) == len(was) and all(map(is_, now, was))


def _elements(container: Any) -> list[Any]:
    return [*container, *container.values()] if isinstance(container, dict) else list(container)


class Part:
    """What can hold cells: the base of `Module`, which this file comes before."""

    __slots__ = ()
    _structure: Any

    def _members(self) -> Iterable[tuple[str, Any]]:
        """(name, value) of everything that may be part of the structure."""
        raise NotImplementedError


def structural(value: Any) -> bool:
    """Whether an attribute of this value can be part of the structure."""
    return isinstance(value, (Cell, Part, *_containers))


class _Walk:
    """One walk; appends what it finds to a structure."""

    def __init__(self, found: Structure | None = None) -> None:
        self.cells: list[tuple[str, Cell]] = [] if found is None else found.cells
        self.modules: list[tuple[str, Any]] = [] if found is None else found.modules
        self.mutable: list[tuple[Any, list[Any]]] = [] if found is None else found._mutable
        self.seen: set[int] = set()
        self.open: list[Any] = []

    def module(self, module: Part, path: str) -> None:
        if any(outer is module for outer in self.open):
            raise RetrogradError(f"{path} is a module that holds itself: keep a reference upward out of its attributes")
        if id(module) not in self.seen:
            self.seen.add(id(module))
            self.modules.append((path, module))
        self.open.append(module)
        self.members(module._members(), path)
        self.open.pop()

    def members(self, members: Iterable[tuple[Any, Any]], path: str) -> None:
        """Own parameters first, then other cells, then what is inside of parts."""
        parts = [(f"{path}.{name}" if path else str(name), v) for name, v in members if structural(v)]
        cells = [(p, v) for p, v in parts if isinstance(v, Cell)]
        self.cells += [(p, v) for p, v in cells if isinstance(v, Parameter)]
        self.cells += [(p, v) for p, v in cells if not isinstance(v, Parameter)]
        for place, part in parts:
            if isinstance(part, _containers):
                self.container(part, place)
            elif not isinstance(part, Cell):
                self.module(part, place)

    def container(self, container: Any, path: str) -> None:
        members = container.items() if isinstance(container, dict) else enumerate(container)
        if not container or any(structural(v) for _, v in members):
            if not isinstance(container, tuple):
                self.mutable.append((container, _elements(container)))
            self.members(list(container.items()) if isinstance(container, dict) else enumerate(container), path)


def structure_of(module: Part) -> Structure:
    """The structure of `module`, walked again only if something has changed."""
    known: Structure | None = module._structure
    if known is not None and known.fresh:
        return known
    found = Structure(module)
    if known is not None and found.same_parts(known):
        found.version = known.version
    for path, cell in found.cells:
        if path.endswith("." + cell.name):  # a list has gained a part since it was attached
            cell.name = path
    type(module)._structure.__set__(module, found)  # past `__setattr__`
    return found


def rename(value: Any, path: str) -> None:
    """Give every cell in an attribute its path as name."""
    walk = _Walk()
    walk.members([(path, value)], "")
    for place, cell in reversed(walk.cells):  # of several paths the first counts
        cell.name = place
