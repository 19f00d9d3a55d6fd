"""Where the buffers of the arena lie: those that are never alive together share memory."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from retrograd.native.loops.ir import Buffer, Loop, LoopProgram, While, bodies, reads, root, writes

ALIGNMENT = 64


def plan(program: LoopProgram) -> None:
    """Give every buffer that is used an offset, and the program the size of its arena."""
    lives = _lifetimes(program.body)
    starting = sorted((first, last, n, b) for n, (b, (first, last)) in enumerate(lives.items()))
    free: list[tuple[int, int]] = []  # (offset, size), ordered by offset
    ending: list[tuple[int, int, int]] = []  # (last use, offset, size)
    top = 0
    for first, last, _, b in starting:
        while ending and ending[0][0] < first:
            _, offset, size = heapq.heappop(ending)
            _release(free, offset, size)
        size = -(-b.bytes // ALIGNMENT) * ALIGNMENT
        fits = [(s, i) for i, (_, s) in enumerate(free) if s >= size]
        if fits:
            _, i = min(fits)
            offset, have = free[i]
            free[i : i + 1] = [(offset + size, have - size)] if have > size else []
        else:
            if free and sum(free[-1]) == top:  # grow the last hole
                offset, _ = free.pop()
            else:
                offset = top
            top = offset + size
        b.place = offset
        heapq.heappush(ending, (last, offset, size))
    program.buffers = list(lives)
    program.arena_bytes = top


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    free.append((offset, size))
    free.sort()
    merged: list[tuple[int, int]] = []
    for o, s in free:
        if merged and sum(merged[-1]) == o:
            merged[-1] = (merged[-1][0], merged[-1][1] + s)
        else:
            merged.append((o, s))
    free[:] = merged


def _lifetimes(statements: Sequence[Any]) -> dict[Buffer, tuple[int, int]]:
    """First and last use of each buffer of the arena, by position; in a loop it may live through all of it."""
    uses: dict[Buffer, list[int]] = {}
    read_first: set[tuple[Buffer, int]] = set()
    loops: list[tuple[int, int]] = []
    position = 0

    def visit(body: Sequence[Any], around: tuple[int, ...]) -> None:
        nonlocal position
        for s in body:
            position += 1
            own = position
            for kind, views in (("read", reads(s)), ("write", writes(s))):
                for v in views:
                    b = root(v.buffer)
                    if b is None or b.space != "arena":
                        continue
                    uses.setdefault(b, []).append(own)
                    if kind == "read":
                        for loop in around:
                            if not any(loop < u < own for u in uses[b][:-1]):
                                read_first.add((b, loop))
            inner = (*around, own) if isinstance(s, Loop | While) else around
            for inside in bodies(s):
                visit(inside, inner)
            if isinstance(s, Loop | While):
                position += 1
                loops.append((own, position))

    visit(statements, ())
    lives = {}
    for b, at in uses.items():
        first, last = min(at), max(at)
        for start, end in loops:  # inner ones first
            if first > end or last < start:
                continue
            outside = first <= start or last > end
            if outside or (b, start) in read_first:
                first, last = min(first, start), max(last, end)
        lives[b] = (first, last)
    return lives
