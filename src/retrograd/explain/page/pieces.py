"""Steps and equations of a page as records: no numbers, only where they go.

A line of an equation is a list of pieces: text, the number of a figure, or ``[name]`` for a name without a figure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Piece = str | int | list[str]
Line = tuple[list[Piece], bool]  # pieces, and whether they are also shown with numbers plugged in


@dataclass(frozen=True)
class Equation:
    """A figure, and how it comes about.

    Attributes:
        figure: its number.
        lines: each is shown in names, and, if the flag says so, with numbers plugged in.
        alias: another name of the figure.
    """

    figure: int
    lines: tuple[Line, ...]
    alias: str = ""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        lines = [{"pieces": pieces, "numbers": numbers} for pieces, numbers in self.lines]
        return {"figure": self.figure, "alias": self.alias, "lines": lines}


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        phase: which part of the story it belongs to.
        title: what happens; say: why, in a sentence or two.
        nodes, edges: what to look at in the drawing.
        back: whether something flows back.
    """

    phase: str
    title: str
    say: str
    equations: tuple[Equation, ...]
    nodes: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    back: bool = False

    def record(self) -> dict[str, Any]:
        """For JSON; the phase is numbered elsewhere."""
        found = {name: getattr(self, name) for name in ("title", "say", "nodes", "edges", "back")}
        return {**found, "equations": [e.record() for e in self.equations]}


def node(n: int, k: int) -> str:
    """The node of a neuron."""
    return f"n{n}.{k}"


def sources_node(n: int, i: int) -> str:
    """The node of what enters layer `n` at place `i`."""
    return f"i{i}" if n == 0 else node(n - 1, i)


def joined(parts: Sequence[Sequence[Piece]], between: str) -> list[Piece]:
    """Parts with a text between them."""
    return [piece for i, part in enumerate(parts) for piece in ([between] if i else []) + list(part)]


def placed(figure: int) -> str:
    """A figure in a formula of the engine."""
    return f"⟦{figure}⟧"


def parsed(text: str) -> list[Piece]:
    """The formula's text and figures."""
    parts = re.split(r"⟦(\d+)⟧", text)
    return [int(p) if i % 2 else p for i, p in enumerate(parts) if p]
