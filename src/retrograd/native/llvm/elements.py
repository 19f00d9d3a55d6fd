"""Where the elements of buffers are while a loop runs in registers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from retrograd.native.llvm.builder import Type
from retrograd.native.llvm.operations import base_of
from retrograd.native.llvm.state import Table
from retrograd.native.llvm.straight import Place, Straight
from retrograd.native.loops.ir import Buffer, Counter, View, root

Terms = tuple[tuple[Counter, int], ...]
Key = tuple[Buffer, Terms]
"""Elements of a buffer, counted from a place that moves with the counters of loops."""


def key_of(view: View) -> Key:
    """Views with equal keys have equal elements at equal offsets."""
    buffer = root(view.buffer)
    assert buffer is not None
    return buffer, tuple(sorted(((c, s) for c, s in view.terms if s), key=lambda term: (term[0].slot, term[1])))


def offsets(view: View) -> list[int]:
    """For each point, row by row, how far it is from the beginning."""
    found = [view.offset]
    for n, s in zip(view.shape, view.strides, strict=True):
        found = [at + i * s for at in found for i in range(n)]
    return found


def moves(view: View) -> bool:
    """Whether its points are different elements, or might be."""
    return any(s and n > 1 for n, s in zip(view.shape, view.strides, strict=True))


def pieces(elements: Iterable[int], lanes: int) -> list[range]:
    """Neighbouring elements, in powers of two that fit registers."""
    found: list[range] = []
    run: list[int] = []

    def cut() -> None:
        at = run[0]
        while at <= run[-1]:
            n = min(lanes, 1 << ((run[-1] - at + 1).bit_length() - 1))
            found.append(range(at, at + n))
            at += n

    for e in sorted(elements):
        if run and e != run[-1] + 1:
            cut()
            run = []
        run.append(e)
    if run:
        cut()
    return found


class Elements:
    """The places of elements in registers; those that have none yet are in memory.

    Args:
        own: the counter of the loop, whose value is `index`.
        bounds: for each key the lowest and the highest element that is used.
    """

    def __init__(self, f: Straight, table: Table, own: Counter, index: str, bounds: dict[Key, tuple[int, int]]) -> None:
        self.f, self.table, self.own, self.index, self.bounds = f, table, own, index, bounds
        self.places: dict[Key, dict[int, Place]] = {}
        self.blocks: dict[tuple[Key, int], Place] = {}
        self.versions: dict[Key, int] = {}  # how often elements were written

    def counter(self, counter: Counter) -> str:
        """Its value."""
        return self.index if counter is self.own else self.table.load(self.f, self.table.slot(counter), "i64")

    def lanes(self, key: Key) -> int:
        """How many elements fit a register; booleans count as bytes."""
        return self.f.target.lanes(key[0].dtype.itemsize)

    # Reading ----------------------------------------------------------------------------------------------------------

    def read(self, key: Key, elements: Sequence[int | None]) -> str:
        """A register with elements in its lanes (one: a scalar)."""
        name = (key, self.versions.get(key, 0), tuple(elements))
        return self.f.remembered(name, lambda: self._read(key, elements))

    def _read(self, key: Key, elements: Sequence[int | None]) -> str:
        own = self.places.get(key, {})
        base = base_of(key[0].dtype)
        if not any(e in own for e in elements if e is not None):
            direct = self._loaded(key, elements)
            if direct is not None:
                return direct
        return self.f.gather(base, [None if e is None else own.get(e) or self._block(key, e) for e in elements])

    def _pointer(self, key: Key, element: int) -> str:
        buffer, terms = key
        base = base_of(buffer.dtype)
        memory = "i8" if base == "i1" else base
        outer = tuple(t for t in terms if t[0] is not self.own)
        pointer = self.table.address(self.f, View(buffer, buffer.dtype, (), (), 0, outer), base)
        for c, stride in terms:
            if c is self.own:
                pointer = self.f.offset(pointer, memory, self.f.value(f"mul nsw i64 {self.index}, {stride}"))
        return self.f.offset(pointer, memory, element)

    def _loaded(self, key: Key, elements: Sequence[int | None]) -> str | None:
        """What one load brings: neighbours, or the same element in every lane."""
        t = Type(base_of(key[0].dtype), len(elements))
        real = [e for e in elements if e is not None]
        if len(set(real)) == 1:
            one = self.f.load(t.scalar, self._pointer(key, real[0]))
            return one if len(elements) == 1 else self.f.splat(t, one)
        if list(elements) == list(range(real[0], real[0] + len(elements))):
            return self.f.load(t, self._pointer(key, real[0]))
        return None

    def _block(self, key: Key, element: int) -> Place:
        """An element in the register that its neighbourhood is loaded into."""
        found = self.blocks.get((key, element))
        if found is None:
            found = self._neighbours(key, element)
            if found.register in self.f.fixed:
                self.blocks[key, element] = found
        return found

    def _neighbours(self, key: Key, element: int) -> Place:
        low, high = self.bounds[key]
        lanes = self.lanes(key)
        start = low + (element - low) // lanes * lanes
        left = min(lanes, high + 1 - start)
        while left & (left - 1):  # the rest of a region, in powers of two
            n = 1 << (left.bit_length() - 1)
            if element < start + n:
                left = n
            else:
                start, left = start + n, left - n
        t = Type(base_of(key[0].dtype), left if left > 1 else 0)
        return Place(self.f.load(t, self._pointer(key, start)), element - start, t.lanes)

    def signature(self, views: Sequence[View]) -> tuple[tuple[int, int], ...]:
        """How the elements of views lie: equal for equal distributions over lanes, whatever the registers' names."""
        registers: dict[str, int] = {}
        found = []
        for view in views:
            for e, place in self.places.get(key_of(view), {}).items():
                number = registers.setdefault(place.register, len(registers))
                found.append((e, number * 1024 + place.lane))
        return tuple(found)

    # Writing ----------------------------------------------------------------------------------------------------------

    def place(self, key: Key, elements: Iterable[int | None], register: str, lanes: int) -> None:
        """Elements lie in the lanes of a register from now on."""
        self.versions[key] = self.versions.get(key, 0) + 1
        own = self.places.setdefault(key, {})
        for lane, e in enumerate(elements):
            if e is not None:
                own[e] = Place(register, lane, lanes)

    def to_memory(self, key: Key, elements: Iterable[int]) -> None:
        """Store what registers hold."""
        base = base_of(key[0].dtype)
        for piece in pieces(elements, self.lanes(key)):
            value = self.f.gather(base, [self.places[key][e] for e in piece])
            t = Type(base, len(piece) if len(piece) > 1 else 0)
            self.f.store(t, value, self._pointer(key, piece[0]))
