"""Where the nodes and arrows of a network stand in its drawing, and which figures belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retrograd.explain.network.description import Weight
from retrograd.explain.page.pieces import node, sources_node
from retrograd.explain.page.steps import Story

LABELLED = 12  # so many arrows between two layers have their weight written beside them


@dataclass(frozen=True)
class Measures:
    """Sizes in the drawing's own unit.

    Attributes:
        radius: of a neuron.
        down, across: from neuron to neuron, and from layer to layer.
    """

    radius: float
    down: float
    across: float


ROOMY, DENSE = Measures(41, 158, 262), Measures(24, 62, 270)


class Picture:
    """Places a network.

    Args:
        story: its steps and figures.
    """

    def __init__(self, story: Story) -> None:
        self.story, self.net, self.named = story, story.net, story.named
        tallest = max(map(len, story.shown.columns))
        self.dense = tallest > 4
        self.measures = DENSE if self.dense else ROOMY
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.tallest = tallest
        self.inputs()
        for n in range(len(self.net.layers)):
            self.layer(n)
        self.errors()

    def record(self) -> dict[str, Any]:
        """For JSON."""
        width = max(n["x"] for n in self.nodes) + self.measures.radius + 24
        height = max(n["y"] for n in self.nodes) + self.measures.radius + 30
        size = {"width": width, "height": height, "radius": self.measures.radius}
        return {**size, "nodes": self.nodes, "edges": self.edges}

    def x(self, column: int) -> float:
        """The middle of a column."""
        return (90 if self.dense else 70) + column * self.measures.across

    def y(self, place: int, count: int) -> float:
        """The middle of the node at a place of its column: columns are centred."""
        middle = self.measures.radius + 30 + (self.tallest - 1) * self.measures.down / 2
        return middle + (place - (count - 1) / 2) * self.measures.down

    def add(self, id: str, kind: str, label: str, x: float, y: float, **more: Any) -> None:
        """One node; `figures` are shown when the pointer is on it, `value` inside it."""
        self.nodes.append({"id": id, "kind": kind, "label": label, "x": round(x, 1), "y": round(y, 1), **more})

    def link(self, start: str, end: str, **more: Any) -> None:
        """One arrow."""
        self.edges.append({"from": start, "to": end, **more})

    def inputs(self) -> None:
        """The first column."""
        column = self.story.shown.columns[0]
        for place, i in enumerate(column):
            figure = self.named.input(i)
            label = self.net.input_names[i]
            self.add(f"i{i}", "input", label, self.x(0), self.y(place, len(column)), value=figure, figures=[figure])
        self.more(0, "inputs")

    def layer(self, n: int) -> None:
        """A column of neurons, with the bias that stands below the column before."""
        column, named = self.story.shown.columns[n + 1], self.named
        for place, k in enumerate(column):
            figures = {"net": named.net(n, k), "out": named.out(n, k)}
            if not (n == self.story.last and named.fused):
                figures |= {"d_out": named.d_out(n, k), "slope": named.slope(n, k)}
            figures["delta"] = named.delta(n, k)
            own = {"value": figures["out"], "delta": figures["delta"], "figures": list(figures.values()), **figures}
            label = self.net.layers[n].neurons[k]
            self.add(node(n, k), "neuron", label, self.x(n + 1), self.y(place, len(column)), layer=n, **own)
        self.more(n + 1, "neurons")
        if self.net.layers[n].biases is not None and not self.dense:
            self.bias(n)
        arrows = len(self.story.shown.columns[n]) * len(column)
        for number, w in enumerate(self.story.weights):
            if w.layer == n:
                self.arrows(number, w, labelled=arrows <= LABELLED)

    def bias(self, n: int) -> None:
        """A node that is always 1, below the column before."""
        y = self.lowest(n) + self.measures.down * 0.85
        self.add(f"b{n}", "bias", "1", self.x(n), y, figures=[])

    def lowest(self, column: int) -> float:
        """The last node of a column."""
        count = len(self.story.shown.columns[column])
        return self.y(count - 1, count)

    def arrows(self, number: int, w: Weight, *, labelled: bool) -> None:
        """The arrows of a weight: several for a bias that neurons share, which is labelled once."""
        if w.source is None and self.dense:
            return
        source = f"b{w.layer}" if w.source is None else sources_node(w.layer, w.source)
        drawn = [k for k in w.neurons if k in self.story.shown.columns[w.layer + 1]]
        for k in drawn:
            label = labelled and k == drawn[0]
            self.link(source, node(w.layer, k), weight=number, labelled=label)

    def errors(self) -> None:
        """The error of each output, and their sum."""
        column, named, last = self.story.shown.columns[-1], self.named, len(self.net.layers)
        some = [k for k in self.story.errors if not self.dense or self.named.fused]
        for place, k in enumerate(column):
            if k not in some:
                self.link(node(last - 1, k), "E")
                continue
            figures = [named.error(k), named.target(k)]
            more = {"value": figures[0], "target": figures[1], "figures": figures}
            x, y = self.x(last) + self.measures.radius * 4.1, self.y(place, len(column))
            self.add(f"e{k}", "error", f"E_{self.net.outputs[k]}", x, y, **more)
            self.link(node(last - 1, k), f"e{k}")
            self.link(f"e{k}", "E")
        whole = named.total()
        x = self.x(last) + self.measures.radius * (7.1 if some else 4.1)
        self.add("E", "total", "E", x, self.y(0, 1), value=whole, figures=[whole])

    def more(self, column: int, what: str) -> None:
        """Says how many of a column are not drawn."""
        count = self.story.left_out(column)
        if count:
            shown = len(self.story.shown.columns[column])
            y = self.y(shown - 1, shown) + self.measures.down
            self.add(f"more{column}", "more", f"and {count} more {what}", self.x(column), y, figures=[])
