"""Which equations are computed in the same loop nest.

A group is a set of equations over one index space whose values need not be in memory between them: pointwise ones, the
product they follow, the reductions they feed. An equation joins a group if no value goes out of the group and comes
back in, which would make two groups wait for each other.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from retrograd.graph.ir import Equation, Graph, Literal, Var
from retrograd.primitives.families import Pointwise

LARGEST = 250  # equations of a group: the time to generate code grows faster than its length
TINY = 4096  # elements: of nests so small that there should be fewer of them, whatever they have in common

VIEWS = frozenset(("broadcast", "reshape", "transpose", "slice", "iota"))
ELEMENTWISE = frozenset(("convert", "gather", "check_labels", "check_converged"))
REDUCTIONS = {
    "sum": "add", "max": "maximum", "min": "minimum", "any": "maximum", "all": "minimum", "prod": "multiply",
}  # fmt: skip


def joins(prim: Any) -> bool:
    """Whether it computes element by element of its output."""
    return isinstance(prim, Pointwise) or prim.name in ELEMENTWISE


def has_kernel(e: Equation) -> bool:
    """Whether there is one for these operands: not for powers of integers whose exponent is not known."""
    if e.prim.name != "power" or e.outs[0].dtype.kind == "f":
        return True
    n = e.operands[1]
    return isinstance(n, Literal) and 0 <= n.value < 1 << 16


def first_of(e: Equation) -> Any:
    """The first value of an equation, or None: a loop may be there for its checks alone."""
    return e.outs[0] if e.outs else None


@dataclass(eq=False)
class Group:
    """Equations of one nest, or one equation alone."""

    number: int
    space: tuple[int, ...] | None  # None: nobody can join
    equations: list[Equation] = field(default_factory=list)
    product: bool = False
    closed: bool = False
    before: int = 0  # the groups it waits for, as bits
    after: int = 0  # those that wait for it
    reads: set[Var] = field(default_factory=set)


class Grouping:
    """The groups of a graph, in an order in which they can be computed."""

    def __init__(self, graph: Graph) -> None:
        self.groups: list[Group] = []
        self.home: dict[Var, Group] = {}  # where a value is computed
        self.late: set[Var] = set()  # values that exist only when their group is done
        self.views: dict[Var, Equation] = {}
        self.open: dict[tuple[int, ...], list[Group]] = {}
        for e in graph.equations:
            self._place(e)
        self._sink(graph)

    def _place(self, e: Equation) -> None:
        name, out = e.prim.name, first_of(e)
        sources = [o for o in e.operands if isinstance(o, Var)]
        if name in VIEWS:
            self.views[out] = e
            if sources and sources[0] in self.home:
                self.home[out] = self.home[sources[0]]
            self.late.add(out)
            return
        if joins(e.prim) and has_kernel(e):
            group = self._find(e, sources, out.shape) or self._new(out.shape)
        elif name in REDUCTIONS and isinstance(e.operands[0], Var):
            group = self._reducing(e.operands[0]) or self._new(e.operands[0].shape)
            self.late.add(out)
        elif name == "matmul" and out.dtype.kind == "f":
            group = self._new(out.shape)
            group.product = True
        else:
            group = self._new(None)
            self.late.update(e.outs)
            if name in ("scan", "while"):
                self._close()
        self._add(group, e, sources)

    def _close(self) -> None:
        """Nobody joins the groups there are: what comes before a loop is done when an interrupt ends it."""
        for group in self.groups:
            group.closed = True
        self.open.clear()

    def _new(self, space: tuple[int, ...] | None) -> Group:
        group = Group(len(self.groups), space)
        self.groups.append(group)
        if space is not None:
            self.open.setdefault(space, []).append(group)
        return group

    def _add(self, group: Group, e: Equation, sources: list[Var]) -> None:
        group.equations.append(e)
        for v in e.outs:
            self.home[v] = group
        group.reads.update(sources)
        bit = 1 << group.number
        before = 0
        for v in sources:
            other = self.home.get(v)
            if other is not None and other is not group:
                before |= other.before | 1 << other.number
        new = before & ~group.before
        if not new:
            return
        group.before |= before
        later = group.after | bit
        for other in self._of(new):
            other.after |= later
        for other in self._of(group.after):
            other.before |= before

    def _of(self, bits: int) -> list[Group]:
        found = []
        while bits:
            low = bits & -bits
            found.append(self.groups[low.bit_length() - 1])
            bits ^= low
        return found

    def _allowed(self, group: Group, sources: list[Var], memory: tuple[Var, ...] = ()) -> bool:
        """Whether an equation that reads `sources` (those of `memory` from memory) may join."""
        if group.closed or len(group.equations) >= LARGEST:
            return False
        bit = 1 << group.number
        for v in sources:
            home = self.home.get(v)
            if home is None:
                continue
            if home is group:
                if v in self.late or v in memory:
                    return False
            elif home.before & bit:
                return False
        return True

    def _find(self, e: Equation, sources: list[Var], shape: tuple[int, ...]) -> Group | None:
        gathers = e.prim.name == "gather"
        memory = tuple(sources) if gathers else ()
        own = {self.home[v].number: self.home[v] for v in sources if v in self.home}
        near = [g for g in own.values() if g.space == shape]
        near.sort(key=lambda g: (g.product, g.number), reverse=True)
        for g in near:
            if not (gathers and g.product) and self._allowed(g, sources, memory):
                return g
        size = 1
        for n in shape:
            size *= n
        for g in reversed(self.open.get(shape, [])[-8:]):
            related = size <= TINY or not g.reads.isdisjoint(sources)
            if related and not g.product and self._allowed(g, sources, memory):
                return g
        return None

    def _reducing(self, source: Var) -> Group | None:
        group = self.home.get(source)
        if group is None or group.closed or source in self.late or group.product or len(group.equations) >= LARGEST:
            return None
        return group

    def _sink(self, graph: Graph) -> None:
        """A group that only one other reads, point by point, becomes part of it."""
        readers: dict[int, set[int]] = {g.number: set() for g in self.groups}
        for e in graph.equations:
            own = self.home.get(first_of(e))
            elementwise = first_of(e) not in self.views and joins(e.prim) and e.prim.name != "gather"
            for o in e.operands:
                source = self.home.get(o) if isinstance(o, Var) else None
                if source is not None and source is not own:
                    readers[source.number].add(
                        own.number if own is not None and elementwise and o not in self.views else -1
                    )
        for o in graph.outputs:
            if isinstance(o, Var) and o in self.home:
                readers[self.home[o].number].add(-1)
        places = {v: i for i, e in enumerate(graph.equations) for v in e.outs}
        moved: dict[int, Group] = {}
        for g in reversed(self.groups):
            if len(readers[g.number]) != 1 or not all(
                joins(e.prim) and e.prim.name not in ELEMENTWISE - {"convert"} for e in g.equations
            ):
                continue
            (reader,) = readers[g.number]
            other = moved.get(reader, self.groups[reader]) if reader >= 0 else None
            if other is None or other.space != g.space or other.closed != g.closed:
                continue
            if len(other.equations) + len(g.equations) > LARGEST or g.product:
                continue
            other.equations = sorted([*g.equations, *other.equations], key=lambda e: places[e.outs[0]])
            other.reads |= g.reads
            for e in g.equations:
                for v in e.outs:
                    self.home[v] = other
            g.equations = []
            moved[g.number] = other

    def ordered(self) -> list[Group]:
        """Every group after those it waits for, otherwise as they came."""
        waiting = {g.number: 0 for g in self.groups}
        followers: dict[int, list[int]] = {g.number: [] for g in self.groups}
        for g in self.groups:
            direct = {self.home[v].number for v in g.reads if v in self.home and self.home[v] is not g}
            waiting[g.number] = len(direct)
            for d in direct:
                followers[d].append(g.number)
        ready = [n for n, w in waiting.items() if not w]
        heapq.heapify(ready)
        order = []
        while ready:
            n = heapq.heappop(ready)
            order.append(self.groups[n])
            for f in followers[n]:
                waiting[f] -= 1
                if not waiting[f]:
                    heapq.heappush(ready, f)
        assert len(order) == len(self.groups), "groups wait for each other"
        return [g for g in order if g.equations]


def needed_in_memory(graph: Graph, grouping: Grouping) -> set[Var]:
    """Values that somebody outside their group reads, or that leave the graph."""
    needed: set[Var] = {o for o in graph.outputs if isinstance(o, Var)}
    for e in graph.equations:
        for o in e.operands:
            if isinstance(o, Literal):
                continue
            home = grouping.home.get(o)
            own = grouping.home.get(first_of(e)) is home and first_of(e) not in grouping.views
            if (
                home is None
                or not own
                or (e.prim.name not in REDUCTIONS and not joins(e.prim))
                or e.prim.name == "gather"
            ):
                needed.add(o)
    return needed
