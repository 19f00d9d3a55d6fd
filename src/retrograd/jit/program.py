"""A program: one traced version of a function, and how it is called."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd import native
from retrograd.core.box import Box
from retrograd.core.cells import Cell, commit
from retrograd.core.dispatch import Evaluate, apply, current, lowest
from retrograd.core.tree import Structure, unflatten
from retrograd.graph.trace import Traced
from retrograd.jit.engine import Interpreted, Native, Progress, Stopped, engine_for
from retrograd.jit.fast import NOT_DONE, Fast
from retrograd.jit.settings import settings
from retrograd.ops.inputs import face
from retrograd.primitives.control import Call
from retrograd.transforms.captures import CONSTANT, LIVE, SPENT, apply_traced, spent_node, tape_state
from retrograd.transforms.custom import assign_cells


@dataclass
class Program:
    """A traced function with everything its calls need."""

    traced: Traced
    structure: Structure
    label: str
    calls: int = 0
    copies: int = 0
    states: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = [*map(tape_state, self.traced.results)]
        self.states += [CONSTANT] * (len(self.traced.graph.outputs) - len(self.states))
        self.primitive = Call(self.traced.graph, self.label)
        self.cells = sorted({*self.traced.cell_types, *self.traced.written, *self.traced.cleared}, key=id)
        if native.available() is None:
            self.traced.graph.derived["runner"] = native.run  # its derivatives run there too
        self.engines: dict[Any, Any] = {}
        self.fasts: dict[Any, Any] = {}

    @property
    def engine(self) -> Interpreted | Native:
        """What runs it here: made at the first use, once for each CPU level and number of threads."""
        watched = lowest(current()).unfolds
        key = (settings(), watched)
        found = self.engines.get(key)
        if found is None:
            reason = "trace_nan() looks at every operation"
            found = self.engines[key] = Interpreted(self.traced, reason) if watched else engine_for(self.traced)
        return found

    def __call__(self, args: Sequence[Any]) -> Any:
        self.calls += 1
        self.traced.enter(f"{self.label}, which calls backward(),")
        active = current()
        with self._locked():
            if isinstance(active, Evaluate) and not self._follows(args, active):
                outs = self._run(args)
            else:
                outs = self._apply(args)
        return unflatten(self.structure, self._faces(outs))

    def unlock(self) -> None:
        """New locks for all that a call holds: those there are may be held by a thread that a fork has left behind."""
        for cell in [*self.cells, *self.traced.written]:
            cell.lock, cell.lending, cell.being_written = threading.RLock(), threading.RLock(), False
        for engine in self.engines.values():
            if isinstance(engine, Native):
                engine.executable.unlock()
        self.engines.clear()
        self.fasts.clear()

    def fast(self) -> Any:
        """What serves a call on bare arrays whose surroundings `jit.guard` has compared; it may say `NOT_DONE`."""
        engine = self.engine
        found = self.fasts.get(engine)
        if found is None:
            found = _slow
            if isinstance(engine, Native) and Fast.possible(self.traced, engine):
                found = Fast(self.traced, engine, self.structure, self.cells, self.states)
            self.fasts[engine] = found
        return found

    def again(self, fast: Any, values: list[Any]) -> Any:
        """A call whose arguments and surroundings are those of the last one; `fast` is what then served it."""
        self.calls += 1
        try:
            found = fast(list(values))
        except Stopped as stopped:
            with self._locked():
                self._commit_iteration(stopped.progress)
            raise stopped.__cause__ from None  # type: ignore[misc]
        if found is not NOT_DONE:
            return found
        with self._locked():
            outs = self._run(values)
        return unflatten(self.structure, self._faces(outs))

    def _faces(self, outs: Sequence[Any]) -> list[Any]:
        return [face(o, getattr(r, "weak", False)) for o, r in zip(outs, self.traced.results, strict=False)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold every cell the program touches: it sees, and leaves, a state that belongs together."""
        held = []
        try:
            for cell in self.cells:
                cell.lock.acquire()
                held.append(cell)
            yield
        finally:
            for cell in reversed(held):
                cell.lock.release()

    def _follows(self, args: Sequence[Any], active: Evaluate) -> bool:
        """Whether this call is recorded: an output has a live tape, and an input is followed."""
        if LIVE not in self.states or not active.recording:
            return False
        boxes = [*args, *self.traced.extras]
        return any(isinstance(b, Box) and b.node is not None for b in boxes) or any(
            c.requires_grad for c in self.traced.cell_types
        )

    def _apply(self, args: Sequence[Any]) -> list[Any]:
        """Through the door: recorded, differentiated, batched, or staged into another program."""
        operands = [*args, *self.traced.extra_values()]
        outs = apply_traced(lambda vs: apply(self.primitive, *vs), operands, self.states)
        assign_cells(self.traced, outs, operands)
        return outs

    def _run(self, args: Sequence[Any]) -> list[Any]:
        """Eagerly at the base, nothing recorded: straight on arrays; cells are not lent by this."""
        values = [*[_bare(a) for a in args], *[_array(e) for e in self.traced.extras]]
        engine = self.engine
        try:
            outs = engine.in_cells(values) if isinstance(engine, Native) else None
            if outs is not None:
                return self._marked(outs)
            outs = engine(values)
        except Stopped as stopped:
            self._commit_iteration(stopped.progress)
            raise stopped.__cause__ from None  # type: ignore[misc]
        self._commit(outs, values)
        return self._marked(outs)

    def _marked(self, outs: Sequence[Any]) -> list[Any]:
        """The outputs, those whose tape was swept inside as such."""
        return [_spent(o) if state == SPENT else o for o, state in zip(outs, self.states, strict=False)]

    def _commit(self, outs: Sequence[Any], values: Sequence[Any]) -> None:
        """All cells at once. An array that is somebody else's too is copied; a result that is a cell's is lent."""
        n = self.traced.n_results
        taken = {id(v) for v in values} | {id(b) for o in outs[:n] for b in _bases(o)}
        fresh = []
        for o in outs[n : n + len(self.traced.written)]:
            own = o.flags.owndata and o.flags.writeable and id(o) not in taken
            fresh.append(o if own else o.copy())
            taken.add(id(o))
        for e in self.traced.extras:
            if isinstance(e, Cell) and e.array is not None and any(np.may_share_memory(o, e.array) for o in outs[:n]):
                e.lent = True
        guards = self.traced.guards(outs)
        kept = [g is None or bool(g) for g in guards]
        cells = [c for c, k in zip(self.traced.written, kept, strict=True) if k]
        arrays = [f for f, k in zip(fresh, kept, strict=False) if k]
        cleared = self.traced.cleared
        self.copies += commit([*cells, *cleared], [*arrays, *[None] * len(cleared)])

    def _commit_iteration(self, progress: Progress) -> None:
        """After an interrupt inside a loop at the top: cells as its last completed iteration left them."""
        record = progress.last
        if record is None:
            return
        kept = [(c, v) for c, v, only_if in record.after if only_if is None or bool(progress.value(only_if))]
        changes = [(c, progress.value(v)) for c, v in [*record.before, *kept]]
        commit([c for c, _ in changes], [v for _, v in changes])


def _slow(_: list[Any]) -> object:
    """In place of a `Fast` where there can be none."""
    return NOT_DONE


def _bases(array: Any) -> Iterator[Any]:
    """The array, and what it is a view of."""
    while array is not None:
        yield array
        array = getattr(array, "base", None)


def _spent(array: Any) -> Any:
    """A result whose tape was swept inside the program."""
    return current().follow(array, spent_node())  # type: ignore[attr-defined]


def _array(extra: Any) -> Any:
    if isinstance(extra, Cell):
        return extra.array
    return _bare(extra)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Box) else value
