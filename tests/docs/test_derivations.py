"""The pages of derivations and kinks: up to date, every formula compiles, no control characters."""

import re
from xml.etree import ElementTree as ET

import pytest

from retrograd.core.primitive import Primitive
from retrograd.explain.latex.mathml import mathml
from retrograd.primitives.catalogue import catalogue
from scripts import generate_derivations as script

PAGES = {script.DERIVATIONS: script.derivations, script.KINKS: script.kinks}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_page_is_up_to_date(page):
    assert page.read_text(encoding="utf-8") == PAGES[page](), "run python scripts/generate_derivations.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_formula_compiles(page):
    text = re.sub(r"`[^`]*`", "", PAGES[page]())
    blocks = re.findall(r"\$\$\n(.*?)\n\$\$", text, re.DOTALL)
    inline = re.findall(r"\$([^$\n]+)\$", re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL))
    assert "$" not in re.sub(r"\$[^$\n]+\$", "", re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL))
    for formula in [*blocks, *inline]:
        ET.fromstring(mathml(formula))
        assert formula.count("{") - formula.count(r"\{") == formula.count("}") - formula.count(r"\}"), formula
        assert not re.search(r":math:|``", formula)


def test_every_primitive_is_there():
    found = re.findall(r"^### (.*)$", script.derivations(), re.MULTILINE)
    assert sorted(found) == sorted(cls.name for cls in catalogue().values())


def test_every_declared_kink_is_in_the_table():
    text = script.kinks()
    for cls in catalogue().values():
        if any(list(p.kinks()) for p in cls.instances()):
            assert f"\n## {cls.name}\n" in text
    assert "| `x = 0` | `0` |" in text.partition("## relu")[2].partition("##")[0]
    assert "| `x1 = 1, x2 = 1` | `0.5, 0.5` |" in text.partition("## maximum")[2].partition("##")[0]


def test_a_docstring_that_is_not_raw_is_refused():
    class Broken(Primitive):
        """Product.

        .. math:: y = a \times b
        """

        formula = "a * b"

    Broken.name = "broken"
    with pytest.raises(ValueError, match=r"broken holds control characters \('\\t'\): make it raw"):
        script.docstring_of(Broken)


def test_docstrings_become_markdown():
    text = "Sum.\n\n.. math:: y = a\n    + b\n\nDerivation.  :math:`a`\nis ``b``.\nKink.  At 0 it is 0."
    assert (
        script.markdown_of(text)
        == "Sum.\n\n$$\ny = a + b\n$$\n\n**Derivation.** $a$ is `b`.\n\n**Kink.** At 0 it is 0."
    )
