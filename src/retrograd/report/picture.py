"""Plots as a part of a page: ids of their own, and the page's colours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from retrograd.plots.plot import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from retrograd.plots import Plot

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREFS = ("href", f"{{{XLINK}}}href")
_COLOURS = {
    "#000000": "currentColor",
    BLUE: f"var(--main, {BLUE})", ORANGE: f"var(--second, {ORANGE})", GREY: f"var(--soft, {GREY})",
}  # fmt: skip
_NAMED = re.compile(rf"(?<=(?:: ))({'|'.join(_COLOURS)})\b")


def inline(plot: Plot, prefix: str, title: str) -> str:
    """The plot as an SVG element to stand among others in an HTML page.

    Ids, and what refers to them, are prefixed: matplotlib calls every first figure `figure_1`. Colours are those of the
    page (its variables `--main`, `--second` and `--soft`), and there is no background: it can be read on a dark one.

    Args:
        plot: what to draw; its figure loses its background.
        prefix: for the ids; another one for each plot of a page.
        title: says what it is to those who cannot see it.
    """
    plot.figure.patch.set_visible(False)
    for ax in plot.figure.axes:
        ax.patch.set_visible(False)
        if (legend := ax.get_legend()) is not None:
            legend.get_frame().set_alpha(0)
    root = ET.fromstring(plot.svg())  # noqa: S314 - we have just written it
    for place in list(root):
        # A rule in an inlined <style> would reach the whole page; the same stands in the page's own.
        if place.tag == f"{{{SVG}}}metadata" or place.find(f"{{{SVG}}}style") is not None:
            root.remove(place)
    for element in root.iter():
        _adapt(element, prefix)
    root.attrib.pop("width")
    root.attrib.pop("height")
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("style", f"max-width: {plot.figure.get_figwidth():g}in")
    ET.register_namespace("", SVG)  # tags without `ns0:`, as HTML wants them
    ET.register_namespace("xlink", XLINK)
    return ET.tostring(root, encoding="unicode")


def _adapt(element: ET.Element, prefix: str) -> None:
    """An element's ids and colours."""
    if "id" in element.attrib:
        element.set("id", f"{prefix}-{element.attrib['id']}")
    for name in _HREFS:
        if element.attrib.get(name, "").startswith("#"):
            element.set(name, f"#{prefix}-{element.attrib[name][1:]}")
    for name, value in element.attrib.items():
        if "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{prefix}-"))
    style = element.attrib.get("style", "")
    if style:
        element.set("style", _NAMED.sub(lambda found: _COLOURS[found[0]], style))
    if element.tag == f"{{{SVG}}}text" and "fill" not in style:
        element.set("style", f"{style}; fill: currentColor")
