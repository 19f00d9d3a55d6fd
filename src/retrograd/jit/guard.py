"""The short way from a call to its program.

A full key costs more than many steps take. So a jitted function remembers, for the call it served last, everything that
the key was made of, as things to compare by identity: if all of them are the same objects, the program is the same. Any
doubt leads to the full key.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from retrograd.core.box import FACES, Box
from retrograd.core.dispatch import EVALUATE, QUIET, current
from retrograd.graph.keys import Missing, function_of, global_names, is_settled, is_stateful
from retrograd.jit.settings import settings

if TYPE_CHECKING:
    from retrograd.jit.program import Program


class Unguarded(Exception):
    """Something can change without being another object."""


class Guard:
    """What has to be as it was for `program` to serve a call."""

    def __init__(self, f: Any, args: Sequence[Any], program: Program) -> None:
        self.program = program
        self.fast = program.fast()
        self.level = current()
        if self.level is not EVALUATE and self.level is not QUIET:
            raise Unguarded
        face = FACES[-1]
        self.arguments: list[tuple[Any, Any, bool]] = []
        for a in args:
            if type(a) is not face or a.owner is not None or a.node is not None:
                raise Unguarded
            self.arguments.append((a.value.shape, a.value.dtype, a.weak))
        self.count = len(args)
        self.settings = settings()
        self.closures: list[tuple[Any, Any]] = []
        self.globals: list[tuple[dict[str, Any], str, Any]] = []
        self.functions: list[tuple[Any, Any, Any, Any]] = []
        self.wrappers: list[tuple[Any, Any]] = []
        self.stateful: list[tuple[Any, int]] = []
        self._visit(f, set())
        traced = program.traced
        if program._follows(args, self.level):
            raise Unguarded
        self.cells = [(c, t is None, c.type) for c, t in traced.cell_types.items()]
        self.followed = traced.followed
        self.attributes = list(traced.stage.settings)

    def _visit(self, f: Any, seen: set[int]) -> None:
        """The function, and the user's functions that it uses: what they take from outside."""
        if isinstance(f, MethodType):
            self._value(f.__self__, seen)
        elif isinstance(f, partial):
            for value in (*f.args, *f.keywords.values()):
                self._value(value, seen)
        plain = function_of(f)
        if plain is None:
            return
        if plain is not f and not isinstance(f, (MethodType, partial)):
            self.wrappers.append((f, plain))
        if id(plain) in seen:
            return
        seen.add(id(plain))
        self.functions.append((plain, plain.__code__, plain.__defaults__, plain.__kwdefaults__))
        for value in plain.__defaults__ or ():
            self._value(value, seen)
        by_name: dict[str, Any] = plain.__kwdefaults__ or {}
        for name, value in by_name.items():
            self.globals.append((by_name, name, value))
            self._value(value, seen)
        for cell in plain.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:
                raise Unguarded from None
            self.closures.append((cell, value))
            self._value(value, seen)
        if is_settled(plain.__code__):
            return
        scope = plain.__globals__
        for name in global_names(plain.__code__):
            value = scope.get(name, Missing)
            self.globals.append((scope, name, value))
            self._value(value, seen)

    def _value(self, value: Any, seen: set[int]) -> None:
        """A value from outside: by identity, and by its structure where it has one."""
        if isinstance(value, tuple):
            for v in value:
                self._value(v, seen)
        elif is_stateful(value):
            self.stateful.append((value, value._version))
        elif isinstance(value, Box):
            if value.owner is not None or value.node is not None:
                raise Unguarded
        elif not isinstance(value, (type, ModuleType)) and callable(value):
            self._visit(value, seen)

    def values(self, args: Sequence[Any]) -> list[Any] | None:
        """The arrays of the arguments, if the program serves them; else None."""
        if len(args) != self.count or current() is not self.level:
            return None
        face = FACES[-1]
        found = []
        for a, (shape, dtype, weak) in zip(args, self.arguments):  # noqa: B905 - the lengths were compared
            if type(a) is not face or a.owner is not None or a.node is not None or a.weak is not weak:
                return None
            value = a.value
            if value.shape != shape or value.dtype is not dtype:
                return None
            found.append(value)
        for cell, value in self.closures:
            if cell.cell_contents is not value:
                return None
        for scope, name, value in self.globals:
            if scope.get(name, Missing) is not value:
                return None
        return found if self._surroundings() else None

    def _surroundings(self) -> bool:
        for f, code, defaults, kwdefaults in self.functions:
            if f.__code__ is not code or f.__defaults__ is not defaults or f.__kwdefaults__ is not kwdefaults:
                return False
        for f, plain in self.wrappers:
            if function_of(f) is not plain:
                return False
        for cell, absent, type_ in self.cells:
            if (cell.array is None) is not absent or cell.type is not type_:
                return False
        for cell, followed in self.followed:
            if cell.requires_grad is not followed:
                return False
        for owner, name, value in self.attributes:
            if owner.__dict__.get(name, owner) is not value:
                return False
        for x, version in self.stateful:
            if x._version != version:
                return False
        return settings() == self.settings


def guard(f: Any, args: Sequence[Any], program: Program) -> Guard | None:
    """A guard for the calls that follow, if everything the program depends on can be watched."""
    try:
        return Guard(f, args, program)
    except Unguarded:
        return None
