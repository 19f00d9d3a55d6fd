"""Chapter 11: explanations to look at. Step by step, B-diagrams, three ways to write the same."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError
from retrograd.explain.bdiagram import b_diagram
from retrograd.explain.network import explain_network

ROOT = Path(__file__).parents[2]
FACTORS = ["0.741365069552", "0.186815601809", "0.593269992107", "0.082167040564"]


# 11.2 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("11.2", home="L", figure="w5: 0.741365069552 * 0.186815601809 * 0.593269992107 = 0.082167040564")
@pytest.mark.parametrize(
    "form, between, last",
    [("text", r" \* ", r"\s+= "), ("latex", r" \\cdot ", " &&= "), ("markdown", r" \\cdot ", " &&= ")],
)
def test_the_three_factors_of_w5(form, between, last):
    e = explain_network("mazur", weight="w5")
    document = getattr(e, form)(12)
    assert re.search(between.join(map(re.escape, FACTORS[:3])) + last + re.escape(FACTORS[3]), document)
    assert "0.358916479718" in document  # the new weight
    w = e.worked
    product = w.d_out(1, 0) * w.slope(1, 0).value * w.before(1)[0]
    assert product == pytest.approx(w.gradient(e.network.weight("w5")), rel=1e-14)


@pytest.mark.system("11.2", home="L", figure="the same of any program, as text, LaTeX, Markdown and HTML")
def test_a_program_step_by_step():
    e = rg.explain(lambda x: rg.exp(rg.sin(x**2)), 1.0)
    for document in (e.text(digits=9), e.latex(digits=9), e.markdown(digits=9), e.html(digits=9)):
        assert "2.31977682" in document and "2.506761535" in document


# 11.4 -----------------------------------------------------------------------------------------------------------------


def halves(picture):
    """(left lines, right lines) of every node in two halves."""
    return [tuple([line.text for line in half] for half in n.halves) for n in picture.nodes if n.halves]


def arrows(picture):
    """(label lines) of every arrow."""
    return [[line.text for line in e.label] for e in picture.edges]


@pytest.mark.system("11.4", home="L", figure="exp(sin(x^2)) at 1: 2.31977682472, derivative 2.50676153499")
@pytest.mark.parametrize("x, value, slope", [(1.0, 2.31977682472, 2.50676153499), (0.7, 1.60099592411, 1.97765583448)])
def test_composition(x, value, slope):
    e = rg.explain(lambda x: rg.exp(rg.sin(x**2)), x)
    picture = b_diagram(e, 12)
    (square, sine, exponential) = halves(picture)
    left = [float(node[0][1]) for node in (square, sine, exponential)]
    right = [float(node[1][1]) for node in (square, sine, exponential)]
    assert right == pytest.approx([x**2, np.sin(x**2), value], rel=1e-11)
    assert left == pytest.approx([2 * x, np.cos(x**2), value], rel=1e-11)
    assert np.prod(left) == pytest.approx(slope, rel=1e-11)  # run backwards from 1
    back = [float(label[-1].removeprefix("back ")) for label in arrows(picture)[:-1]]
    assert back[::-1] == pytest.approx([left[2], left[2] * left[1], slope], rel=1e-11)
    (start,) = [n for n in picture.nodes if n.kind == "input"]
    assert float(start.lines[-1].text.partition(" = ")[2]) == pytest.approx(slope, rel=1e-11)
    assert [n.lines[-1].text for n in picture.nodes if n.kind == "output"] == ["feed 1"]


@pytest.mark.system("11.4", home="L", figure="addition: where arrows split, what comes back adds up")
def test_addition_and_splitting():
    e = rg.explain(lambda x: rg.sin(x) + rg.exp(x), 0.5)
    picture = b_diagram(e, 12)
    assert halves(picture)[-1][0] == ["to t1: 1", "to t2: 1"]
    (start,) = [n for n in picture.nodes if n.kind == "input"]
    back = [float(x.label[-1].text.removeprefix("back ")) for x in picture.edges if x.source is start]
    assert back == pytest.approx([np.cos(0.5), np.exp(0.5)], rel=1e-11)
    assert sum(back) == pytest.approx(float(e.gradient("x")), rel=1e-11)


@pytest.mark.system("11.4", home="L", figure="weighted edges: q = x + y, f = q z, gradients (5, 5, 1)")
def test_weighted_edges_and_products():
    e = rg.explain(lambda x, y, z: (x + y) * z, 4.0, -3.0, 5.0)
    picture = b_diagram(e, 6)
    gradients = {n.lines[0].text: n.lines[-1].text.partition(" = ")[2] for n in picture.nodes if n.kind == "input"}
    assert gradients == {"x": "5", "y": "5", "z": "1"}
    assert halves(picture)[-1][0] == ["to t1: z = 5", "to z: t1 = 1"]
    weighted = b_diagram(rg.explain(lambda x, y: rg.tanh(3.0 * x + -0.5 * y), 0.2, 0.4), 6)
    labels = arrows(weighted)
    assert len(halves(weighted)) == 2  # the sum and tanh: the products are weights
    slope = 1 - np.tanh(0.4) ** 2
    found = {label[0]: float(label[1].removeprefix("back ")) for label in labels if label[:1] and "weight" in label[0]}
    assert found == pytest.approx({"weight 3": 3 * slope, "weight -0.5": -0.5 * slope}, rel=1e-5)
    ET.fromstring(rg.explain(lambda x, y: rg.tanh(3.0 * x + -0.5 * y), 0.2, 0.4).b_diagram().svg())


def test_what_is_not_single_numbers_has_no_b_diagram():
    with pytest.raises(RetrogradError, match=r"single numbers; step 1 \(sin\(x\)\) is something else"):
        rg.explain(lambda x: rg.sum(rg.sin(x)), [0.5, 1.0]).b_diagram()


# 11.5 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("11.5", home="D", figure="scalar loops, matrices and the engine agree to 1e-12 on NET-A")
def test_index_matrix_and_pseudo_code():
    """The functions that docs/explain.md prints, on the network of 1.11."""
    page = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    section = page.partition("## Three ways to write it")[2]
    code = "\n".join(line[4:] for line in section.splitlines() if re.match(r"(>>>|\.\.\.)( |$)", line))
    scope = {"np": np, "rg": rg}
    exec(compile(code.partition("weights, biases =")[0], "explain.md", "exec"), scope)  # noqa: S102 - our own page

    def det(shape, s, p):  # the fixture of the specification
        return s * np.sin(p + np.arange(1, np.prod(shape) + 1)).reshape(shape)

    weights, biases = [det((4, 3), 0.5, 0), det((2, 4), 0.5, 1)], [det((4,), 0.1, 2), det((2,), 0.1, 3)]
    x, t = np.array([0.5, -0.25, 1.0]), np.array([1.0, 0.0])
    loops = scope["by_index"](weights, biases, x, t)
    matrices = scope["by_matrices"](weights, biases, x, t)
    leaves = [rg.tensor(v, requires_grad=True) for v in (*weights, *biases)]
    out = x
    for w, c in zip(leaves[:2], leaves[2:], strict=True):
        out = rg.sigmoid(w @ out + c)
    loss = 0.5 * rg.sum((out - t) ** 2)
    loss.backward()
    assert loss.item() == pytest.approx(0.319844437039, rel=1e-11)
    engine = [leaf.grad.numpy() for leaf in leaves]
    for found in (loops, matrices):
        for a, b in zip([*found[0], *found[1]], engine, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
