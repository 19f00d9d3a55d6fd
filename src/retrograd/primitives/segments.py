r"""The reverse sweep of a scan in bounded memory.

A sweep through :math:`T` steps needs what every step kept, :math:`T r` bytes. Instead the forward part keeps the carry
(:math:`c` bytes) at the start of every segment of :math:`L` steps, and the backward part runs one segment after the
other again, the last first, keeping what its steps need only meanwhile: :math:`c \lceil T / L \rceil + r L` bytes for
one more run of the loop. Segments may be cut into segments in their turn (Griewank and Walther, *Evaluating
Derivatives*, 2008, chapter 12; Chen et al. 2016), each depth for one more run; a `Plan` lists the lengths, outermost
first. Everything is added up in the order in which the plain sweep does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import ceil
from typing import Any

from retrograd.core.dispatch import apply, apply1
from retrograd.core.types import ArrayType
from retrograd.errors import RetrogradError
from retrograd.graph.ir import Graph
from retrograd.graph.trace import trace_pure
from retrograd.primitives import derive
from retrograd.primitives.movement import Concatenate, Reshape, Slice

Plan = tuple[int, ...]
DEEPEST = 12


def bytes_of(types: Sequence[ArrayType]) -> int:
    """The bytes of values of these types."""
    return sum(t.size * t.dtype.itemsize for t in types)


def plan_for(steps: int, kept: int, carry: int, memory: int | str, name: str = "scan") -> Plan:
    """The lengths of the segments, as few depths as the memory allows; () for a plain sweep.

    Raises:
        RetrogradError: if no plan needs as little.
    """
    if memory == "sqrt":
        return _best(steps, kept, carry, 1)[1] if steps > 1 else ()
    assert isinstance(memory, int)
    least = steps * kept
    if least <= memory or steps < 2:
        return ()
    for depth in range(1, DEEPEST + 1):
        needed, plan = _best(steps, kept, carry, depth)
        if needed <= memory:
            return plan
        if needed >= least and depth > 1:
            break
        least = min(least, needed)
    raise RetrogradError(
        f"the reverse sweep of a {name} of {steps} steps does not fit into memory={memory} bytes: a step keeps {kept}, "
        f"its carry takes {carry}, and the least in all is {least}"
    )


@cache
def _best(steps: int, kept: int, carry: int, depth: int) -> tuple[int, Plan]:
    """The least bytes for `depth` levels of segments, and their lengths."""
    if depth == 0 or steps < 2:
        return steps * kept, ()
    found: list[tuple[int, Plan]] = []
    for length in _lengths(steps):
        inner, plan = _best(length, kept, carry, depth - 1)
        found.append((carry * ceil(steps / length) + inner, (length, *plan)))
    return min(found)


def _lengths(steps: int) -> list[int]:
    """Lengths to try: all short ones, then each longer by a seventh; the shortest for its number of segments."""
    tried, length = set(), 1
    while length < steps:
        tried.add(ceil(steps / ceil(steps / length)))
        length += max(1, length // 7)
    return sorted(tried)


@dataclass(frozen=True)
class Segmented:
    """The two parts of the derivative of a scan, by a plan.

    Attributes:
        scan: the loop itself.
        keeping: it, giving the residuals of each step too.
        backward: the body of the backward loop; its constants are residuals that are the same in every step.
        n_back: how many values that loop carries.
    """

    scan: Any
    keeping: Any
    backward: Graph
    n_back: int
    plan: Plan

    def _cut(self, length: int, part: int) -> tuple[int, int]:
        """How many segments of `part` steps, and the steps that are left over at the end of time."""
        return length // part, length % part

    def _pieces(self, x: Any, length: int, part: int) -> tuple[Any, Any]:
        """The rows of the segments, (segments, steps, ...), and those left over, or None."""
        n, rest = self._cut(length, part)
        first, last = (rest, 0) if self.scan.backwards else (0, n * part)
        main = apply1(Reshape.of((n, part, *x.shape[1:])), _rows(x, first, n * part))
        return main, _rows(x, last, rest) if rest else None

    def _whole(self, main: Any, rest: Any) -> Any:
        flat = apply1(Reshape.of((main.shape[0] * main.shape[1], *main.shape[2:])), main)
        if rest is None:
            return flat
        return apply(Concatenate.of(0), *((rest, flat) if self.scan.backwards else (flat, rest)))

    def forward(self, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The outputs, and the carry at the start of each segment."""
        return self._forward(self.scan.body, self.scan.length, self.plan[0], consts, carry, xs)

    def _forward(
        self, body: Graph, length: int, part: int, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        k, c = len(consts), len(carry)
        n, rest = self._cut(length, part)
        pieces = [self._pieces(x, length, part) for x in xs]
        mains, rests = [m for m, _ in pieces], [r for _, r in pieces]
        inner = replace(self.scan, body=body, length=part, memory=None)

        def segment(*values: Any) -> list[Any]:
            outs = apply(inner, *values)
            return [*outs[:c], *values[k : k + c], *outs[c:]]

        loop = replace(inner, body=_traced(segment, _rows_of([*consts, *carry], mains)), length=n)
        outs = apply(loop, *consts, *carry, *mains)
        last, saved, ys = outs[:c], list(outs[c : 2 * c]), outs[2 * c :]
        if not rest:
            return [*last, *[self._whole(y, None) for y in ys]], saved
        ends = apply(replace(inner, length=rest), *consts, *last, *rests)
        return [*ends[:c], *[self._whole(y, r) for y, r in zip(ys, ends[c:], strict=True)]], [*saved, *last]

    def sweep(
        self, consts: Sequence[Any], once: Sequence[Any], saved: Sequence[Any], xs: Sequence[Any],
        cts: Sequence[Any], ct_ys: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """The last of what the backward loop carries, and the stacked cotangents of xs; `once` are its constants."""
        return self._back(self.scan.length, self.plan, [*consts, *once], saved, xs, cts, ct_ys)

    def _back(
        self, length: int, plan: Plan, consts: Sequence[Any], saved: Sequence[Any], xs: Sequence[Any],
        cts: Sequence[Any], ct_ys: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """As `sweep`, for a part of the time; `consts` are those of both loops."""
        part, c = plan[0], self.scan.n_carry
        n, rest = self._cut(length, part)
        pieces = [self._pieces(x, length, part) for x in (*xs, *ct_ys)]
        mains, rests = [m for m, _ in pieces], [r for _, r in pieces]
        rest_x: Sequence[Any] = ()
        if rest:
            shorter = tuple(p for p in plan[1:] if p < rest)
            outs = self._again(rest, shorter, consts, saved[c:], rests[: len(xs)], cts, rests[len(xs) :])
            cts, rest_x = outs[: self.n_back], outs[self.n_back :]
        k = len(consts)

        def segment(*values: Any) -> list[Any]:
            at = [0, k, k + self.n_back, k + self.n_back + c, k + self.n_back + c + len(xs), len(values)]
            own, back, start, x, ct = (values[a:b] for a, b in pairwise(at))
            return self._again(part, plan[1:], own, start, x, back, ct)

        columns = [*saved[:c], *mains]
        body = _traced(segment, _rows_of([*consts, *cts], columns))
        loop = replace(
            self.scan, body=body, length=n, n_consts=k, n_carry=self.n_back,
            backwards=not self.scan.backwards, memory=None,
        )  # fmt: skip
        outs = apply(loop, *consts, *cts, *columns)
        found = outs[self.n_back :]
        joined = [self._whole(y, r) for y, r in zip(found, rest_x or [None] * len(found), strict=True)]
        return [*outs[: self.n_back], *joined]

    def _again(
        self, length: int, plan: Plan, consts: Sequence[Any], carry: Sequence[Any], xs: Sequence[Any],
        cts: Sequence[Any], ct_ys: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """The sweep through a segment: it runs again from the carry at its start."""
        c, n = self.scan.n_carry, self.scan.n_consts
        if plan:
            body = self.scan.body
            bare = derive.pruned(Graph(body.inputs, body.equations, body.outputs[:c]))
            _, saved = self._forward(bare, length, plan[0], consts[:n], carry, xs)
            return self._back(length, plan, consts, saved, xs, cts, ct_ys)
        kept = apply(replace(self.keeping, length=length, memory=None), *consts[:n], *carry, *xs)
        once = consts[n:]
        loop = replace(
            self.scan, body=self.backward, length=length, n_consts=len(once), n_carry=self.n_back,
            backwards=not self.scan.backwards, memory=None,
        )  # fmt: skip
        residuals = kept[len(self.scan.body.outputs) :]
        return list(apply(loop, *once, *cts, *residuals, *ct_ys))


def _rows(x: Any, first: int, length: int) -> Any:
    """A part of the first axis."""
    if (first, length) == (0, x.shape[0]):
        return x
    rest = tuple(x.shape[1:])
    return apply1(Slice.of((first, *(0,) * len(rest)), (length, *rest), (1,) * (len(rest) + 1)), x)


def _rows_of(whole: Sequence[Any], stacked: Sequence[Any]) -> list[ArrayType]:
    """The types of values, and of the rows of others."""
    return [
        *[ArrayType(tuple(v.shape), v.dtype) for v in whole], *[ArrayType(tuple(v.shape[1:]), v.dtype) for v in stacked]
    ]  # fmt: skip


def _traced(function: Any, types: Sequence[ArrayType]) -> Graph:
    return trace_pure(function, types, "a segment of a scan")
