"""An explanation in a real browser: steps open one at a time, boxes lead to them, text fits, light and dark."""

import numpy as np
import pytest

import retrograd as rg

pytestmark = pytest.mark.browser


def loss(w, b):
    net = w * 0.5 + b
    out = rg.sigmoid(net)
    return (out - 0.2) ** 2 + 0.01 * w**2


def blocks(x):
    @rg.jit
    def squared(a):
        return rg.sin(a) * a

    return rg.sum(rg.fori_loop(0, 3, lambda i, c: rg.tanh(c) + x, squared(x)))


@pytest.fixture
def show(chromium, tmp_path):
    def saved(thing):
        chromium.get_log("browser")
        thing.save(tmp_path / "it.html")
        chromium.get((tmp_path / "it.html").as_uri())
        return chromium.execute_script

    yield saved
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [e for e in chromium.get_log("browser") if "favicon" not in e["message"]] == []


OPEN = "return [...document.querySelectorAll('details[open] > summary .rg-number')].map(x => x.textContent)"


def test_one_step_is_open_at_a_time(show):
    run = show(rg.explain(loss, 0.8, -0.1))
    assert run(OPEN) == []
    for number in ("3", "5"):
        run("[...document.querySelectorAll('summary')][arguments[0]].click()", int(number) - 1)
        assert run(OPEN) == [number]
    assert run("return document.querySelectorAll('details[open] math').length") >= 4
    assert run("return document.querySelector('details[open] math').getBoundingClientRect().height") > 5


@pytest.mark.parametrize("f, arguments, title, wanted", [
    (loss, (0.8, -0.1), "t4 = out - 0.2", ["4"]),
    (blocks, ([0.5, 1.0],), "t1.1 = sin(x)", ["1", "1.1"]),
])  # fmt: skip
def test_a_click_on_a_box_opens_its_step(show, f, arguments, title, wanted):
    run = show(rg.explain(f, *arguments))
    found = run(
        "const a = [...document.querySelectorAll('svg a')].find(x => x.textContent.includes(arguments[0]));"
        "a.dispatchEvent(new MouseEvent('click', {bubbles: true})); return a.getAttribute('href')",
        title,
    )
    assert run("return document.getElementById(arguments[0]) !== null", found[1:])
    assert run(OPEN) == wanted


FITS = """
    const wrong = [];
    for (const group of document.querySelectorAll('svg g, svg a')) {
        const box = group.querySelector(':scope > rect.rg-n');
        if (!box) continue;
        const outer = box.getBBox();
        for (const text of group.querySelectorAll(':scope > text')) {
            const inner = text.getBBox();
            if (inner.x < outer.x || inner.x + inner.width > outer.x + outer.width ||
                inner.y < outer.y || inner.y + inner.height > outer.y + outer.height) wrong.push(text.textContent);
        }
    }
    return [wrong, document.querySelectorAll('svg text').length]"""


def model_loss():
    model = rg.nn.Sequential(rg.nn.Linear(4, 8), rg.nn.Tanh(), rg.nn.Linear(8, 3))
    return lambda x, y: rg.nn.cross_entropy(model(x), y)


@pytest.mark.parametrize("draw", [
    lambda: rg.explain(loss, 0.8, -0.1),
    lambda: rg.explain(blocks, [0.5, 1.0]),
    lambda: rg.explain(model_loss(), np.ones((2, 4)), np.array([0, 2])),
    lambda: rg.graph(blocks, np.array([0.5, 1.0])),
    lambda: rg.graph(model_loss(), np.ones((2, 4), "float32"), np.array([0, 2])),
])  # fmt: skip
def test_text_fits_into_its_box(show, draw):
    wrong, count = show(draw())(FITS)
    assert wrong == [] and count > 10


def test_dark_where_the_reader_prefers_it(show, chromium):
    run = show(rg.explain(loss, 0.8, -0.1))
    colour = "return getComputedStyle(document.querySelector(arguments[0])).getPropertyValue(arguments[1])"
    for scheme, ground in (("dark", "rgb(21, 25, 31)"), ("light", "rgb(255, 255, 255)")):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        assert run(colour, ".rg-explanation", "background-color") == ground
        assert run(colour, ".rg-ground", "fill") == ground
        assert run(colour, "body", "background-color") == ground
