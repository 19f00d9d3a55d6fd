"""Chapter 11: the page that makes a network's learning visible."""

import json
import re

import pytest

from retrograd.explain.network.files import built_in
from retrograd.explain.page import page
from tests.systems.test_chapter10_mazur import TABLE, TOTALS


@pytest.fixture(scope="module")
def view():
    """The view in the trace that the page of the network carries."""
    text = page(built_in("mazur"))
    assert "connect-src &#39;none&#39;" in text
    return json.loads(text.split('id="trace">')[1].split("</script>")[0])["views"][0]


def figures(view, number):
    """Every figure after so many rounds, by its label."""
    snapshot = next(s for s in view["snapshots"] if s["round"] == number)
    pools = [iter(snapshot["rows"]["0"]), iter(snapshot["shared"])]
    return {label: next(pools[shared]) for label, shared in view["figures"]}


# 11.1 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("11.1", home="L", figure="the numbers of the page's embedded trace equal the table of 10.1")
def test_the_trace_of_the_page_has_every_figure_of_the_table(view):
    found = figures(view, 0)
    for name, value in TABLE.items():
        label = re.sub(r"^dout/dnet_(.+)$", r"dout_\1/dnet_\1", name)
        assert found[label] == pytest.approx(value, rel=5e-15 / abs(value) + 1e-12, abs=0), name


@pytest.mark.system("11.1", home="L", figure="after 1 and 10000 rounds the trace shows the totals of A")
@pytest.mark.parametrize("number, wanted", [(1, TOTALS["A"][0]), (10000, TOTALS["A"][1])])
def test_the_trace_of_the_page_has_the_totals(view, number, wanted):
    found = figures(view, number)
    assert [found[name] for name in ("E", "out_o1", "out_o2")] == pytest.approx(wanted, rel=1e-9)


# 11.2 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.system("11.2", home="L", figure="the three factors of w5 and their product as a step of the page")
def test_the_three_factors_of_w5_are_a_step(view):
    found, labels = figures(view, 0), [label for label, _ in view["figures"]]
    equation = next(e for s in view["steps"] for e in s["equations"] if labels[e["figure"]] == "dE/dw5")
    names = [labels[p] for p in equation["lines"][0]["pieces"] if isinstance(p, int)]
    assert names == ["dE/dout_o1", "dout_o1/dnet_o1", "dnet_o1/dw5"]
    assert [f"{found[n]:.12f}" for n in (*names, "dE/dw5")] == [
        "0.741365069552", "0.186815601809", "0.593269992107", "0.082167040564"
    ]  # fmt: skip
