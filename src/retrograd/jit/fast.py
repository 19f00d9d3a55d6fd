"""The call of a native program once its guard has said that nothing has changed: as few Python steps as can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.core.box import FACES, Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import current
from retrograd.core.tree import LEAF, Structure, unflatten
from retrograd.graph.trace import Traced
from retrograd.jit.engine import Native
from retrograd.transforms.captures import SPENT, spent_node

NOT_DONE = object()


class Fast:
    """Calls of one program that write cells in place, or none at all; `NOT_DONE`, and nothing done, where not."""

    @staticmethod
    def possible(traced: Traced, engine: Any) -> bool:
        """Whether such calls ever are right."""
        if not isinstance(engine, Native):
            return False
        pure = not traced.written and not traced.cleared and not traced.guarded
        handed_on = any(isinstance(s, int) for s in engine.executable.sources[: traced.n_results])
        return not handed_on and (pure or engine.direct is not None)

    def __init__(
        self, traced: Traced, engine: Native, structure: Structure, cells: Sequence[Cell], states: Sequence[str]
    ) -> None:
        self.engine, self.executable = engine, engine.executable
        self.direct = engine.direct
        self.extras: list[tuple[Any, Any]] = [
            (None, e.value) if isinstance(e, Box) else (e, None) if isinstance(e, Cell) else (None, e)
            for e in traced.extras
        ]
        self.locks = [c.lock for c in cells]
        self.types = [self.executable.out_types[i] for i in self.executable.given]
        self.weak = [bool(getattr(r, "weak", False)) for r in traced.results]
        self.spent = [i for i, s in enumerate(states[: traced.n_results]) if s == SPENT]
        self.build = _builder(structure)
        self.plain = self.direct is None and self.executable.results_are_targets

    def __call__(self, values: list[Any]) -> Any:
        held = 0
        try:
            for lock in self.locks:  # before the arrays of cells are looked up: a commit may bind others
                lock.acquire()
                held += 1
            for cell, value in self.extras:
                values.append(value if cell is None else cell.array)
            if self.plain:
                empty = np.empty
                outs: Any = [empty(shape, dtype) for shape, dtype in self.types]
                self.executable.run(values, outs)
            else:
                outs = self.engine.in_cells(values) if self.direct is not None else self.engine(values)
        finally:
            for lock in self.locks[:held]:
                lock.release()
        if outs is None:
            return NOT_DONE
        face = FACES[-1]
        faces = [face(o, None, None, w) for o, w in zip(outs, self.weak)]  # noqa: B905 - results come first
        for i in self.spent:
            faces[i] = current().follow(outs[i], spent_node())  # type: ignore[attr-defined]
        return self.build(faces)


def _builder(structure: Structure) -> Callable[[list[Any]], Any]:
    """How results become what the function returned."""
    if structure == LEAF:
        return lambda faces: faces[0]
    if structure.kind in (tuple, list) and all(c == LEAF for c in structure.children):
        return structure.kind
    return lambda faces: unflatten(structure, faces)
