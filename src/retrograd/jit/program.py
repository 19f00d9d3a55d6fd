"""A program: one traced version of a function, and how it is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell, commit
from retrograd.core.dispatch import Evaluate, apply, current
from retrograd.core.tree import Structure, unflatten
from retrograd.graph.interpret import WATCH, Watch, evaluate
from retrograd.graph.ir import Var
from retrograd.graph.trace import Traced
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
        stage = self.traced.stage
        self.states = [*map(tape_state, self.traced.results)]
        self.states += [CONSTANT] * (len(self.traced.graph.outputs) - len(self.states))
        self.primitive = Call(self.traced.graph, self.label)
        self.cells = sorted({*self.traced.cell_types, *self.traced.written, *self.traced.cleared}, key=id)
        pinned = [v for r in stage.loops for _, v in r.before if isinstance(v, Box)]
        self.traced.graph.derived["pinned"] = tuple(v.value for v in pinned if isinstance(v.value, Var))

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

    def _faces(self, outs: Sequence[Any]) -> list[Any]:
        return [face(o, getattr(r, "weak", False)) for o, r in zip(outs, self.traced.results, strict=False)]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold every cell the program touches: it sees, and leaves, a state that belongs together."""
        with ExitStack() as stack:
            for cell in self.cells:
                stack.enter_context(cell.lock)
            yield

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
        extras = [_array(e) for e in self.traced.extras]
        values = [*[_bare(a) for a in args], *extras]
        watch = Watch(frozenset(r.equation for r in self.traced.stage.loops))
        outer = WATCH.get()
        try:
            WATCH.set(watch)
            outs = evaluate(self.traced.graph, values, watch)
        except BaseException:
            self._commit_iteration(watch)
            raise
        finally:
            WATCH.set(outer)
        self._commit(outs, values)
        return [_spent(o) if state == SPENT else o for o, state in zip(outs, self.states, strict=True)]

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

    def _commit_iteration(self, watch: Watch) -> None:
        """After an interrupt inside a loop at the top: cells as its last completed iteration left them."""
        record = next((r for r in reversed(self.traced.stage.loops) if r.equation in watch.carries), None)
        if record is None:
            return
        carry = watch.carries[record.equation]

        def array_of(value: Any) -> Any:
            if isinstance(value, tuple):
                return np.array(carry[value[1]])
            if isinstance(value, Box):
                value = watch.value_of(self.traced.graph, value.value)
            return None if value is None else np.array(value)

        kept = [(c, v) for c, v, only_if in record.after if only_if is None or bool(array_of(only_if))]
        changes = [(c, array_of(v)) for c, v in [*record.before, *kept]]
        commit([c for c, _ in changes], [v for _, v in changes])


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
