"""What runs a program: native code, or the graph interpreter where there is none.

An engine takes arrays and gives arrays. If an error or an interrupt ends a call, it says how far the loops at the top
of the program had come, so that the cells can be left as their last completed iteration left them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from retrograd import native
from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.graph.interpret import WATCH, Watch, evaluate
from retrograd.graph.ir import Literal, Var
from retrograd.graph.stage import LoopRecord
from retrograd.graph.trace import Traced

if TYPE_CHECKING:
    from retrograd.native.executable import Executable


class Progress(Protocol):
    """Where a call that did not end stopped."""

    @property
    def last(self) -> LoopRecord | None:
        """The loop that completed an iteration last."""

    def value(self, place: Any) -> Any:
        """The array at a place that the record names: ("carry", i) of its loop, or a box of the trace; None is None."""


class Stopped(Exception):
    """A call that did not end; the cause is what ended it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress


class Interpreted:
    """Equation by equation, with NumPy."""

    name = "on the graph interpreter"

    def __init__(self, traced: Traced, reason: str) -> None:
        self.facts = (f"because {reason}",)
        self.traced = traced
        pinned = [v for r in traced.stage.loops for _, v in r.before if isinstance(v, Box)]
        traced.graph.derived.pop("plan", None)  # of an evaluation that did not know what is pinned
        traced.graph.derived["pinned"] = tuple(v.value for v in pinned if isinstance(v.value, Var))

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        watch = Watch(frozenset(r.equation for r in self.traced.stage.loops))
        outer = WATCH.get()
        try:
            WATCH.set(watch)
            return evaluate(self.traced.graph, values, watch)
        except BaseException as error:
            raise Stopped(_Watched(self.traced, watch)) from error
        finally:
            WATCH.set(outer)


class _Watched:
    """Progress of the interpreter."""

    def __init__(self, traced: Traced, watch: Watch) -> None:
        self.traced, self.watch = traced, watch
        self.last = next((r for r in reversed(traced.stage.loops) if r.equation in watch.carries), None)

    def value(self, place: Any) -> Any:
        if isinstance(place, tuple):
            assert self.last is not None
            return np.array(self.watch.carries[self.last.equation][place[1]])
        if isinstance(place, Box):
            place = self.watch.value_of(self.traced.graph, place.value)
        return None if place is None else np.array(place)


class Native:
    """One call of compiled code."""

    name = "in native code"

    @property
    def facts(self) -> Sequence[str]:
        """What a report says of the code."""
        return self.executable.facts

    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.places = _wanted(traced)  # variable -> its place among what is kept
        own = {e: traced.n_args + i for i, e in enumerate(traced.extras) if isinstance(e, Cell)}
        pairs = [(own[c], traced.n_results + j) for j, c in enumerate(traced.written) if c in own]
        self.executable = native.compiled(traced.graph, list(self.places), pairs)
        self.direct = Direct(traced, self.executable, own) if Direct.possible(traced, self.executable, own) else None

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        progress: list[Any] = []
        try:
            return self.executable(values, progress)
        except BaseException as error:
            if not progress:
                raise
            raise Stopped(_Kept(self, *progress)) from error

    def in_cells(self, values: list[Any]) -> list[Any] | None:
        """The results, cells being written in place; None, and nothing done, where somebody may see an old value."""
        if self.direct is None or self.executable.busy:
            return None
        progress: list[Any] = []
        try:
            return self.direct(values, progress)
        except BaseException as error:
            if not progress:
                raise
            raise Stopped(_Kept(self, *progress)) from error

    def record_of(self, loop: int) -> LoopRecord | None:
        """The record of a loop of the code, by its number from 1."""
        found = self.executable.loop_outputs(loop)
        offset = len(self.traced.graph.outputs)
        for record in self.traced.stage.loops:
            outs = self.traced.graph.equations[record.equation].outs
            if any(v in self.places and offset + self.places[v] in found for v in outs):
                return record
        return None


class Direct:
    """Calls that write the cells' own arrays: no copies, and nothing for Python to commit.

    It is right where every cell that is written is seen by nobody else, and the code cannot fail after its first write.
    An interrupt then falls before the call or after it. Who wants to read such a cell waits until the call is over.
    """

    @staticmethod
    def possible(traced: Traced, executable: Executable, own: dict[Any, int]) -> bool:
        """Whether it ever is; the rest is seen at each call."""
        if traced.guarded or not traced.written or executable.writer.top:
            return False  # while a loop runs others may read the cells, which then must not be written
        if any(isinstance(s, int) for s in executable.sources[: traced.n_results]):
            return False
        for j, cell in enumerate(traced.written):
            o = traced.n_results + j
            if o not in executable.in_place and (cell in own or not executable.writes_at_last(o)):
                return False
        return True

    def __init__(self, traced: Traced, executable: Executable, own: dict[Any, int]) -> None:
        self.executable, self.cleared = executable, traced.cleared
        self.written = sorted(traced.written, key=id)  # the order in which everybody takes these locks
        self.over: list[Cell] = []
        places: dict[int, Cell] = {}
        for j, cell in enumerate(traced.written):
            if traced.n_results + j in executable.in_place:
                self.over.append(cell)
            else:
                places[executable.place_of(traced.n_results + j)] = cell
        self.targets = [(places.get(i), *executable.out_types[i]) for i in executable.given]
        self.known: list[Any] = [self] * len(traced.written)  # arrays that were looked at; none yet
        self.take = [
            executable.given.index(executable.place_of(k)) if s is None else s
            for k, s in enumerate(executable.sources[: traced.n_results])
        ]

    def __call__(self, values: list[Any], progress: list[Any]) -> list[Any] | None:
        held = 0
        try:  # as `core.cells.holding` does it, which costs as much as a small step
            for cell in self.written:
                cell.lending.acquire()
                held += 1
                cell.being_written = True
            return self._run(values, progress)
        finally:
            for cell in self.written[:held]:
                cell.being_written = False
                cell.lending.release()

    def _run(self, values: list[Any], progress: list[Any]) -> list[Any] | None:
        for cell in self.cleared:
            if cell.array is not None:
                return None
        known = self.known
        for i, cell in enumerate(self.over):
            if cell.lent or (cell.array is not known[i] and not self._fits(i, cell)):
                return None
        i = len(self.over)
        targets: list[Any] = []
        for target, shape, dtype in self.targets:
            if target is None:
                targets.append(np.empty(shape, dtype))
                continue
            if target.lent or (target.array is not known[i] and not self._fits(i, target)):
                return None
            targets.append(target.array)
            i += 1
        executable = self.executable
        with executable.lock:
            status = executable.enter(values, targets)
            if status:
                progress += executable.stopped(values, targets)
                raise executable.error(status)
        return [targets[t] if isinstance(t, int) else t.value for t in self.take]

    def _fits(self, i: int, cell: Cell) -> bool:
        """Whether a cell's array, another one than last time, can be written as it lies in memory."""
        array = cell.array
        if array is None or not array.flags.carray:
            return False
        self.known[i] = array
        return True


class _Kept:
    """Progress of native code: the kept outputs are the carries."""

    def __init__(self, engine: Native, outputs: list[Any], loop: int) -> None:
        self.engine, self.outputs = engine, outputs
        self.last = engine.record_of(loop) if loop else None

    def value(self, place: Any) -> Any:
        traced = self.engine.traced
        if isinstance(place, tuple):
            assert self.last is not None
            place = traced.graph.equations[self.last.equation].outs[place[1]]
        elif isinstance(place, Box):
            place = place.value
        if place is None:
            return None
        if isinstance(place, Literal):
            return np.array(place.value)
        if place in self.engine.places:
            return np.array(self.outputs[len(traced.graph.outputs) + self.engine.places[place]])
        return np.array(place)


def _wanted(traced: Traced) -> dict[Var, int]:
    """The variables that say what cells hold if a loop is interrupted."""
    found: dict[Var, int] = {}
    for record in traced.stage.loops:
        outs = traced.graph.equations[record.equation].outs
        places: list[Any] = [v for _, v in record.before]
        for _, value, only_if in record.after:
            places += [value, only_if]
        for place in places:
            if isinstance(place, tuple):
                place = outs[place[1]]
            elif isinstance(place, Box):
                place = place.value
            if isinstance(place, Var):
                found.setdefault(place, len(found))
    return found


def engine_for(traced: Traced) -> Interpreted | Native:
    """Native code if it can be made here."""
    reason = native.available()
    if reason is not None:
        return Interpreted(traced, reason)
    try:
        return Native(traced)
    except native.DEFECTS as error:
        native.regret(error)
        return Interpreted(traced, "it could not be compiled")
