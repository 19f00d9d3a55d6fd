"""Formulas as MathML, which browsers draw by themselves: no script, nothing loaded from elsewhere."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from retrograd.explain.latex.mathml import mathml


def inline(writer: Any, node: nodes.math) -> None:
    """A formula in a line of text."""
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def display(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own; lines and columns are LaTeX's `\\\\` and `&`."""
    latex = node.astext().strip()
    if not latex.startswith(r"\begin") and ("&" in latex or "\\\\" in latex):
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    writer.body.append(f'<div class="math">{mathml(latex, display=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Take formulas over from Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(display, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
