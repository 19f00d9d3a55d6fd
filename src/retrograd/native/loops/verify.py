"""What every loop program must satisfy: no view reaches outside its buffer, and every expression has its dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retrograd.native.loops.ir import (
    Counter,
    Expr,
    Loop,
    LoopProgram,
    Nest,
    Scatter,
    View,
    bodies,
    expressions,
    reads,
    root,
    roots,
    writes,
)
from retrograd.native.loops.words import COMPARISONS, LOGIC


class LoopDefect(AssertionError):
    """A loop program that the compiler should not have made."""


def verify(program: LoopProgram) -> LoopProgram:
    """The program, if it is well formed.

    Raises:
        LoopDefect: naming the statement. It is a defect of the compiler.
    """
    _statements(program, program.body, {})
    return program


def _statements(program: LoopProgram, body: Sequence[Any], counts: Mapping[Counter, int]) -> None:
    for s in body:
        for view in (*reads(s), *writes(s)):
            _inside(view, counts, s)
        for e in expressions(roots(s)):
            _typed(e)
        if isinstance(s, Nest | Scatter):
            _spaces(s)
            for c in s.checks:
                if not 0 <= c.site < len(program.errors):
                    raise LoopDefect(f"{s}: no error {c.site}")
        inner = {**counts, s.counter: s.count} if isinstance(s, Loop) else counts
        for inside in bodies(s):
            _statements(program, inside, inner)


def _inside(view: View, counts: Mapping[Counter, int], s: Any) -> None:
    buffer = root(view.buffer)
    if buffer is None:
        raise LoopDefect(f"{s}: a view without memory is read or written")
    if view.size == 0:
        return
    low = high = view.offset
    steps = [(n, t) for n, t in zip(view.shape, view.strides, strict=True)]
    for counter, t in view.terms:
        if counter not in counts:
            raise LoopDefect(f"{s}: a counter outside its loop")
        steps.append((counts[counter], t))
    for n, t in steps:
        low += min(0, (n - 1) * t)
        high += max(0, (n - 1) * t)
    if low < 0 or high >= buffer.size:
        raise LoopDefect(f"{s}: elements {low} to {high} of a buffer of {buffer.size}")
    if buffer.dtype != view.dtype:
        raise LoopDefect(f"{s}: {view.dtype} of a buffer of {buffer.dtype}")


def _typed(e: Expr) -> None:
    if e.op in ("load", "fetch") and e.attr.dtype != e.dtype:
        raise LoopDefect(f"a load of {e.attr.dtype} as {e.dtype}")
    if e.op in ("const", "load", "fetch", "counter", "product", "convert"):
        return
    operands = e.args[1:] if e.op == "where" else e.args
    if len({a.dtype for a in operands}) > 1:
        raise LoopDefect(f"{e.op} of {', '.join(str(a.dtype) for a in operands)}")
    wanted = "bool" if e.op in COMPARISONS or e.op in LOGIC else operands[0].dtype
    if e.dtype != wanted or (e.op == "where" and e.args[0].dtype.kind != "b"):
        raise LoopDefect(f"{e.op} of {', '.join(str(a.dtype) for a in e.args)} gives {e.dtype}")


def _spaces(s: Nest | Scatter) -> None:
    views = [e.attr for e in expressions(roots(s)) if e.op in ("load", "fetch")]
    if isinstance(s, Nest):
        views += [w.view for w in s.stores] + [r.view for r in s.reduces]
        for w in s.stores:
            if w.value.dtype != w.view.dtype:
                raise LoopDefect(f"{w.value.dtype} stored as {w.view.dtype}")
        for r in s.reduces:
            if any(t for t, a in zip(r.view.strides, r.axes, strict=True) if a):
                raise LoopDefect("a reduction writes to several places")
    for view in views:
        if view.shape != s.space:
            raise LoopDefect(f"a view of {view.shape} in a space of {s.space}")
