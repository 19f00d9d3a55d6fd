"""What makes two calls the same program: arguments, and the Python values a function's own code uses.

| what | enters the key by |
| --- | --- |
| arrays | shape, dtype, weakness, requires_grad |
| Python floats | nothing: they are inputs (weak scalars) |
| other scalars, strings, None, enums, dtypes, frozen dataclasses, tuples of these | type and value |
| lists, tuples, dicts | structure; what is in them by these rules |
| modules, optimisers, cells, generators | identity, and a structure version where they have one |
| what its code, and functions it uses, take from outside | the same rules; other objects by identity |
"""

from __future__ import annotations

import dataclasses
import enum
import math
import sysconfig
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.source import is_library
from retrograd.errors import RetrogradError

VALUE_TYPES = (bool, int, str, bytes, type(None), type(Ellipsis), complex)
_LIBRARIES = tuple(sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib"))


class Missing:
    """A name the code mentions that has no value now."""


def is_array(x: Any) -> bool:
    """Whether an argument is an input of the program."""
    return isinstance(x, (Box, np.ndarray, np.generic)) or type(x) is float or type(x).__module__.startswith("torch")


def is_stateful(x: Any) -> bool:
    """Modules and optimisers: objects with a structure version."""
    return isinstance(getattr(x, "_version", None), int)


def value_key(x: Any) -> Any:
    """The key of a static value, or None if it has none."""
    cls = type(x)
    if cls in VALUE_TYPES:
        return (cls, x)
    if cls is float:
        return (cls, "nan") if math.isnan(x) else (cls, x, math.copysign(1.0, x))
    if isinstance(x, (enum.Enum, np.dtype, type)):
        return (cls, x)
    if cls is tuple:
        keys = tuple(map(value_key, x))
        return None if any(k is None for k in keys) else (tuple, keys)
    if isinstance(x, np.generic):
        return (cls, x.dtype.str, x.tobytes())
    if getattr(getattr(x, "__dataclass_params__", None), "frozen", False):
        fields = tuple(value_key(getattr(x, f.name)) for f in dataclasses.fields(x))
        return None if any(k is None for k in fields) else (cls, fields)
    return None


def argument_key(x: Any, where: str, name: str) -> Any:
    """The key of an argument that is no input.

    Raises:
        RetrogradError: for an object that cannot be a key; it names ``static=``.
    """
    key = value_key(x)
    if key is not None:
        return key
    if isinstance(x, Cell):
        return ("cell", Identity(x))
    if is_stateful(x):
        return ("object", Identity(x), versions(x))
    raise RetrogradError(
        f"{name}: {where} is a {type(x).__name__}, which jit cannot tell apart from another: pass arrays, numbers, "
        "strings, containers, modules; or name the argument in static= and give the object __hash__ and __eq__"
    )


def versions(x: Any) -> tuple[int, ...]:
    """The structure versions of a module and of all modules in it."""
    modules = getattr(x, "modules", None)
    if callable(modules):
        return tuple(m._version for m in modules())
    return (x._version,)


class Identity:
    """An object as a key: it is only equal to itself, and is held so that its identity is not used again."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.x is self.x

    def __hash__(self) -> int:
        return id(self.x)

    def __repr__(self) -> str:
        return f"<{type(self.x).__name__} at {id(self.x):#x}>"


def code_of(f: Any) -> CodeType | None:
    """The code object of a function, method or wrapper."""
    function = function_of(f)
    return None if function is None else function.__code__


def function_of(f: Any) -> FunctionType | None:
    """The plain function behind a function, method, or wrapper that says what it wraps."""
    while not isinstance(f, FunctionType):
        if isinstance(f, MethodType):
            f = f.__func__
        elif isinstance(f, partial):
            f = f.func
        elif hasattr(f, "__wrapped__"):
            f = f.__wrapped__
        elif isinstance(getattr(type(f), "__call__", None), FunctionType):  # noqa: B004 - its code is wanted
            f = type(f).__call__
        else:
            return None
    return f


def uses(f: Any) -> dict[str, Any]:
    """Path -> value of everything the code of `f`, and of the user's functions that it uses, takes from outside."""
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(function: Any, path: str) -> None:
        if isinstance(function, MethodType):
            found[f"{path}self"] = function.__self__
        elif isinstance(function, partial):
            found.update({f"{path}argument {i}": v for i, v in enumerate(function.args)})
            found.update({f"{path}argument {n}": v for n, v in function.keywords.items()})
        elif not path and not isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
            found["self"] = function
        plain = function_of(function)
        if plain is None or id(plain) in seen:
            return
        seen.add(id(plain))
        found[f"{path}code"] = plain.__code__
        settled = is_settled(plain.__code__)  # its globals stay; what a wrapper such as rg.grad(f) closes over does not
        for name, value in _captured(plain) if settled else (*_globals(plain), *_captured(plain)):
            found[f"{path}{name}"] = value
            if function_of(value) is not None:
                visit(value, f"{path}{name}.")

    visit(f, "")
    return found


def is_settled(code: CodeType) -> bool:
    """Whether this is code of ours or of an installed library, whose globals do not change."""
    return is_library(code.co_filename) or code.co_filename.startswith(_LIBRARIES)


_names: dict[CodeType, tuple[str, ...]] = {}


def global_names(code: CodeType) -> tuple[str, ...]:
    """The names that a code object and the ones nested in it may look up."""
    found = _names.get(code)
    if found is None:
        names = dict.fromkeys(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                names.update(dict.fromkeys(global_names(constant)))
        found = _names[code] = tuple(names)
    return found


def _globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    scope = function.__globals__
    for name in global_names(function.__code__):
        if name in scope:
            yield f"global {name}", scope[name]


def _captured(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"closure {name}", cell.cell_contents
        except ValueError:
            yield f"closure {name}", Missing
    for i, value in enumerate(function.__defaults__ or ()):
        yield f"default {i}", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"default {name}", value


def outside_key(f: Any) -> tuple[tuple[str, Any], ...]:
    """The part of the key that comes from outside the arguments."""
    found = []
    for path, value in uses(f).items():
        if isinstance(value, ModuleType):
            continue
        if isinstance(value, partial) and code_of(value) is not None:
            found.append((path, ("function", code_of(value))))
            continue
        if isinstance(value, FunctionType):
            found.append((path, ("function", value.__code__)))
            continue
        key = value_key(value)
        if key is None:
            key = ("object", Identity(value), versions(value)) if is_stateful(value) else Identity(value)
        found.append((path, key))
    return tuple(found)


def stays_the_same(part: Any) -> bool:
    """Whether a part of a key says all there is: values, code, cells, tensors; not objects that can change inside."""
    if isinstance(part, tuple) and part and part[0] == "object":
        return False
    return not isinstance(part, Identity) or isinstance(part.x, (Cell, Box)) or callable(part.x)
