"""The page in a real browser: what it shows is what the engine computed; it asks nobody else; it says no word in the console."""

import re
import statistics
from dataclasses import replace

import numpy as np
import pytest

from retrograd import nn
from retrograd.explain.network import explain_network
from retrograd.explain.network.compute import Rounds
from retrograd.explain.network.description import with_arrays
from retrograd.explain.network.files import built_in
from retrograd.explain.network.sequential import network_of

pytestmark = pytest.mark.browser


def number(text):
    """What a text on the page says."""
    return float(text.replace("−", "-").replace(",", ""))


def engine(network, row=0):
    """Every figure by the name that the page gives it."""
    found = explain_network(network, row=row, rounds=0, check=False).figures()
    found = {re.sub(r"^dout/dnet_(.+)$", r"dout_\1/dnet_\1", name): value for name, value in found.items()}
    return {"E after the update" if name == "E after" else name: value for name, value in found.items()}


def assert_tables(reader, network, row=0):
    """Every number in the tables is the engine's: its title exactly, its text to the decimals shown."""
    reference = engine(network, row)
    found = reader.tables()
    assert len(found) > 15
    for label, (text, exact) in found.items():
        if label in reference and not (len(network.inputs) > 1 and label.startswith("new")):
            assert number(exact) == pytest.approx(reference[label], rel=1e-13), label
            assert number(text) == pytest.approx(reference[label], rel=1e-4, abs=6e-10), label


@pytest.fixture(autouse=True)
def _quiet(request):
    """No test ends with a word in the console."""
    yield
    if "chromium" in request.fixturenames:
        left = [e for e in request.getfixturevalue("chromium").get_log("browser") if "favicon" not in e["message"]]
        assert left == []


def test_stepping_through_shows_every_figure_with_its_formula(opened):
    network = built_in("mazur")
    reader = opened(network, rounds=1)
    reference = engine(network)
    steps = reader.run("return retrograd.view.steps.length")
    seen = {}
    for _ in range(steps):
        reader.press("forward")
        shown = reader.run(
            """return [...document.querySelectorAll('#equations .equation')].map((e) => {
                const result = e.querySelector('.result');
                return [retrograd.view.figures[result.dataset.figure][0], result.textContent, result.title];
            })"""
        )
        assert shown and reader.text("say") and reader.text("spoken")
        for label, text, title in shown:
            seen[label] = number(text)
            assert number(title.rpartition(" = ")[2]) == reference[label], label
    assert reader.text("place") == f"step {steps} of {steps}"
    for label, value in reference.items():
        if not label.startswith("new b"):  # not trained
            assert seen[label] == pytest.approx(value, rel=1e-8, abs=1e-9), label
    assert all(u.startswith(("file:", "data:")) for u in reader.requests())


def test_what_is_not_computed_yet_is_not_shown(opened):
    reader = opened(built_in("mazur"), rounds=0)
    inside = "return [...document.querySelectorAll('#drawing .neuron .value')].map((e) => e.textContent)"
    assert reader.run(inside) == ["", "", "", ""]
    reader.press("forward")
    assert reader.run(inside) == ["net 0.3775", "", "", ""]
    reader.press("forward")
    assert reader.run(inside) == ["0.5933", "", "", ""]
    reader.press("back")
    assert reader.run(inside) == ["net 0.3775", "", "", ""]
    reader.press("everything")
    assert reader.run(inside) == ["0.5933", "0.5969", "0.7514", "0.7729"]
    reader.press("forward")
    assert reader.run(inside) == ["0.5933", "", "", ""] and not reader.run("return retrograd.everything")


@pytest.mark.system("11.1", home="L", figure="after 1 and 10000 rounds the page shows the totals of A")
def test_rounds_on_the_page(opened):
    reader = opened(built_in("mazur"))
    assert_tables(reader, built_in("mazur"))
    reader.press("update")
    assert (reader.text("round"), reader.text("error")) == ("1", "0.291027774")
    reader.run("retrograd.goTo(10000)")
    assert (reader.text("round"), number(reader.text("error"))) == ("10,000", pytest.approx(3.510187783e-05, rel=1e-8))
    outs = [reader.tables()[f"out_o{k}"][1] for k in (1, 2)]
    assert [number(o) for o in outs] == pytest.approx([0.01591362044, 0.9840642735], rel=1e-9)
    assert "3.510" in reader.text("error") and "0.0000351085" in reader.text("published")
    reader.press("reset")
    assert (reader.text("round"), reader.text("error")) == ("0", "0.298371109")
    assert reader.requests() and all(u.startswith(("file:", "data:")) for u in reader.requests())


def test_keys(opened):
    from selenium.webdriver.common.keys import Keys

    reader = opened(built_in("xor"), rounds=3)
    reader.key(Keys.ARROW_RIGHT)
    reader.key(Keys.ARROW_RIGHT)
    assert reader.text("place").startswith("step 2 of")
    reader.key(Keys.ARROW_LEFT)
    assert reader.text("place").startswith("step 1 of")
    reader.key(Keys.PAGE_DOWN)
    assert reader.run("return retrograd.view.phases[retrograd.currentStep().phase]") == "Forward: output layer"
    reader.key(Keys.ARROW_UP)
    assert reader.text("round") == "1"
    reader.key(Keys.SPACE)
    assert reader.text("play") == "Pause"
    reader.key(Keys.SPACE)
    assert reader.text("play") == "Play"
    reader.key(Keys.HOME)
    assert reader.text("round") == "0" and reader.text("title") == "Before the first step"


def test_rows_and_what_the_pointer_shows(opened):
    reader = opened(built_in("xor"), rounds=2)
    for row in range(4):
        reader.run("document.querySelectorAll('#rows button')[arguments[0]].click()", row)
        assert_tables(reader, built_in("xor"), row)
    reader.press("everything")
    reader.run(
        "document.querySelector('.node.neuron').dispatchEvent(new PointerEvent('pointerenter', {clientX: 9, clientY: 9}))"
    )
    value = engine(built_in("xor"), 3)["net_h1"]
    assert str(value) in reader.text("tip").replace("−", "-")


def test_controls_have_names_and_the_page_a_place_for_what_is_said(opened):
    reader = opened(built_in("xor"), rounds=2)
    nameless = """return [...document.querySelectorAll('button, select, input, svg[role=img]')].filter((e) =>
        !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels && e.labels.length)).map((e) => e.outerHTML)"""
    assert reader.run(nameless) == []
    assert reader.run("return document.querySelector('[aria-live]').id") == "spoken"
    assert reader.run("return document.querySelector('[role=alert]').id") == "complaint"


@pytest.mark.parametrize("width", [360, 700, 1400])
def test_no_width_makes_the_page_scroll_sideways(opened, chromium, width):
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        reader = opened(built_in("xor"), rounds=2)
        reader.press("forward", 14)
        assert reader.run("return document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_large_network(opened):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(64, 100), nn.Tanh(), nn.Linear(100, 10))
    network = network_of(model, rng.normal(size=64), 3, name="large", classes=list(range(10)))
    reader = opened(network)
    assert "too large to be drawn whole" in reader.text("left-out")
    assert_tables(reader, network)
    before = reader.run("return retrograd.view.key")
    reader.run("const s = document.getElementById('output'); s.value = '7'; s.dispatchEvent(new Event('change'))")
    assert reader.run("return retrograd.view.key") != before
    assert "output 7" in reader.text("left-out")
    assert_tables(reader, network)
    for _ in range(reader.run("return retrograd.view.steps.length")):
        reader.press("forward")


# ------------------------------------------------------------------------------------------------------------------ live


def changed(network, name, value):
    w = network.weight(name)
    arrays = [a.copy() for a in network.arrays()]
    arrays[w.array][w.place] = value
    return with_arrays(network, arrays)


def test_every_figure_follows_from_a_changed_weight(played):
    network = built_in("mazur")
    reader = played(network)
    assert_tables(reader, network)
    for name, value in [("w5", -0.9), ("w1", 2.5), ("b2", 0.1)]:
        reader.write(name, str(value))
        network = changed(network, name, value)
        assert_tables(reader, network)
    reader.write("i1", "0.75")
    reader.write("target_o1", "0.5")
    inputs, targets = network.inputs.copy(), network.targets.copy()
    inputs[0, 0], targets[0, 0] = 0.75, 0.5
    network = replace(network, inputs=inputs, targets=targets)
    assert_tables(reader, network)
    reader.run("const r = document.getElementById('rate'); r.value = '0.125'; r.dispatchEvent(new Event('change'))")
    reader.settle()
    network = replace(network, learning_rate=0.125)
    assert_tables(reader, network)
    address = reader.run("return location.origin")
    assert all(u.startswith((address, "data:")) for u in reader.requests())


def test_learning_live(played):
    network = built_in("xor")
    reader = played(network)
    reader.press("update")
    reader.settle()
    assert reader.text("round") == "1"
    for rounds in (1000, 1000, 1000):
        reader.waited(f"await retrograd.update({rounds})")
    later = with_arrays(network, Rounds(network)(network, network.arrays(), 3001))
    assert reader.text("round") == "3,001"
    assert_tables_close(reader, later, 0)
    reader.run("document.querySelectorAll('#rows button')[2].click()")
    reader.settle()
    assert_tables_close(reader, later, 2)
    reader.run(
        "const s = document.querySelector('[data-layer=\"0\"]'); s.value = 'tanh'; s.dispatchEvent(new Event('change'))"
    )
    reader.settle()
    assert reader.run("return retrograd.view.layers[0].activation") == "tanh"
    reader.press("reset")
    assert reader.text("round") == "0"
    reader.settle()
    assert_tables(reader, network, reader.run("return retrograd.row"))


def assert_tables_close(reader, network, row):
    """After many rounds the order of summation shows in the last digits."""
    reference = engine(network, row)
    for label, (_, exact) in reader.tables().items():
        if label in reference and not label.startswith("new"):
            assert number(exact) == pytest.approx(reference[label], rel=1e-7, abs=1e-12), label


def test_running(played):
    reader = played(built_in("xor"))
    reader.run("document.getElementById('rounds').value = '100'")
    reader.press("run")
    reader.waited("while (retrograd.round() < 500) await new Promise((r) => setTimeout(r, 20))")
    reader.press("run")
    reader.settle()
    at = reader.text("round")
    reader.waited("await new Promise((r) => setTimeout(r, 200))")
    assert reader.text("round") == at and reader.text("run") == "Run"


@pytest.mark.parametrize("text, said", [("abc", "is no number"), ("", "is no number"), ("1e999", "is no number")])
def test_what_is_no_number_is_told_and_nothing_changes(played, text, said):
    reader = played(built_in("mazur"))
    reader.write("w5", text or "\b")
    assert said in reader.text("complaint")
    assert_tables(reader, built_in("mazur"))
    reader.write("w5", "0.4")
    assert reader.text("complaint") == ""


def test_how_long_a_change_takes(played, capsys):
    """Reported, not asserted: a busy machine is no defect."""
    for name in ("mazur", "3-2-2", "xor"):
        reader = played(built_in(name))
        for k in range(25):
            reader.write("w1", str(0.01 * k))
            reader.press("update")
            reader.settle()
        times = reader.run("return retrograd.live.times")
        for kind in ("server", "shown"):
            found = sorted(t[kind] for t in times)
            late = found[int(0.95 * len(found))]
            with capsys.disabled():
                print(f"\n{name}: {kind} {statistics.median(found):.1f} ms, 95 % below {late:.1f} ms", end="")  # noqa: T201
        assert len(times) == 50
