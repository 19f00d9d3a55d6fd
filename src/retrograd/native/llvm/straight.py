"""Code without branches for the body of a loop, of which nothing is computed twice, and as much as can be before it.

Values are registers whose lanes hold elements in any order. `Place` is one of them, and `gather` brings places into the
lanes of a new register; it costs nothing where a register has them in order already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from retrograd.native.llvm.builder import Function, Module, Type
from retrograd.native.llvm.target import Target

NAMES = re.compile(r"%\w+")
VECTOR = re.compile(r"<(\d+) x (\w+)>")
SLOW = {"fdiv": 4.0, "sqrt": 5.0}  # in multiples of an addition
FREE = ("getelementptr", "load", "extractelement", "insertelement")  # mostly part of another instruction


class Unfit(Exception):
    """What cannot be written without branches, or is too long."""


@dataclass(frozen=True, slots=True)
class Place:
    """A lane of a register that has `lanes` of them (0: a scalar)."""

    register: str
    lane: int
    lanes: int


class Straight(Function):
    """A function that is one loop over straight-line code.

    Args:
        limit: at most so many instructions in the loop.
        prices: what operations cost, as far as it is known.
        trial: whether only the cost and the layout are wanted.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        arguments: Sequence[tuple[str, str]],
        target: Target,
        limit: float,
        prices: dict[Any, float],
        trial: bool,
    ) -> None:
        super().__init__(module, name, arguments, "void")
        self.target, self.limit, self.prices = target, limit, prices
        self.trial = trial
        self.sketch = False  # write nothing: only names are wanted
        self.before: list[str] = []  # the lines that run once
        self.fixed = {f"%{n}" for _, n in arguments}  # what they compute
        self.known: dict[Any, str] = {}  # values by their text, or by another name
        self.order: list[Any] = []  # the names of those in the loop
        self.cost = 0.0
        self.quota = float("inf")  # beyond this cost a trial is given up
        self.costs: dict[str, float] = {}  # by the beginning of an instruction

    # Trials -----------------------------------------------------------------------------------------------------------

    def price(self, write: Callable[[], object], quota: float) -> float:
        """What it costs to write something, which is then taken back; infinite if that is more than the quota."""
        lines, order, cost, old = len(self.lines), len(self.order), self.cost, self.quota
        self.quota = cost + quota
        try:
            write()
            return self.cost - cost
        except Unfit:
            return float("inf")
        finally:
            for text in self.order[order:]:
                del self.known[text]
            del self.lines[lines:], self.order[order:]
            self.cost, self.quota = cost, old

    def operation(self, kind: Any, args: Sequence[str], write: Callable[[Sequence[str]], str]) -> str:
        """An operation on registers; on trial it is only paid for."""
        if self.sketch:
            return self.fresh("%any")
        if not self.trial or self._is_fixed(*args):
            return write(args)
        if kind not in self.prices:
            self.prices[kind] = self.price(lambda: write([f"%any{i}" for i in range(len(args))]), float("inf"))
        return self.remembered((kind, *args), lambda: self._paid(self.prices[kind]))

    def _paid(self, cost: float) -> str:
        """A value that nobody looks at."""
        self.cost += cost
        if self.cost > self.quota:
            raise Unfit
        return self.fresh("%any")

    def _is_fixed(self, *texts: str) -> bool:
        return all(n in self.fixed for text in texts for n in NAMES.findall(text))

    def remembered(self, what: Any, find: Callable[[], str]) -> str:
        """A value that has been found before under some name is not looked for again."""
        name = self.known.get(what)
        if self.sketch:
            return self.fresh("%any")
        if name is None:
            name = self.known[what] = find()
            if name not in self.fixed:
                self.order.append(what)
        return name

    # Lines ------------------------------------------------------------------------------------------------------------

    def value(self, text: str) -> str:
        return self.valued(text, None)

    def valued(self, text: str, cost: float | None) -> str:
        """The value of an instruction, an old one if there is one."""
        name = self.known.get(text)
        if name is not None:
            return name
        self.count += 1
        name = f"%v{self.count}"
        if self.sketch:
            return name
        self.known[text] = name
        if self._is_fixed(text):
            self.fixed.add(name)
            self.before.append(f"  {name} = {text}")
            return name
        self.order.append(text)
        self.lines.append(f"  {name} = {text}")
        self.cost += self._cost(text.partition("%")[0]) if cost is None else cost
        if self.cost > self.quota or len(self.lines) > self.limit:
            raise Unfit
        return name

    def _cost(self, head: str) -> float:
        """Of an instruction, in additions of full registers; the operands do not matter."""
        found = self.costs.get(head)
        if found is None:
            found = 0.5
            if not head.startswith(FREE):
                vector = VECTOR.search(head)
                found = next((c for w, c in SLOW.items() if w in head), 1.0)
                if vector is not None and vector[2] != "i1":
                    found *= max(1.0, int(vector[1]) * Type(vector[2]).size / self.target.vector_bytes)
            self.costs[head] = found
        return found

    def label(self, name: str) -> None:
        """Branches are for other functions."""
        raise Unfit

    def alloca(self, t: Type | str, count: int = 1, align: int = 64) -> str:
        raise Unfit

    # Lanes ------------------------------------------------------------------------------------------------------------

    def splat(self, t: Type, scalar: str) -> str:
        if not t.lanes:
            return scalar
        one = self.valued(f"insertelement {t} poison, {t.base} {scalar}, i64 0", 0.0)
        return self.value(f"shufflevector {t} {one}, {t} poison, <{t.lanes} x i32> zeroinitializer")

    def shuffle(self, t: Type, a: str, b: str, places: Sequence[int]) -> str:
        if self.sketch:
            return self.fresh("%any")
        if self.trial and not self._is_fixed(a, b):
            return self.remembered((t, a, b, tuple(places)), lambda: self._paid(self._shuffle_cost(t, places)))
        mask = ", ".join("i32 poison" if p < 0 else f"i32 {p}" for p in places)
        text = f"shufflevector {t} {a}, {t} {b}, <{len(places)} x i32> <{mask}>"
        return self.valued(text, self._shuffle_cost(t, places))

    def _shuffle_cost(self, t: Type, places: Sequence[int]) -> float:
        """In instructions: within 16 bytes they are cheap, and so is a blend."""
        n = t.lanes
        real = [(i, p) for i, p in enumerate(places) if p >= 0]
        if all(i == p for i, p in real):
            return 0.0
        scale = max(1.0, len(places) * t.size / self.target.vector_bytes) * (4.0 if t.base == "i1" else 1.0)
        group = max(1, 16 // t.size)
        single = all(p < n for _, p in real) or all(p >= n for _, p in real)
        if all(p % n == i for i, p in real) or all(p == 0 for _, p in real):
            return scale
        if all(p % n // group == i // group for i, p in real):
            return scale if single else 1.5 * scale
        if all(p % group == i % group for i, p in real):
            return scale
        return 2.0 * scale if single else 3.0 * scale

    def gather(self, base: str, places: Sequence[Place | None]) -> str:
        """A register of as many lanes as there are places (one: a scalar); nobody asks for a lane without a place."""
        n = len(places)
        real = [p for p in places if p is not None]
        if n == 1:
            return self.scalar(base, real[0])
        t = Type(base, n)
        if all(p == real[0] for p in real) and not real[0].lanes:
            return self.splat(t, real[0].register)
        scalars = [(i, p) for i, p in enumerate(places) if p is not None and not p.lanes]
        parts = self._parts(base, [p if p is not None and p.lanes else None for p in places])
        while len(parts) > 1:
            parts = [self._joined(t, parts[i : i + 2]) for i in range(0, len(parts), 2)]
        found = parts[0][0] if parts else "poison"
        for i, p in scalars:
            found = self.valued(f"insertelement {t} {found}, {base} {p.register}, i64 {i}", 1.0)
        return found

    def scalar(self, base: str, place: Place) -> str:
        """An element by itself."""
        if not place.lanes:
            return place.register
        return self.value(f"extractelement {Type(base, place.lanes)} {place.register}, i64 {place.lane}")

    def _parts(self, base: str, places: Sequence[Place | None]) -> list[tuple[str, set[int]]]:
        """Registers that have some of the lanes where they belong, each from one source or from two."""
        n = len(places)
        sources: dict[tuple[str, int], None] = {(p.register, p.lanes): None for p in places if p is not None}
        found = []
        for lanes in sorted({lanes for _, lanes in sources}):
            names = [name for name, w in sources if w == lanes]
            for pair in (names[i : i + 2] for i in range(0, len(names), 2)):
                mask = [-1] * n
                for i, p in enumerate(places):
                    if p is not None and p.lanes == lanes and p.register in pair:
                        mask[i] = p.lane + lanes * pair.index(p.register)
                filled = {i for i, m in enumerate(mask) if m >= 0}
                if lanes == n and all(mask[i] == i for i in filled):
                    found.append((pair[0], filled))
                else:
                    found.append((self.shuffle(Type(base, lanes), pair[0], [*pair, "poison"][1], mask), filled))
        return found

    def _joined(self, t: Type, parts: Sequence[tuple[str, set[int]]]) -> tuple[str, set[int]]:
        if len(parts) == 1:
            return parts[0]
        (a, mine), (b, other) = parts
        mask = [i if i in mine else t.lanes + i if i in other else -1 for i in range(t.lanes)]
        return self.shuffle(t, a, b, mask), mine | other
