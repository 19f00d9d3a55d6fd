"""Pictures as SVG: well formed, escaped, without ids or scripts."""

import re
from xml.etree import ElementTree as ET

import pytest

from retrograd.explain.drawing import Line, Node, Picture, arrange, svg
from retrograd.explain.drawing.svg import DARK, LIGHT

NASTY = "<script>alert('&\"')</script>"
SVG = "{http://www.w3.org/2000/svg}"


def nested():
    picture = Picture()
    a, b = picture.node("a", "1.5", kind="input", tip=NASTY), picture.node(NASTY, Line("grad 2", "gradient"), link="#x")
    block = picture.node("loop", kind="block", link="#y")
    block.inside = Picture()
    block.inside.edge(block.inside.node("in", kind="port"), block.inside.node("out", link="#z"))
    picture.edge(a, b, Line(NASTY, "gradient"))
    picture.edge(a, block)
    return picture


def test_it_is_xml_and_everything_is_escaped():
    text = svg(nested(), label=NASTY)
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg" and root.get("aria-label") == NASTY
    assert [t.text for t in root.iter(f"{SVG}text")].count(NASTY) == 2
    assert not list(root.iter(f"{SVG}script")) and "<script" not in text


def test_there_is_nothing_that_could_clash_or_come_from_elsewhere():
    text = svg(nested())
    assert not re.search(r'\sid="|url\(|<image|<use|@import|javascript:', text)
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    rules = re.sub(r"@media [^{]*\{((?:[^{}]*\{[^{}]*\})*)\}", r"\1", re.search(r"<style>(.*)</style>", text)[1])
    assert all(
        part.strip().startswith(".rg-picture") for s in re.findall(r"([^{}]+)\{", rules) for part in s.split(",")
    )


def test_links_do_not_nest():
    root = ET.fromstring(svg(nested()))
    links = list(root.iter(f"{SVG}a"))
    assert len(links) == 3
    assert not [a for a in links for inner in a.iter(f"{SVG}a") if inner is not a]


def test_a_block_contains_its_body():
    arranged = arrange(nested())
    ((block, inside),) = arranged.inside.items()
    width, height = arranged.sizes[arranged.picture.nodes.index(block)]
    assert inside.size[0] < width and inside.size[1] < height


def test_to_the_right():
    picture = Picture(direction="right")
    half = [Line("2 * x"), Line("3")]
    a, b = picture.node("x"), Node([], halves=(half, half))
    picture.nodes.append(b)
    picture.edge(a, b, "label")
    found = arrange(picture).layout
    assert found.centres[0][0] < found.labels[0][0] < found.centres[1][0]
    assert ET.fromstring(svg(picture)).get("class") == "rg-picture"


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(colours):
    """Contrast of at least 4.5, as WCAG asks."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for back in ("ground", "step", "input", "parameter", "constant", "output", "block"):
        for ink in ("ink", "muted", "gradient"):
            bright, dark = sorted([luminance(colours[back]), luminance(colours[ink])], reverse=True)
            assert (bright + 0.05) / (dark + 0.05) >= 4.5, (back, ink)
