"""What `report()` says of a jitted function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrograd.core.cells import Cell
from retrograd.core.types import type_of

if TYPE_CHECKING:
    from retrograd.jit.program import Program


@dataclass(frozen=True)
class ProgramReport:
    """One traced program."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    equations: int
    calls: int
    reads: tuple[str, ...]
    assigns: tuple[str, ...]
    captured: tuple[str, ...]
    copies_of_lent_cells: int
    engine: str  # what runs it
    facts: tuple[str, ...]  # of native code: operations, memory, threads, time to compile


@dataclass(frozen=True)
class Report:
    """All programs of a jitted function; printing it shows them."""

    name: str
    programs: tuple[ProgramReport, ...]
    retraces: tuple[str, ...]

    @staticmethod
    def of(name: str, programs: Sequence[Program], retraces: Sequence[str]) -> Report:
        return Report(name, tuple(map(_describe, programs)), tuple(retraces))

    def __str__(self) -> str:
        lines = [f"jit of {self.name}: {len(self.programs)} program{'s' if len(self.programs) != 1 else ''}"]
        for i, p in enumerate(self.programs):
            lines.append(f"  {i}: ({', '.join(p.arguments)}) -> ({', '.join(p.results)})")
            lines.append(f"     {p.equations} equations, called {p.calls} times, {p.engine}")
            lines += [f"     {fact}" for fact in p.facts]
            for title, names in (("reads", p.reads), ("assigns", p.assigns), ("captured", p.captured)):
                if names:
                    lines.append(f"     {title}: {', '.join(names)}")
            if p.copies_of_lent_cells:
                lines.append(f"     lent cells that took a fresh array: {p.copies_of_lent_cells}")
        if self.retraces:
            lines.append("  traced again because of")
            lines += [f"     {r}" for r in self.retraces]
        return "\n".join(lines)

    __repr__ = __str__


def _describe(program: Program) -> ProgramReport:
    traced = program.traced
    types = traced.graph.in_types[: traced.n_args]
    captured: list[Any] = [e for e in traced.extras if not isinstance(e, Cell)]
    return ProgramReport(
        arguments=tuple(map(str, types)),
        results=tuple(str(t) for t in traced.graph.out_types[: traced.n_results]),
        equations=len(traced.graph.equations),
        calls=program.calls,
        reads=tuple(c.name for c in traced.cell_types),
        assigns=tuple(c.name for c in [*traced.written, *traced.cleared]),
        captured=tuple(str(type_of(c)) for c in captured),
        copies_of_lent_cells=program.copies,
        engine=program.engine.name,
        facts=tuple(program.engine.facts),
    )
