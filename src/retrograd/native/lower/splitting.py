"""Reductions over a long first dimension in parts, so that threads can share them.

A nest that adds up everything along its first dimension could only run on one thread. Here that dimension becomes two:
a few parts, each with sums of its own, and a short nest that adds those up. It is done by the shape alone, so the order
of the sums does not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retrograd.core.types import ArrayType
from retrograd.native.loops.ir import (
    Buffer,
    Check,
    Expr,
    Nest,
    Reduce,
    Store,
    View,
    bodies,
    expressions,
    load,
    roots,
    row_major,
)

PARTS = (16, 8, 12, 10, 20, 24, 32, 6, 4)  # by preference; the first that divides the dimension is taken
WORTHWHILE = 100_000  # elementary operations of a nest


def split_reductions(body: list[Any], buffers: list[Buffer]) -> None:
    """Replace such nests, in the bodies of loops too; new memory goes to `buffers`."""
    for i in range(len(body) - 1, -1, -1):
        s = body[i]
        for inner in bodies(s):
            split_reductions(inner, buffers)
        if isinstance(s, Nest):
            parts = _parts(s)
            if parts:
                body[i : i + 1] = _split(s, parts, buffers)


def _parts(s: Nest) -> int | None:
    if s.product is not None or s.checks or not s.reduces or not any(r.axes[0] for r in s.reduces):
        return None
    if math.prod(s.space) * (1 + len(expressions(roots(s)))) < WORTHWHILE:
        return None
    kept = max(math.prod(n for n, a in zip(s.space, r.axes, strict=True) if not a) for r in s.reduces)
    found = next((p for p in PARTS if s.space[0] % p == 0 and s.space[0] > p), None)
    return found if found is not None and kept * found * 8 < math.prod(s.space) else None


def _split(s: Nest, parts: int, buffers: list[Buffer]) -> list[Any]:
    n = s.space[0] // parts
    space = (parts, n, *s.space[1:])

    def halved(view: View) -> View:
        return replace(view, shape=space, strides=(view.strides[0] * n, *view.strides))

    known: dict[int, Expr] = {}
    for e in expressions(roots(s)):
        attr = halved(e.attr) if e.op in ("load", "fetch") else e.attr
        known[id(e)] = Expr(e.op, e.dtype, tuple(known[id(a)] for a in e.args), attr, e.weak)
    reduces, after = [], []
    for r in s.reduces:
        if not r.axes[0]:
            reduces.append(Reduce(halved(r.view), r.op, known[id(r.value)], (False, *r.axes)))
            continue
        first, second = _in_two(r, space, buffers)
        reduces.append(Reduce(first, r.op, known[id(r.value)], (False, *r.axes)))
        after.append(second)
    stores = [Store(halved(w.view), known[id(w.value)], w.final) for w in s.stores]
    checks = [Check(known[id(c.bad)], known[id(c.value)], c.site) for c in s.checks]
    return [Nest(space, stores, reduces, checks), *after]


def _in_two(r: Reduce, space: Sequence[int], buffers: list[Buffer]) -> tuple[View, Nest]:
    """Where the sums of the parts go, and the nest that adds them up."""
    kept = [d for d, a in enumerate(r.axes) if not a]
    shape = (space[0], *[space[d + 1] for d in kept])
    dtype = r.value.dtype
    buffer = Buffer(dtype, ArrayType(shape, dtype).size, "arena")
    buffers.append(buffer)
    strides = dict(zip([0, *[d + 1 for d in kept]], row_major(shape), strict=True))
    sums = View(buffer, dtype, tuple(space), tuple(strides.get(d, 0) for d in range(len(space))))
    whole = View(buffer, dtype, shape, row_major(shape))
    out = replace(r.view, shape=shape, strides=(0, *[r.view.strides[d] for d in kept]))
    total = Reduce(out, r.op, load(whole), (True, *(False,) * len(kept)))
    return sums, Nest(shape, [], [total])
