"""Explanations as HTML: self-contained, escaped, without scripts, many on one page."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError
from retrograd.explain.numerals import array_text, number
from tests.composition.programs import POINT, PROGRAMS

NASTY = '<script>alert(1)</script>&"'
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Tags with attributes; fails where they do not nest."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    def attributes(self, name):
        return [a[name] for _, a in self.tags if name in a]


def loss(w, b):
    net = w * 0.5 + b
    out = rg.sigmoid(net)
    return (out - 0.2) ** 2 + 0.01 * w**2


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_any_program(f):
    e = rg.explain(f, POINT, check=False)
    read = Reader(e.html(steps=40))
    ids = read.attributes("id")
    assert len(ids) == len(set(ids))
    assert {h[1:] for h in read.attributes("href")} <= set(ids)
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in read.tags}


def test_it_needs_nothing_from_elsewhere(tmp_path):
    rg.explain(loss, 0.8, -0.1).save(tmp_path / "e.html")
    text = (tmp_path / "e.html").read_text()
    assert text.startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in text
    addresses = set(re.findall(r"[a-z]+://[^\"' ]*", text))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
    read = Reader(text)
    assert not [a for _, attrs in read.tags for a in attrs if a.startswith("on") or a == "src"]
    assert "prefers-color-scheme" in text


def test_every_number_of_the_records_is_there():
    e = rg.explain(loss, 0.8, -0.1)
    words = " ".join(Reader(e.html()).words)
    for step in e.all_steps():
        for v in step.outputs:
            assert array_text(v.array) in words and array_text(np.asarray(v.cotangent)) in words
    for g in e.gradients:
        for c in g.checks:
            assert number(c.gradient, 10) in words and number(c.difference, 10) in words
    assert "agree to" in words and "sum over steps 6 and 1" in words
    picture = " ".join(Reader(e.svg(digits=6)).words)
    for step in e.all_steps():
        for c in step.contributions:
            assert array_text(c.array, 6) in picture


def test_a_wrong_derivative_is_seen():
    @rg.custom_vjp
    def doubled(x):
        return 2.0 * x

    doubled.defvjp(lambda x: (2.0 * x, None), lambda _, ct: (3.0 * ct,))
    assert '<td class="rg-bad">DISAGREE' in rg.explain(lambda x: doubled(x), 0.5).html()


@pytest.mark.parametrize("form", ["html", "svg", "b_diagram"])
def test_names_are_escaped(form):
    e = rg.explain(lambda d: d[NASTY] * d[NASTY], {NASTY: 2.0})
    text = e.b_diagram().html() if form == "b_diagram" else getattr(e, form)()
    read = Reader(text)
    assert "<script" not in text and NASTY in " ".join(read.words)


def test_steps_open_one_at_a_time():
    read = Reader(rg.explain(loss, 0.8, -0.1).html())
    details = [a for tag, a in read.tags if tag == "details"]
    assert len(details) == 8
    assert len({a["name"] for a in details}) == 1
    assert all("open" not in a for a in details)


def test_many_on_one_page_do_not_clash():
    e, other = rg.explain(loss, 0.8, -0.1), rg.explain(loss, 0.7, -0.1)
    page = Reader(e._repr_html_() + e._repr_html_() + other._repr_html_() + rg.graph(loss, 1.0, 2.0)._repr_html_())
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)) == 27
    groups = [a["name"] for tag, a in page.tags if tag == "details"]
    assert len(set(groups)) == 3
    assert e.html() == e.html() != other.html()
    for style in re.findall(r"<style>(.*?)</style>", e.html() + rg.graph(loss, 1.0, 2.0).html(), re.DOTALL):
        plain = re.sub(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", r"\1", style)
        for selector in re.findall(r"([^{}]+)\{", plain):
            assert all(
                s.strip().startswith((".rg-explanation", ".rg-picture", ".rg-drawing")) for s in selector.split(",")
            )


def test_a_long_program_is_cut_short():
    def f(x):
        for _ in range(300):
            x = rg.sin(x)
        return x

    e = rg.explain(f, 0.5)
    assert "... 240 more; .html(steps=None) shows all" in e.html()
    assert "240 more steps" in e.svg()
    assert "more" not in e.svg(most=400)


def test_saving(tmp_path):
    e = rg.explain(loss, 0.8, -0.1)
    for suffix, start in ((".svg", "<svg"), (".tex", r"\section*{loss}"), (".md", "## loss"), (".txt", "loss (")):
        e.save(tmp_path / f"e{suffix}")
        assert (tmp_path / f"e{suffix}").read_text().startswith(start)
    with pytest.raises(RetrogradError, match=r"saved as \.html, \.svg, \.tex, \.md, \.txt, not as 'e\.pdf'"):
        e.save(tmp_path / "e.pdf")
