"""Whatever a table holds: its report is written, is well-formed, and runs nothing."""

import csv
import io
import json
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.property.hostile_tables import tables
from tests.property.test_hostile_tables import QUICK, contents, run

pytest.importorskip("matplotlib")

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Tags(HTMLParser):
    """Refuses tags that are not closed in turn, and whatever could run or load something."""

    def __init__(self, html):
        super().__init__()
        self.open = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "img", "iframe", "object", "embed", "link", "form", "base"), tag
        for name, value in attributes:
            assert not name.startswith("on"), name
            assert name not in ("src", "href", "xlink:href") or value.startswith(("#", "data:image/png;base64,")), value
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


words = st.one_of(
    st.text(min_size=1, max_size=30).filter(str.strip),
    st.sampled_from(["</td><script>x</script>", "{{ 7 }}", "{% raw %}", "<!--", "]]>", "&lt;", "$x^{", "\u202e", "a\nb", "'\"><img src=x>"]),
)  # fmt: skip


@st.composite
def trainable(draw):
    """A table that can be learned from, its names, categories and labels hostile: (content, target)."""
    names = draw(st.lists(words, min_size=3, max_size=3, unique_by=lambda name: name.strip()))
    labels, kinds = (
        draw(st.lists(words, min_size=2, max_size=3, unique_by=lambda text: text.strip())) for _ in range(2)
    )
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(names)
    for i in range(30):
        writer.writerow([f"{(7 * i) % 11}.5", kinds[i % 4 % len(kinds)], labels[i % len(labels)]])
    return file.getvalue().encode("utf-8", "surrogatepass"), names[2]


def check_reports(content, target):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.csv").write_bytes(content)
        before = contents(folder)
        status, _, err = run(folder, "train", "x.csv", f"--target={target}", *QUICK, "--report=r.html")
        event(f"train: {status}")
        if status:
            assert status == 2 and contents(folder) == before, err
            return
        Tags((folder / "r.html").read_bytes().decode())
        status, out, err = run(folder, "evaluate", "x-model", "x.csv", "--json", "--report=e.html")
        assert status == 0, err
        rows = json.loads(out)["rows"]
        assert rows["table"] == rows["measured"] + rows["without_target"] and not rows["unknown_label"]
        Tags((folder / "e.html").read_bytes().decode())
        assert run(folder, "evaluate", "x-model", "x.csv")[0] == 0


@settings(max_examples=4, suppress_health_check=SLOW)
@given(trainable())
def test_reports_of_hostile_tables(table):
    check_reports(*table)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@settings(max_examples=80, suppress_health_check=SLOW)
@given(st.one_of(tables(), trainable(), trainable()))
def test_reports_of_many_hostile_tables(table):
    check_reports(*table)
