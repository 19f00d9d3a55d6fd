"""LaTeX and Markdown: every primitive's formula and derivative, whole explanations, names that would break it."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import retrograd as rg
from retrograd.explain.latex.document import LONGEST
from retrograd.explain.latex.equations import Row, outline
from retrograd.explain.latex.formulas import expression, formula, local, local_factor
from retrograd.explain.latex.mathml import mathml
from retrograd.explain.latex.vocabulary import LATEX, Latex
from retrograd.explain.latex.words import array, escaped, figure, name, text
from retrograd.explain.network import explain_network
from retrograd.explain.network.files import network_from
from retrograd.primitives.catalogue import catalogue
from retrograd.primitives.families import Pointwise
from retrograd.testing import cases_of
from tests.composition.programs import POINT, PROGRAMS

NASTY = r"a_b{c}$%&#~^\d<script>"


def compiles(latex):
    """A formula balances its braces and environments, and becomes MathML that is XML."""
    ET.fromstring(mathml(latex))
    bare = re.sub(r"\\[\\{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert sorted(re.findall(r"\\begin\{(\w+)\}", latex)) == sorted(re.findall(r"\\end\{(\w+)\}", latex))
    assert latex.count(r"\left") == latex.count(r"\right"), latex
    return latex


def environments(document):
    """The bodies of all alignments of a document."""
    found = re.findall(r"\\begin\{(align\*|aligned)\}\n(.*?)\n\\end\{\1\}", document, re.DOTALL)
    assert len(found) == len(re.findall(r"\\begin\{align", document))
    return [body for _, body in found]


def check_document(document, *, cells=True):
    """Every alignment compiles, as a whole and cell by cell."""
    bodies = environments(document)
    assert bodies
    for body in bodies:
        ET.fromstring(mathml(rf"\begin{{align*}}{body}\end{{align*}}"))
        rows = body.split(" \\\\\n")
        assert len(rows) <= LONGEST
        for row in rows:
            for cell in re.split(r"(?<!\\)&", row) if cells and r"\begin" not in row else []:
                assert not cell.strip() or compiles(cell)


@pytest.mark.parametrize("prim", [p for cls in catalogue().values() for p in cls.instances()], ids=repr)
def test_every_primitive_has_a_formula_and_a_derivative_in_latex(prim):
    letters = prim.argument_names if isinstance(prim, Pointwise) else prim.operands
    names = [Latex(name(x)) for x in letters]
    assert compiles(formula(prim, names).text)
    for i in range(len(names)) if prim.differentiable else ():
        rule = local(prim, i, names, Latex("y"), Latex(r"\bar{y}"))
        if rule is not None:
            compiles(rule.text)


@pytest.mark.parametrize("prim", [p for cls in catalogue().values() for p in cls.instances()], ids=repr)
def test_numbers_can_stand_for_the_letters(prim):
    """Negative ones, tiny ones, infinities: in the formulas of pointwise primitives, and in their derivatives."""
    if not isinstance(prim, Pointwise):
        return
    for x in (-0.5, 3.0, 1e-9, -2.5e20, np.inf, np.nan, True):
        numbers = [Latex.of(x)] * prim.arity
        compiles(formula(prim, numbers).text)
        for i in range(prim.arity) if prim.differentiable else ():
            compiles(local_factor(prim, i, numbers, Latex.of(x)).text)


x, y, z = (Latex(c) for c in "xyz")


@pytest.mark.parametrize(
    "found, wanted",
    [
        ((x + y) * z, r"(x + y) \cdot z"),
        (x + y * z, r"x + y \cdot z"),
        (x - (y - z), "x - (y - z)"),
        ((x - y) - z, "x - y - z"),
        (x / (y + z), r"\frac{x}{y + z}"),
        ((x / y) ** 2, r"\left(\frac{x}{y}\right)^{2}"),
        ((x * y) ** 2, r"(x \cdot y)^{2}"),
        ((-x) ** 2, "(-x)^{2}"),
        (-(x + y), "-(x + y)"),
        (-(x * y), r"-x \cdot y"),
        (x * Latex.of(-3), r"x \cdot (-3)"),
        (x**y**z, "x^{y^{z}}"),
        ((x**y) ** z, "(x^{y})^{z}"),
        (LATEX.exp(-(x * x)), r"e^{-x \cdot x}"),
        (LATEX.exp(x) ** 2, "(e^{x})^{2}"),
        (LATEX.sqrt(x + 1.0), r"\sqrt{x + 1}"),
        (LATEX.where(x > 0.0, y, z), r"\begin{cases} y & \text{if } x > 0 \\ z & \text{otherwise} \end{cases}"),
        (LATEX.logical_and(x > 0.0, LATEX.equal(y, z)), r"x > 0 \wedge y = z"),
        (LATEX.my_function(x, y), r"\operatorname{my\_function}(x, y)"),
        (1e-7 * x, r"1 \times 10^{-7} \cdot x"),
        (x ** Latex.of(1e-7), r"x^{1 \times 10^{-7}}"),
        (Latex.of(1e-7) ** x, r"(1 \times 10^{-7})^{x}"),
    ],
)
def test_parentheses_stand_where_they_are_needed(found, wanted):
    assert compiles(found.text) == wanted


@pytest.mark.parametrize(
    "written, wanted",
    [
        ("x @ W.T + b", r"x \, W^{\top} + b"),
        ("|x|", r"\left|x\right|"),
        ("x ? y : z", r"\begin{cases} y & \text{if } x \\ z & \text{otherwise} \end{cases}"),
        ("log(sum(exp(x)))", r"\ln\left(\sum e^{x}\right)"),
        ("x[start : : step]", r"x\left[\mathit{start}::\mathit{step}\right]"),
        ("not x and y == z", r"\neg x \wedge y = z"),
        ("0.123456789 * x - -2", r"0.123456789 \cdot x - (-2)"),
        ("the part of x where y lies", r"\text{the part of } x \text{ where } y \text{ lies}"),
    ],
)
def test_formulas_of_primitives_are_read(written, wanted):
    known = {c: Latex(c) for c in "xyzWb"}
    assert compiles(expression(written, known).text) == wanted


def test_names_numbers_and_arrays():
    assert [name(n) for n in ("w", "net", "t12", "out_h1", "theta", "w_hidden", "_", "0.weight")] == [
        "w", r"\mathit{net}", "t_{12}", r"\mathit{out}_{h1}", r"\theta", r"w_{\mathit{hidden}}", r"\text{\_}",
        r"\text{0.weight}",
    ]  # fmt: skip
    assert [figure(v) for v in (0.1, 2, -1e-20, np.inf, np.nan, np.float64(1) / 3)] == [
        "0.1", "2", r"-1 \times 10^{-20}", r"\infty", r"\mathrm{NaN}", "0.333333",
    ]  # fmt: skip
    assert array(np.eye(2)) == r"\begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}"
    assert compiles(array(np.zeros((30, 4)))) == r"\text{float64[30, 4] from 0 to 0, mean 0}"


def test_whatever_a_user_calls_things_comes_out_as_text():
    shown = ET.fromstring(mathml(text(NASTY)))
    assert "".join(shown.itertext()).replace("\xa0", " ") == NASTY
    assert "<script" not in mathml(rf"{text(NASTY)} + {name(NASTY)}")
    assert not re.search(r"(?<!\\)[_$%&#^]", escaped(NASTY).replace(r"\textasciicircum{}", ""))
    document = rg.explain(lambda d: d[NASTY] * d[NASTY] + d["x\ny"], {NASTY: 2.0, "x\ny": 1.0}).latex()
    check_document(document)
    assert "<" not in document


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_explanations_of_programs_compile(f):
    e = rg.explain(f, POINT, check=False)
    check_document(e.latex(), cells=False)


def test_the_numbers_are_those_of_the_text():
    def loss(w, b):
        net = w * 0.5 + b
        out = rg.sigmoid(net)
        return (out - 0.2) ** 2 + 0.01 * w**2

    e = rg.explain(loss, 0.8, -0.1)
    latex = e.latex()
    assert r"\mathit{out} &= \frac{1}{1 + e^{-\mathit{net}}} &&= \frac{1}{1 + e^{-0.3}} &&= 0.574443" in latex
    assert r"\cdot (\mathit{out} \cdot (1 - \mathit{out})) &&= 0.748885 \cdot (0.574443 \cdot (1 - 0.574443))" in latex
    assert r"\frac{\partial \mathit{loss}}{\partial w} &\mathrel{+}=" in latex
    assert r"&= 0.016 + 0.0915356 &&= 0.107536 && \text{sum over steps 6 and 1}" in latex
    numbers = set(re.findall(r"\d+\.\d+", e.text()))
    assert set(re.findall(r"\d+\.\d+", latex)) <= numbers | {str(c.difference) for g in e.gradients for c in g.checks}


def test_rows_have_the_values_of_the_records():
    e = rg.explain(lambda x: rg.sum(rg.tanh(x) ** 2), [0.05, 0.10])
    rows = [item for item in outline(e, 6, None) if isinstance(item, Row)]
    values = {r.left: r.parts[-1] for r in rows if r.number}
    for step in e.all_steps():
        assert values[name(step.outputs[0].name)] == array(step.outputs[0].array)


def test_a_long_program_is_cut_short_unless_all_is_asked_for():
    def f(x):
        for _ in range(50):
            x = rg.sin(x)
        return x

    e = rg.explain(f, 0.5)
    assert "... 40 more" in e.latex(steps=10) and "steps=None" in e.markdown(steps=10)
    assert "more" not in e.latex(steps=None)


def test_networks_of_any_names():
    layers = [
        {
            "weights": [[{"value": 0.1, "name": "q1q"}, -0.2]],
            "biases": [0.3],
            "neurons": ["exp"],
            "activation": "softplus",
        },
        {"weights": [[0.4]], "biases": [0.5], "activation": "linear"},
    ]
    content = {"inputs": [0.5, -0.25], "targets": [1.0], "loss": "half squared error", "learning_rate": 0.1}
    net = replace(network_from({**content, "layers": layers}, "net.json"), input_names=("sepal length (cm)", NASTY))
    e = explain_network(net)
    for document in (e.latex(), e.markdown()):
        check_document(document)
        assert "q0q" not in document
        assert "sepal length (cm)" in document
        assert "q1q" in document  # the user's own name
    for which in ("mazur", "3-2-2"):
        check_document(explain_network(which).latex())
        check_document(explain_network(which, weight="w1").markdown())


def test_the_network_in_latex_has_the_figures_of_the_text():
    e = explain_network("mazur")
    plain, latex = e.text(), e.latex()
    numbers = set(re.findall(r"-?\d+\.\d{6,}", plain))
    assert len(numbers) > 40
    assert {n.lstrip("-") for n in numbers} == {n.lstrip("-") for n in re.findall(r"-?\d+\.\d{6,}", latex)}


def test_samples_of_the_laws_are_used_here_too():
    """`cases_of` has arguments for every primitive: its steps in LaTeX compile with real numbers."""
    for cls in catalogue().values():
        prim = next(iter(cls.instances()))
        if not isinstance(prim, Pointwise):
            continue
        case = next(iter(cases_of(prim)))
        compiles(formula(prim, [Latex.of(np.asarray(a).reshape(-1)[0]) for a in case.args]).text)


POINTWISE = [
    p for cls in catalogue().values() for p in cls.instances() if isinstance(p, Pointwise) and p.differentiable
]


@pytest.mark.parametrize("prim", POINTWISE, ids=repr)
def test_the_vocabulary_says_what_the_text_says(prim):
    """The derivative by the vocabulary in LaTeX, and the one in text read by Python's own parser: one expression."""
    names = [Latex(name(n)) for n in prim.argument_names]
    known = {"v": Latex("v"), "out": Latex(name("out"))}
    for i, written in enumerate(prim.local_derivatives()):
        found = local_factor(prim, i, names, Latex(name("out")), Latex("v"))
        wanted = "0" if written is None else expression(written.text, known).text
        assert found.text == wanted


MEANINGS = {
    "ln": np.log, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "sigma": lambda x: 1 / (1 + np.exp(-x)), "max": max,
    "min": min, "sqrt": np.sqrt, "exp": np.exp, "abs": abs, "sign": np.sign,
    "cases": lambda *rows: next(y for y, holds in rows if holds),
}  # fmt: skip
SIGNS = {r"\left|": "abs(", r"\right|": ")", r"\left": "", r"\right": "", r"\cdot": "*", r"\times": "*", "=": "=="}


def group(latex, start):
    """What stands between the brace at `start` and its partner, and where it ends."""
    depth = 0
    for i in range(start, len(latex)):
        depth += (latex[i] == "{") - (latex[i] == "}")
        if not depth:
            return latex[start + 1 : i], i + 1
    raise AssertionError(latex)


def python(latex):
    """A formula of numbers as Python, by rules of its own."""
    out, i = "", 0
    while i < len(latex):
        rest = latex[i:]
        if rest.startswith(r"\begin{cases}"):
            body, after = rest.removeprefix(r"\begin{cases}").split(r"\end{cases}", 1)
            rows = [row.split("&") for row in body.split(r"\\")]
            rows = [(y, c.replace(r"\text{otherwise}", "True").replace(r"\text{if }", "")) for y, c in rows]
            out += "cases(" + ",".join(f"(({python(y)}),({python(c)}))" for y, c in rows) + ")"
            i = len(latex) - len(after)
        elif rest.startswith(r"\frac{"):
            above, i = group(latex, i + 5)
            below, i = group(latex, i)
            out += f"(({python(above)})/({python(below)}))"
        elif found := re.match(r"(e\^|\^|\\sqrt|\\operatorname)\{", rest):
            inner, i = group(latex, i + found.end() - 1)
            before = {"e^": "exp", "^": "**", r"\sqrt": "sqrt"}.get(found[1])
            out += inner if before is None else f"{before}({python(inner)})"
        elif sign := next((s for s in SIGNS if rest.startswith(s)), None):
            out, i = out + SIGNS[sign], i + len(sign)
        else:
            out, i = out + latex[i].replace("\\", ""), i + 1
    return out


def value_of(latex):
    """What a formula of numbers comes to."""
    return eval(python(latex), MEANINGS)  # noqa: S307 - our own numbers


@pytest.mark.parametrize(
    "f, at",
    [
        (lambda a, b: (a + b) * (a - b) ** 2 - a * b, (-4.0, 2.0)),
        (lambda a, b: rg.sigmoid(a) * rg.tanh(b) + rg.exp(-(a * a)), (-0.4, 0.2)),
        (lambda a, b: rg.relu(a) - rg.relu(-b) + rg.absolute(a - b), (-0.4, 0.2)),
        (lambda a, b: rg.log(b) / rg.sqrt(b) - b**-2 + rg.maximum(a, b), (-0.4, 0.2)),
        (lambda a, b: rg.softplus(a) * 1e-9 + rg.sin(b) * rg.cos(a), (-0.4, 0.2)),
        (lambda a, b: rg.sum(np.array([[1.0, -2.0], [0.5, 3.0]]) @ rg.stack([a, b])), (-0.4, 0.2)),
    ],
)
def test_every_printed_equation_holds(f, at):
    rows = [r for r in outline(rg.explain(f, *at), 16, None) if isinstance(r, Row) and len(r.parts) >= 2]
    checked = 0
    for row in rows:
        numbers, value = row.parts[-2:]
        if re.search(r"\\mathit|\\text\{[^io]|\\left\[|[a-df-z]_|\\partial|\\sum", numbers) or "bmatrix" in value:
            continue
        assert value_of(numbers) == pytest.approx(value_of(value), rel=1e-12, abs=1e-12), row
        checked += 1
    assert checked >= 8
