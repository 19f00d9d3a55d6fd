"""What values are called: the user's own names, read from the source line that is running."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, NamedTuple

import numpy as np

from retrograd.core.source import Line, is_library
from retrograd.core.tree import flatten

_NUMPY = str(Path(np.__file__).parent)  # np.sin(tensor) comes by here
Span = tuple[int | None, int | None, int | None, int | None]


class Site(NamedTuple):
    """A place in the user's source.

    Attributes:
        line: file, number and text of the line.
        expression: the very expression that ran, where Python knows it.
        target: the name its value is given, or "".
    """

    line: Line
    expression: str
    target: str


def call_site() -> tuple[Site | None, Any]:
    """The innermost place of the call stack outside this package and NumPy, or None; and the call that was made there.

    The second is the same object for all steps that one call makes, and another one for the next call.
    """
    entry = frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_library(file) and not file.startswith(_NUMPY):
            return _site(frame, file), entry
        entry, frame = frame, frame.f_back  # type: ignore[assignment]
    return None, None


def _site(frame: FrameType, file: str) -> Site:
    number = frame.f_lineno
    line = Line(file, number, linecache.getline(file, number).strip())
    positions = _positions(frame.f_code)
    index = frame.f_lasti // 2
    span = positions[index] if index < len(positions) else (None,) * 4
    expression, target = "", ""
    if None not in span:
        expression = _segment(file, span)
        target = _targets(file).get(span, "")
    return Site(line, expression, target)


@cache
def _positions(code: CodeType) -> list[Span]:
    return list(code.co_positions())


def _segment(file: str, span: Any) -> str:
    """The source between two positions, on one line."""
    first, last, start, end = span
    lines = linecache.getlines(file)[first - 1 : last]
    if not lines:
        return ""
    encoded = [text.encode(errors="replace") for text in lines]
    encoded[-1] = encoded[-1][:end]
    encoded[0] = encoded[0][start:]
    return re.sub(r"\s+", " ", b"".join(encoded).decode(errors="replace")).strip()


@cache
def _targets(file: str) -> dict[Any, str]:
    """Where the value of an assignment to a plain name stands in a file -> that name."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[Any, str] = {}
    for node in ast.walk(tree):
        target: Any = None
        value: Any = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            target, value = node.target, node.value
        elif isinstance(node, ast.AugAssign):
            target, value = node.target, node  # the instruction that adds has the place of the whole statement
        if isinstance(target, ast.Name) and value is not None:
            found[value.lineno, value.end_lineno, value.col_offset, value.end_col_offset] = target.id
    return found


def target_of_line(text: str) -> str:
    """The name that a line assigns to, where only its text is known."""
    match = re.match(r"([A-Za-z_]\w*)\s*(?:[-+*/@]|\*\*|//)?=[^=]", text)
    return match.group(1) if match else ""


def argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """What `f`, or the forward pass of a model, calls its positional arguments."""
    try:
        parameters = list(inspect.signature(getattr(f, "forward", f)).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for p in parameters:
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
        elif p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}[{i}]" for i in range(count - len(names))]
    names += [f"x{i}" for i in range(len(names), count)]
    return names[:count] if parameters or count != 1 else ["x"]


def leaf_paths(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every leaf of a tree with its path, as Python would spell it: ``params['w'][0]``."""
    if isinstance(tree, dict):
        for key, child in tree.items():
            yield from leaf_paths(child, f"{name}[{key!r}]")
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for field, child in zip(tree._fields, tree, strict=True):
            yield from leaf_paths(child, f"{name}.{field}")
    elif type(tree) in (list, tuple):
        for i, child in enumerate(tree):
            yield from leaf_paths(child, f"{name}[{i}]")
    else:
        leaves = flatten(tree)[0]
        if len(leaves) == 1:
            yield name, leaves[0]
        else:
            yield from ((f"{name}.{i}", leaf) for i, leaf in enumerate(leaves))


def names_in_scope(f: Callable[..., Any]) -> dict[str, Any]:
    """Name -> object of what the code of `f` takes from outside: its closure and the globals that it mentions."""
    plain = plain_function(f)
    if plain is None:
        return {}
    found: dict[str, Any] = {}
    for name in _mentioned(plain.__code__):
        if name in plain.__globals__:
            found[name] = plain.__globals__[name]
    for name, cell in zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def plain_function(f: Any) -> FunctionType | None:
    """The function behind a method or a wrapper that says what it wraps."""
    while not isinstance(f, FunctionType):
        f = f.__func__ if isinstance(f, MethodType) else getattr(f, "__wrapped__", None)
        if f is None:
            return None
    return f


def _mentioned(code: CodeType) -> Sequence[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names += _mentioned(constant)
    return names


def result_name(f: Callable[..., Any]) -> str:
    """What to call the result of a function: its own name, if it has one."""
    name = getattr(f, "__name__", "")
    return name if name.isidentifier() and not name.startswith("_") else "y"
