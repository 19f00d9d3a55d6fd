"""`rg.graph`: any program as a picture."""

import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError
from retrograd.explain.drawing import Drawing
from tests.composition.programs import POINT, PROGRAMS


def titles(drawing):
    return [node.lines[0].text for node in drawing.picture.walk()]


def arrows(drawing):
    """(from, to) by title, of the outermost picture."""
    return [(e.source.lines[0].text, e.target.lines[0].text) for e in drawing.picture.edges]


def model_and_loss():
    model = rg.nn.Sequential(rg.nn.Linear(4, 8), rg.nn.Tanh(), rg.nn.Linear(8, 3))
    return model, lambda x, y: rg.nn.cross_entropy(model(x), y)


def test_a_function():
    def f(x, scale):
        hidden = rg.tanh(x)
        return rg.sum(hidden * scale)

    drawing = rg.graph(f, np.array([0.5, 1.0]), 3.0)
    assert isinstance(drawing, Drawing) and drawing.title == "f" and not drawing.notes
    assert titles(drawing) == ["x", "scale", "hidden = tanh(x)", "t2 = hidden * scale", "t3 = sum(t2)", "result = t3"]
    assert ("hidden = tanh(x)", "t2 = hidden * scale") in arrows(drawing)
    lines = {n.lines[0].text: [line.text for line in n.lines[1:]] for n in drawing.picture.nodes}
    assert lines["x"] == ["f64[2]", "[0.5, 1]"]
    assert lines["scale"] == ["f64*", "3"]
    assert lines["hidden = tanh(x)"] == ["f64[2]", "[0.462117, 0.761594]"]
    assert lines["t3 = sum(t2)"] == ["f64", "3.67113"]


@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_any_program(f):
    drawing = rg.graph(f, POINT)
    ET.fromstring(drawing.svg())
    assert drawing.text() == rg.graph(f, POINT).text()
    assert drawing.svg() == rg.graph(f, POINT).svg()
    with np.errstate(all="ignore"):
        value = np.asarray(f(rg.tensor(POINT)))
    if value.ndim == 0 and "new " not in drawing.text():  # the value that the last box shows is that of the function
        result = next(n for n in drawing.picture.nodes if n.lines[0].text.startswith("result"))
        source = next(e.source for e in drawing.picture.edges if e.target is result)
        shown = [line.text for line in source.lines if line.kind == "value"]
        assert float(shown[-1]) == pytest.approx(float(value), rel=1e-5)


def test_models_and_jitted_functions():
    model, loss = model_and_loss()
    x, y = rg.tensor(np.ones((2, 4), "float32")), rg.tensor(np.array([0, 2]))
    drawing = rg.graph(loss, x, y)
    kinds = {n.lines[0].text: n.kind for n in drawing.picture.nodes}
    assert kinds["0.weight"] == "parameter" and kinds["x"] == "input" and kinds["result = t5"] == "output"
    assert titles(rg.graph(rg.jit(loss), x, y)) == titles(drawing)
    assert rg.graph(model, x).title == "Sequential"


def test_a_training_step_shows_what_it_writes_and_changes_nothing():
    model, loss = model_and_loss()
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        value = loss(x, y)
        value.backward()
        optimizer.step()
        return value

    x, y = rg.tensor(np.ones((2, 4), "float32")), rg.tensor(np.array([0, 2]))
    before = [np.array(p.numpy()) for p in model.parameters()]
    found = titles(rg.graph(step, x, y))
    assert any(t.startswith("new 0.weight = ") for t in found)
    assert all(np.array_equal(b, p.numpy()) and p.grad is None for b, p in zip(before, model.parameters(), strict=True))


def test_blocks_contain_their_bodies():
    @rg.jit
    def square(a):
        return a * a

    def f(x):
        z = square(x) + 1.0
        z = rg.cond(rg.sum(z) > 0, lambda v: v * 2.0, lambda v: -v, z)
        w = rg.fori_loop(0, 5, lambda i, c: rg.tanh(c) + x, z)
        return rg.while_loop(lambda c: rg.sum(c) < 10.0, lambda c: c * 1.5, w)

    drawing = rg.graph(f, rg.tensor([0.5, 0.2]))
    blocks = {n.lines[0].text.partition(" = ")[2]: n for n in drawing.picture.nodes if n.inside}
    assert list(blocks) == ["call of square", "cond", "loop of 5 iterations", "while loop"]
    inner = {name: [n.lines[0].text for n in block.inside.walk()] for name, block in blocks.items()}
    assert any(t.endswith("= x * x") for t in inner["call of square"])
    assert [t for t in inner["cond"] if "if " in t or "otherwise" in t] == ["if t5 (it runs)", "otherwise"]
    assert any("tanh(carried)" in t for t in inner["loop of 5 iterations"])
    assert {"while", "repeat"} <= set(inner["while loop"])
    call = blocks["call of square"]
    assert [line.text for line in call.inside.nodes[1].lines[1:]] == ["f32[2]", "[0.25, 0.04]"]
    depth = {line: len(line) - len(line.lstrip()) for line in drawing.text().splitlines()}
    assert max(depth.values()) >= 10


def test_a_large_program_is_folded_and_says_so():
    def f(x):
        for _ in range(500):
            x = rg.sin(x) + x
        return x

    drawing = rg.graph(f, 0.5)
    (fold,) = [n for n in drawing.picture.nodes if n.kind == "fold"]
    hidden = int(fold.lines[0].text.split()[0])
    assert len(drawing.picture.nodes) <= 203
    assert hidden + sum(" = sin" in t or " + " in t for t in titles(drawing)) == 1000
    assert drawing.notes == [f"{hidden} operations are folded; rg.graph(..., most=N) draws more"]
    assert drawing.notes[0] in drawing.text() and drawing.notes[0] in drawing.html()
    whole = rg.graph(f, 0.5, most=2000)
    assert not whole.notes and len(whole.picture.nodes) == 1002


def test_large_blocks_stay_closed():
    @rg.jit
    def inner(x):
        for _ in range(300):
            x = rg.sin(x)
        return x

    drawing = rg.graph(lambda x: inner(x) + 1.0, 0.5)
    (block,) = [n for n in drawing.picture.nodes if n.kind == "block"]
    assert block.inside is None and "300 operations inside" in [line.text for line in block.lines]
    assert "blocks that are too large to be drawn are closed" in drawing.notes
    assert float(np.asarray(inner(0.5))) == pytest.approx(float(block.lines[-1].text), rel=1e-5)


def test_many_values_of_one_box_are_listed_in_one():
    drawing = rg.graph(lambda *xs: rg.concat(xs), *[np.ones(2) * i for i in range(20)])
    (values, joined, result) = drawing.picture.nodes
    lines = [line.text for line in values.lines]
    assert lines[0] == "20 inputs" and lines[1] == "xs[0]  f64[2]  [0, 0]" and lines[-1] == "and 8 more"
    assert "xs[19]  f64[2]  [19, 19]" in values.tip
    assert [(e.source, e.target) for e in drawing.picture.edges] == [(values, joined), (joined, result)]
    few = rg.graph(lambda *xs: rg.concat(xs), *[np.ones(2) * i for i in range(5)])
    assert len(few.picture.nodes) == 7


def test_without_values_nothing_is_computed():
    drawing = rg.graph(lambda x: rg.sum(x * x), rg.tensor([1.0, 2.0]), values=False)
    assert not [line for n in drawing.picture.nodes for line in n.lines if line.kind == "value"]


def test_trees_of_arguments_have_paths():
    drawing = rg.graph(lambda p, n: p["w"] * p["b"][0] + n, {"w": 2.0, "b": [np.ones(3)]}, 4)
    assert titles(drawing)[:2] == ["p['b'][0]", "p['w']"] or titles(drawing)[:2] == ["p['w']", "p['b'][0]"]


def test_saving(tmp_path):
    drawing = rg.graph(lambda x: x * x, 2.0)
    drawing.save(tmp_path / "a.svg")
    drawing.save(str(tmp_path / "a.html"))
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    page = (tmp_path / "a.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and drawing.svg() in page
    assert drawing._repr_svg_() == drawing.svg() and drawing._repr_html_() == drawing.html()
    with pytest.raises(RetrogradError, match=r"saved as \.svg or \.html"):
        drawing.save(tmp_path / "a.png")


ORDERS = [
    "import retrograd as rg; import retrograd.graph.ir as ir",
    "import retrograd.graph.ir as ir; import retrograd as rg",
    "from retrograd.graph import ir; import retrograd as rg",
    "from retrograd.graph.ir import Graph; import retrograd as rg; import retrograd.graph; ir = retrograd.graph.ir",
    "import retrograd.explain.diagram; import retrograd as rg; from retrograd import graph; ir = graph.ir",
]


@pytest.mark.parametrize("order", ORDERS)
def test_the_package_of_the_same_name_stays_reachable(order):
    check = "assert rg.graph(lambda x: x * x, 2.0).title == '<lambda>'; assert ir.Graph is rg.graph.ir.Graph"
    lazy = "import sys; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"{order}; {lazy}; {check}"], check=True)
