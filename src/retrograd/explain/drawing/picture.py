"""What is in a picture: boxes of text with arrows between them; a box may contain a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple


class Line(NamedTuple):
    """A line of text and its style: "title", "value", "gradient", "type" or "note"."""

    text: str
    kind: str = "value"


@dataclass(eq=False, slots=True)
class Node:
    """A box.

    Attributes:
        lines: its text.
        kind: "input", "parameter", "constant", "step", "output", "fold", "block" or "port" (a value on the border of a
            block); it decides colours.
        tip: shown by browsers when the pointer rests on it.
        link: where a click leads.
        inside: what a block contains.
        halves: (left, right) for a round node of a B-diagram, instead of lines.
    """

    lines: list[Line]
    kind: str = "step"
    tip: str = ""
    link: str = ""
    inside: Picture | None = None
    halves: tuple[list[Line], list[Line]] | None = None


@dataclass(eq=False, slots=True)
class Edge:
    """An arrow, perhaps with a label."""

    source: Node
    target: Node
    label: list[Line] = field(default_factory=list)
    tip: str = ""


@dataclass(eq=False, slots=True)
class Picture:
    """Boxes and arrows; without cycles.

    Attributes:
        direction: "down" or "right": where arrows point.
    """

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    direction: str = "down"

    def node(self, *lines: str | Line, kind: str = "step", tip: str = "", link: str = "") -> Node:
        """A new box; the first line is its title."""
        styled = [x if isinstance(x, Line) else Line(x, "value" if i else "title") for i, x in enumerate(lines)]
        self.nodes.append(Node(styled, kind, tip, link))
        return self.nodes[-1]

    def edge(self, source: Node, target: Node, *label: str | Line, tip: str = "") -> Edge:
        """A new arrow."""
        styled = [x if isinstance(x, Line) else Line(x) for x in label]
        self.edges.append(Edge(source, target, styled, tip))
        return self.edges[-1]

    def walk(self) -> Iterator[Node]:
        """Every node, those inside blocks too."""
        for node in self.nodes:
            yield node
            if node.inside is not None:
                yield from node.inside.walk()
