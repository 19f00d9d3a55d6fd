"""Lanes that belong together combined: the sums, maxima and minima of registers.

Registers whose lanes belong to the same results are combined with each other first, the first with the second half of
them; then the two halves of a register, and so on down to neighbours. The order follows from how lanes are laid out, so
it is the same in every iteration and on every machine with vectors of one width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from retrograd.native.llvm.builder import Type
from retrograd.native.llvm.straight import Place, Straight

Register = tuple[str, tuple[int | None, ...]]
"""A register, and for each lane which result it is a part of."""

Combine = Callable[[int, str, str], str]
"""Two registers of so many lanes (0: scalars) made one."""


def combined(f: Straight, base: str, registers: Sequence[Register], combine: Combine) -> list[Register]:
    """Registers in which every result has one lane."""
    left = list(registers)
    while True:
        left = _same(left, combine)
        counts = Counter(i for _, ids in left for i in ids if i is not None)
        if max(counts.values(), default=1) == 1:
            return left
        left = _folded(f, base, left, combine) or _paired(f, base, left, combine)


def tree(values: Sequence[str], lanes: int, combine: Combine) -> str:
    """All of them, by halves."""
    values = list(values)
    while len(values) > 1:
        half = (len(values) + 1) // 2
        values = [combine(lanes, *pair) if len(pair) == 2 else pair[0] for pair in _halves(values, half)]
    return values[0]


def _halves(values: Sequence[str], half: int) -> list[list[str]]:
    return [[values[i], *values[half + i : half + i + 1]] for i in range(half)]


def _lanes(ids: Sequence[int | None]) -> int:
    return len(ids) if len(ids) > 1 else 0


def _same(registers: Sequence[Register], combine: Combine) -> list[Register]:
    """Those whose lanes belong to the same results."""
    groups: dict[tuple[int | None, ...], list[str]] = {}
    for name, ids in registers:
        groups.setdefault(ids, []).append(name)
    return [(tree(names, _lanes(ids), combine), ids) for ids, names in groups.items()]


def _distance(ids: Sequence[int | None]) -> int:
    """The largest power of two at which lanes that belong together are apart everywhere; 0 if there is none."""
    bit = len(ids) // 2
    while bit and any(ids[i] != ids[i ^ bit] for i in range(len(ids))):
        bit //= 2
    return bit


def _folded(f: Straight, base: str, registers: Sequence[Register], combine: Combine) -> list[Register] | None:
    """Every register made half as wide, two of them side by side in one."""
    waiting: dict[tuple[int, int], Register] = {}
    found: list[Register] = []
    changed = False
    for name, ids in registers:
        bit = _distance(ids)
        if not bit:
            found.append((name, ids))
            continue
        changed = True
        other = waiting.pop((len(ids), bit), None)
        if other is None:
            waiting[len(ids), bit] = (name, ids)
        else:
            found.append(_two(f, base, other, (name, ids), bit, combine))
    found += [_one(f, base, register, bit, combine) for (_, bit), register in waiting.items()]
    return found if changed else None


def _two(f: Straight, base: str, a: Register, b: Register, bit: int, combine: Combine) -> Register:
    """Lanes at a distance, of two registers."""
    n = len(a[1])
    t = Type(base, n)
    if bit == 1 and n >= 4 and t.bits == 32:  # two of each in turn: one instruction of x86
        first = [i // 4 * 4 + (i % 2) * 2 + (n if i % 4 > 1 else 0) for i in range(n)]
        second = [p + 1 for p in first]
    else:
        first = [i if not i & bit else n + (i ^ bit) for i in range(n)]
        second = [i | bit if not i & bit else n + i for i in range(n)]
    both = (*a[1], *b[1])
    low, high = f.shuffle(t, a[0], b[0], first), f.shuffle(t, a[0], b[0], second)
    return combine(n, low, high), tuple(both[p] for p in first)


def _one(f: Straight, base: str, a: Register, bit: int, combine: Combine) -> Register:
    """Lanes at a distance, into a register of half the width."""
    name, ids = a
    n = len(ids)
    low = [i for i in range(n) if not i & bit]
    if n == 2:
        return combine(0, *(f.scalar(base, Place(name, i, 2)) for i in (0, 1))), ids[:1]
    t = Type(base, n)
    halves = (f.shuffle(t, name, "poison", low), f.shuffle(t, name, "poison", [i | bit for i in low]))
    return combine(n // 2, *halves), tuple(ids[i] for i in low)


def _paired(f: Straight, base: str, registers: Sequence[Register], combine: Combine) -> list[Register]:
    """Lanes that lie anyhow: the first with the second that belong to one result, the third with the fourth, ..."""
    lanes = max(len(ids) for _, ids in registers)
    parts: dict[int, list[tuple[Place, int]]] = {}
    for number, (name, ids) in enumerate(registers):
        for lane, i in enumerate(ids):
            if i is not None:
                parts.setdefault(i, []).append((Place(name, lane, _lanes(ids)), number))
    pairs = [(i, own[n][0], own[n + 1][0]) for i, own in parts.items() for n in range(0, len(own) - 1, 2)]
    found: list[Register] = []
    while pairs:
        n = min(lanes, 1 << (len(pairs).bit_length() - 1))
        now, pairs = pairs[:n], pairs[n:]
        ids = tuple(i for i, _, _ in now)
        first, second = f.gather(base, [a for _, a, _ in now]), f.gather(base, [b for _, _, b in now])
        found.append((combine(_lanes(ids), first, second), ids))
    alone = {(own[-1][1], own[-1][0].lane) for own in parts.values() if len(own) % 2}
    for number, (name, ids) in enumerate(registers):
        kept = tuple(i if (number, lane) in alone else None for lane, i in enumerate(ids))
        if any(i is not None for i in kept):
            found.append((name, kept))
    return found
