"""A picture as SVG: one element, without scripts, ids, or anything from elsewhere.

There are no ids because a notebook shows many pictures on one page: arrow heads are drawn, not referred to. All
pictures share one style sheet, whose every selector begins with the class of the picture. Colours follow the reader's
preference for light or dark; a picture has a background of its own, so it stays readable where the page around it does
not follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from retrograd.explain.drawing.arrange import BLOCK, FONT_SIZES, HEIGHTS, PADDING, Arranged, arrange
from retrograd.explain.drawing.layered import Point
from retrograd.explain.drawing.picture import Line, Node, Picture
from retrograd.explain.layout import readable

MARGIN = 12.0
HEAD = 6.0  # the length of an arrow's head
LEAST = 0.6  # a wide picture shrinks to about this; then the page scrolls

LIGHT = {
    "ground": "#ffffff", "ink": "#1f2733", "muted": "#5d6878", "line": "#8d99a8", "gradient": "#b3261e",
    "step": "#f6f8fa", "step-line": "#a9b4c1", "input": "#e4effc", "input-line": "#4d86d6", "parameter": "#e3f4e8",
    "parameter-line": "#3f9560", "constant": "#f3f0f8", "constant-line": "#8f7fb5", "output": "#fdf1dc",
    "output-line": "#cf8f22", "block": "#fbfcfd", "block-line": "#b9c3cf",
}  # fmt: skip
DARK = {
    "ground": "#15191f", "ink": "#e4e9f0", "muted": "#98a5b5", "line": "#74808f", "gradient": "#ff8a80",
    "step": "#222932", "step-line": "#4d5866", "input": "#1b2f4a", "input-line": "#5b95e6", "parameter": "#1a3626",
    "parameter-line": "#4fae73", "constant": "#2b2638", "constant-line": "#8d7cc0", "output": "#3d2f15",
    "output-line": "#d59b3a", "block": "#1a1f26", "block-line": "#434e5b",
}  # fmt: skip
_KINDS = ("step", "input", "parameter", "constant", "output", "block")


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--rg-{name}:{colour}" for name, colour in colours.items())


STYLE = (
    f".rg-picture{{{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{.rg-picture{{{_variables(DARK)}}}}}"
    ".rg-picture .rg-ground{fill:var(--rg-ground)}"
    ".rg-picture text{fill:var(--rg-ink);font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,"
    "sans-serif;white-space:pre}"
    ".rg-picture .rg-t-title{font-weight:600}"
    ".rg-picture .rg-t-value,.rg-picture .rg-t-gradient,.rg-picture .rg-t-type{font-family:ui-monospace,"
    "SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    ".rg-picture .rg-t-gradient{fill:var(--rg-gradient)}"
    ".rg-picture .rg-t-type,.rg-picture .rg-t-note{fill:var(--rg-muted)}"
    + "".join(f".rg-picture .rg-t-{kind}{{font-size:{size}px}}" for kind, size in FONT_SIZES.items())
    + ".rg-picture .rg-wire{fill:none;stroke:var(--rg-line);stroke-width:1.3}"
    ".rg-picture .rg-head{fill:var(--rg-line)}"
    ".rg-picture .rg-back{fill:var(--rg-ground);opacity:.9}"
    ".rg-picture .rg-n{stroke-width:1.2}"
    + "".join(f".rg-picture .rg-n-{k}{{fill:var(--rg-{k});stroke:var(--rg-{k}-line)}}" for k in _KINDS)
    + ".rg-picture .rg-n-fold{fill:none;stroke:var(--rg-line);stroke-dasharray:4 3}"
    ".rg-picture .rg-n-port{fill:none;stroke:var(--rg-block-line);stroke-dasharray:2 2}"
    ".rg-picture a:hover .rg-n,.rg-picture a:focus .rg-n{stroke-width:2.4}"
)  # fmt: skip


def svg(picture: Picture, *, label: str = "", style: bool = True) -> str:
    """The SVG element of a picture.

    Args:
        picture: what to draw.
        label: what it shows, for readers who do not see it.
        style: include the style sheet; where a page has it already it need not be repeated.
    """
    arranged = arrange(picture)
    width, height = arranged.size[0] + 2 * MARGIN, arranged.size[1] + 2 * MARGIN
    body: list[str] = []
    _draw(arranged, (MARGIN, MARGIN), body)
    return readable(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rg-picture" role="img" aria-label="{escape(label)}" '
        f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'style="width:100%;max-width:{_n(width)}px;min-width:{_n(min(width, LEAST * width + 200))}px;height:auto">'
        + (f"<style>{STYLE}</style>" if style else "")
        + f'<rect class="rg-ground" width="{_n(width)}" height="{_n(height)}" rx="6"/>'
        + "".join(body)
        + "</svg>"
    )


def _draw(arranged: Arranged, origin: Point, out: list[str]) -> None:
    """Arrows first, so that boxes lie above them; labels last."""
    layout, picture = arranged.layout, arranged.picture
    right = picture.direction == "right"
    for edge, route in zip(picture.edges, layout.routes, strict=True):
        out.append(_wire(_moved(route, origin), right, edge.tip))
    for node, centre, size in zip(picture.nodes, layout.centres, arranged.sizes, strict=True):
        corner = origin[0] + centre[0] - size[0] / 2, origin[1] + centre[1] - size[1] / 2
        _box(node, corner, size, arranged.inside.get(node), out)
    for edge, place in zip(picture.edges, layout.labels, strict=True):
        if place is not None:
            _label(edge.label, (origin[0] + place[0], origin[1] + place[1]), out)


def _moved(points: Sequence[Point], by: Point) -> list[Point]:
    return [(x + by[0], y + by[1]) for x, y in points]


def _wire(points: Sequence[Point], right: bool, tip: str) -> str:
    """A smooth line through the points: straight across layers, curved between them; and its head."""
    points = list(points)
    x, y = points[-1]
    points[-1] = (x - HEAD, y) if right else (x, y - HEAD)
    path = [f"M{_p(points[0])}"]
    for k in range(len(points) - 1):
        (x0, y0), (x1, y1) = points[k], points[k + 1]
        if k % 2 == 0:  # across a layer
            path.append(f"L{_p(points[k + 1])}")
        elif right:
            half = (x0 + x1) / 2
            path.append(f"C{_p((half, y0))} {_p((half, y1))} {_p((x1, y1))}")
        else:
            half = (y0 + y1) / 2
            path.append(f"C{_p((x0, half))} {_p((x1, half))} {_p((x1, y1))}")
    wing = 3.4
    sides = [(x - HEAD, y - wing), (x - HEAD, y + wing)] if right else [(x - wing, y - HEAD), (x + wing, y - HEAD)]
    head = f'<path class="rg-head" d="M{_p((x, y))}L{_p(sides[0])}L{_p(sides[1])}Z"/>'
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<g>{title}<path class="rg-wire" d="{"".join(path)}"/>{head}</g>'


def _box(node: Node, corner: Point, size: tuple[float, float], inside: Arranged | None, out: list[str]) -> None:
    x, y = corner
    width, height = size
    out.append(f'<a href="{escape(node.link)}">' if node.link else "<g>")
    if node.tip:
        out.append(f"<title>{escape(node.tip)}</title>")
    if node.halves is not None:
        _halves(node, corner, size, out)
    else:
        rounded = 4 if node.kind in ("step", "block") else 10
        out.append(
            f'<rect class="rg-n rg-n-{escape(node.kind)}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" '
            f'height="{_n(height)}" rx="{rounded}"/>'
        )
        at = y + PADDING[1]
        for line in node.lines:
            out.append(_text(line, x + width / 2, at + 0.74 * HEIGHTS[line.kind]))
            at += HEIGHTS[line.kind]
    out.append("</a>" if node.link else "</g>")
    if inside is not None:  # outside the link: links do not nest
        top = y + PADDING[1] + sum(HEIGHTS[line.kind] for line in node.lines) + BLOCK / 2
        _draw(inside, (x + (width - inside.size[0]) / 2, top), out)


def _halves(node: Node, corner: Point, size: tuple[float, float], out: list[str]) -> None:
    """Rojas' node: the derivative on the left, the function on the right."""
    assert node.halves is not None
    (x, y), (width, height) = corner, size
    out.append(
        f'<rect class="rg-n rg-n-{escape(node.kind)}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" '
        f'height="{_n(height)}" rx="{_n(min(22.0, height / 2))}"/>'
        f'<path class="rg-wire" d="M{_p((x + width / 2, y))}L{_p((x + width / 2, y + height))}"/>'
    )
    for half, middle in zip(node.halves, (x + width / 4 + 1, x + 3 * width / 4 - 1), strict=True):
        at = y + (height - sum(HEIGHTS[line.kind] for line in half)) / 2
        for line in half:
            out.append(_text(line, middle, at + 0.76 * HEIGHTS[line.kind]))
            at += HEIGHTS[line.kind]


def _label(lines: Sequence[Line], centre: Point, out: list[str]) -> None:
    height = sum(HEIGHTS[x.kind] for x in lines)
    at = centre[1] - height / 2
    for line in lines:
        width = 0.61 * FONT_SIZES[line.kind] * len(line.text) + 4
        out.append(
            f'<rect class="rg-back" x="{_n(centre[0] - width / 2)}" y="{_n(at)}" width="{_n(width)}" '
            f'height="{_n(HEIGHTS[line.kind])}"/>'
        )
        out.append(_text(line, centre[0], at + 0.76 * HEIGHTS[line.kind]))
        at += HEIGHTS[line.kind]


def _text(line: Line, x: float, y: float) -> str:
    kind = escape(line.kind)
    return f'<text class="rg-t-{kind}" x="{_n(x)}" y="{_n(y)}" text-anchor="middle">{escape(line.text)}</text>'


def _p(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"


def _n(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")
