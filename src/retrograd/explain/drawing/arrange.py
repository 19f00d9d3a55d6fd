"""Sizes of boxes from their text, and places for all that a picture holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from retrograd.explain.drawing.layered import Layout, Point, Size, layered
from retrograd.explain.drawing.picture import Line, Node, Picture

PADDING: Size = (10.0, 7.0)  # between a box and its text
BLOCK = 14.0  # between a block and what it contains
ROUND = 62.0  # the width of a half of a B-diagram's node, at least
HEIGHTS = {"title": 17.0, "value": 16.0, "gradient": 16.0, "type": 15.0, "note": 15.0}
FONT_SIZES = {"title": 12.5, "value": 12.0, "gradient": 12.0, "type": 11.0, "note": 11.0}
MONOSPACED = ("value", "gradient", "type")
# Widths in ems, of the bold and wide DejaVu Sans: a text is then at most this wide in the other fonts of the list.
_WIDTHS = {
    **dict.fromkeys("iljI.,:;|'!()[]{} ", 0.42),
    **dict.fromkeys("mwMW@%+=<>~", 0.98),
    **dict.fromkeys("frst-/", 0.5),
}


@dataclass(eq=False)
class Arranged:
    """A picture with places.

    Attributes:
        picture: what was arranged.
        sizes: of its nodes.
        layout: their places.
        inside: for blocks, what they contain, arranged.
        size: of the whole.
    """

    picture: Picture
    sizes: list[Size]
    layout: Layout
    size: Size
    inside: dict[Node, Arranged] = field(default_factory=dict)


def arrange(picture: Picture) -> Arranged:
    """Places for everything in a picture, blocks from the inside out."""
    inside = {node: arrange(node.inside) for node in picture.nodes if node.inside is not None}
    sizes = [_size(node, inside.get(node)) for node in picture.nodes]
    number = {node: i for i, node in enumerate(picture.nodes)}
    edges = [(number[e.source], number[e.target]) for e in picture.edges]
    labels = [_label_size(e.label) if e.label else None for e in picture.edges]
    if picture.direction == "down":
        layout = layered(sizes, edges, labels)
        return Arranged(picture, sizes, layout, layout.size, inside)
    layout = turned(layered([(h, w) for w, h in sizes], edges, [s and (s[1], s[0]) for s in labels], gap=(20.0, 44.0)))
    return Arranged(picture, sizes, layout, layout.size, inside)


def turned(layout: Layout) -> Layout:
    """The same layout with x and y exchanged."""
    return Layout(
        [_swap(p) for p in layout.centres],
        layout.ranks,
        [[_swap(p) for p in route] for route in layout.routes],
        [None if p is None else _swap(p) for p in layout.labels],
        _swap(layout.size),
    )


def _swap(p: Point) -> Point:
    return p[1], p[0]


def text_width(line: Line) -> float:
    """About how wide a line is; rather too much."""
    size = FONT_SIZES[line.kind]
    if line.kind in MONOSPACED:
        return 0.61 * size * len(line.text)
    return size * sum(_WIDTHS.get(c, 0.8 if c.isupper() else 0.7) for c in line.text)


def _size(node: Node, inside: Arranged | None) -> Size:
    if node.halves is not None:
        half = max(ROUND, *(text_width(x) + 20 for lines in node.halves for x in lines))
        return 2 * half, max(sum(HEIGHTS[x.kind] for x in lines) for lines in node.halves) + 2 * PADDING[1]
    width = max((text_width(x) for x in node.lines), default=0.0) + 2 * PADDING[0]
    height = sum(HEIGHTS[x.kind] for x in node.lines) + 2 * PADDING[1]
    if inside is not None:
        return max(width, inside.size[0] + 2 * BLOCK), height + inside.size[1] + BLOCK
    return width, height


def _label_size(label: Sequence[Line]) -> Size:
    return max(text_width(x) for x in label) + 6, sum(HEIGHTS[x.kind] for x in label)
