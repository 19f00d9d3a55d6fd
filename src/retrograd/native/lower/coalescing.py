"""Where a loop's next carry is written: in place, where nobody can tell.

By default an iteration writes what it carries on into memory of its own, and copies it at the end, when everything has
been read and nothing can fail any more. A value that is written once, after the last read of the carry it replaces (or
by the very element that reads it), goes there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retrograd.native.loops.ir import (
    Buffer,
    Draw,
    Host,
    Loop,
    Nest,
    Scatter,
    View,
    While,
    expressions,
    reads,
    root,
    roots,
    walk,
    writes,
)


def settle(inner: Any, outs: Sequence[Any], temporary: Sequence[View], carry: Sequence[View], top: bool) -> None:
    """Complete the body `inner` of a loop: its outputs become the carry of the next iteration."""
    moves = []
    carried = {c.buffer for c in carry}
    for out, own, view in zip(outs, temporary, carry, strict=True):
        if out == view:
            continue
        if out != own and (not isinstance(out, View) or out.buffer in carried or _shared(out, temporary)):
            inner.copy(out, own)  # read before anything is overwritten
            out = own
        moves.append((out, own, view))
    last = [(out, view) for out, own, view in moves if not (out == own and _in_place(inner.statements, own, view, top))]
    # `_in_place` looks at the moves of others too: they read their temporaries, never a carry.
    for out, view in last:
        inner.copy(out, view)


def _shared(out: View, temporary: Sequence[View]) -> bool:
    """Whether a place is another output's own memory, which may come to lie in a carry."""
    return any(out.buffer is t.buffer for t in temporary)


def mark_final(statements: list[Any], carry: Sequence[View]) -> None:
    """Mark the stores to what a loop at the top carries but never reads, such as a `.grad` that is overwritten.

    Only where nothing ends an iteration half-way: then the code knows beforehand whether somebody will look.
    """
    if any(_ends_programs(t) for t in walk(statements)):
        return
    read = {root(r.buffer) for t in walk(statements) for r in reads(t)}
    simple = {id(s) for s in statements if isinstance(s, Nest)}
    for view in carry:
        memory = root(view.buffer)
        writers = [t for t in walk(statements) if any(root(w.buffer) is memory for w in writes(t))]
        if memory in read or not all(id(t) in simple for t in writers):
            continue
        if any(root(r.view.buffer) is memory for t in writers for r in t.reduces):
            continue
        for t in writers:
            t.stores = [replace(w, final=True) if root(w.view.buffer) is memory else w for w in t.stores]


def share(statements: list[Any], output: Buffer, given: Buffer) -> bool:
    """Let an output of a program lie where an input does, if no read can see the difference."""
    own, view = (View(b, b.dtype, (b.size,), (1,)) for b in (output, given))
    if output.dtype != given.dtype or not _in_place(statements, own, view, top=True):
        return False
    statements[:] = [s for s in statements if not _copies_itself(s)]
    return True


def nothing_fails_after(statements: Sequence[Any], buffer: Buffer) -> bool:
    """Whether no check or host call comes after the first write to a buffer, or with it."""
    written = False
    for s in statements:
        written = written or any(root(w.buffer) is buffer for w in _all_writes(s))
        if written and _can_fail(s):
            return False
    return True


def _copies_itself(s: Any) -> bool:
    """Whether a nest does nothing but write elements where they are."""
    if not isinstance(s, Nest) or s.reduces or s.checks or s.product is not None:
        return False
    return all(w.value.op == "load" and _same_place(w.view, w.value.attr) for w in s.stores)


def _same_place(a: View, b: View) -> bool:
    return root(a.buffer) is root(b.buffer) and (a.strides, a.offset, a.terms) == (b.strides, b.offset, b.terms)


def _in_place(statements: Sequence[Any], own: View, view: View, top: bool) -> bool:
    """Let `own` be the memory of `view`, if no read can see the difference."""
    first = next((i for i, s in enumerate(statements) if any(w.buffer is own.buffer for w in _all_writes(s))), None)
    if first is None or view.buffer is None or own.buffer is None:
        return False
    if not (own.whole and view.whole):  # a carry may lie in a row of what a loop outside stacks
        return False
    for i, s in enumerate(statements[first:]):
        if top and _can_fail(s):
            return False
        seen = [r for r in _all_reads(s) if root(r.buffer) is view.buffer]
        if seen and not (i == 0 and _same_elements(s, own, view)):
            return False
    own.buffer.alias = view.buffer
    return True


def _all_reads(s: Any) -> list[View]:
    return [v for t in walk([s]) for v in reads(t)]


def _all_writes(s: Any) -> list[View]:
    return [v for t in walk([s]) for v in writes(t)]


def _can_fail(s: Any) -> bool:
    return any(_ends_programs(t) for t in walk([s]))


def _ends_programs(s: Any) -> bool:
    """Whether a program can end here: a check, a call of NumPy, an interrupt."""
    if isinstance(s, Loop | While):
        return s.polls
    return isinstance(s, Host) or (isinstance(s, Nest | Scatter) and bool(s.checks))


def _same_elements(s: Any, own: View, view: View) -> bool:
    """Whether the statement reads of the carry only the element that it then writes."""
    if isinstance(s, Draw):
        return s.following.buffer is own.buffer and s.out.buffer is not own.buffer
    if not isinstance(s, Nest) or any(r.view.buffer is own.buffer for r in s.reduces):
        return False
    if s.product is not None and any(root(v.buffer) is view.buffer for v in (s.product.a, s.product.b)):
        return False
    stored = [w.view for w in s.stores if w.view.buffer is own.buffer]
    used = [e for e in expressions(roots(s)) if e.op in ("load", "fetch") and root(e.attr.buffer) is view.buffer]
    return all(
        e.op == "load" and (e.attr.strides, e.attr.offset, e.attr.terms) == (w.strides, w.offset, w.terms)
        for e in used
        for w in stored
    )
