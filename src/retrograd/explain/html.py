"""An explanation as HTML: a picture, and its steps, one opened at a time. No scripts, nothing from elsewhere.

Steps are ``<details>`` elements of one name, of which browsers keep one open. Formulas are MathML. Ids and names carry
a key of the explanation, and styles its class, so that a notebook may show many on one page.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.explain.drawing import svg
from retrograd.explain.latex.equations import Equations, Row
from retrograd.explain.latex.mathml import mathml
from retrograd.explain.layout import listed
from retrograd.explain.numerals import array_text, number
from retrograd.explain.pictures import explanation_picture
from retrograd.explain.program import Explanation
from retrograd.explain.records import Step
from retrograd.explain.templating import filled
from retrograd.explain.text import clipped, elided, verdict

_fresh = count(1)
DRAWN = 60  # steps in the picture


@dataclass
class Shown:
    """A step as the template shows it: a summary, rows forward and back, and steps inside."""

    number: str = ""
    id: str = ""
    title: str = ""
    summary: str = ""
    value: str = ""
    gradient: str = ""
    line: str = ""
    note: str = ""
    gap: str = ""  # what stands here in place of a step
    forward: list[Any] = field(default_factory=list)
    backward: list[Any] = field(default_factory=list)
    inside: list[Shown] = field(default_factory=list)
    inside_title: str = ""


def fresh_key() -> str:
    """A key that no other piece of this process has."""
    return f"n{next(_fresh)}"


def explanation_html(e: Explanation, digits: int, most: int | None, key: str) -> str:
    """See `Explanation.html`."""
    digest = hashlib.sha256(e.text(digits=digits, steps=most).encode()).hexdigest()[:10]
    key = f"rg-{digest}{'-' + _safe(key) if key else ''}"
    return _Writer(e, digits, most, key).html()


def _safe(key: str) -> str:
    return "".join(c for c in key if c.isalnum() or c in "-_")


class _Writer:
    def __init__(self, e: Explanation, digits: int, most: int | None, key: str) -> None:
        self.e, self.digits, self.most, self.key = e, digits, most, key
        self.rows = Equations(e, digits)
        self.left = most
        self.links: dict[int, str] = {}

    def html(self) -> str:
        e = self.e
        steps = list(self.steps(e.steps))
        picture = explanation_picture(e, min(self.digits, 5), DRAWN, self.links)
        where = f"{Path(e.line.file).name}:{e.line.number}" if e.line else ""
        return filled(
            "explanation.html",
            key=self.key, name=e.name, where=where, output=e.output, notes=e.notes, steps=steps,
            svg=svg(picture, label=f"{e.name}: values and gradients"),
            inputs=[(v.name, v.kind, array_text(v.array, self.digits)) for v in e.inputs],
            start=[self.row(r) for r in self.rows.start()],
            gradients=list(self.gradients()),
        )  # fmt: skip

    def steps(self, steps: Sequence[Step]) -> Iterator[Shown]:
        for note, step in elided(steps):
            if step is None:
                yield Shown(gap=note)
                continue
            if self.left is not None:
                if self.left <= 0:
                    yield Shown(gap=f"... {len(steps) - steps.index(step)} more; .html(steps=None) shows all")
                    return
                self.left -= 1
            yield self.step(step)

    def step(self, step: Step) -> Shown:
        out = step.outputs[0] if step.outputs else None
        shown = Shown(step.number, f"{self.key}-{step.number.replace('.', '-')}", step.title, note=step.note)
        self.links[id(step)] = f"#{shown.id}"
        if step.site is not None:
            line = step.site.line
            shown.line = f"{Path(line.file).name}:{line.number}   {clipped(line.text)}"
        if out is not None:
            shown.value = array_text(out.array, self.digits)
            if out.cotangent is not None:
                shown.gradient = array_text(out.cotangent, self.digits)
        if step.title:
            shown.summary = f"{', '.join(v.name for v in step.outputs)} = {step.title}" if out else step.title
        else:
            assert out is not None
            names = ", ".join(v.name for v in step.outputs)
            shown.summary = f"{names} = {step.formula}"
            shown.forward = [self.row(r) for r in self.rows.forward(step)]
            totals = [r for v in step.outputs if (r := self.rows.total(v)) is not None]
            back = [r for c in step.contributions for r in self.rows.contribution(step, c)]
            shown.backward = [self.row(r) for r in [*totals, *back]]
        shown.inside = list(self.steps(step.inside))
        if step.backward:
            shown.inside_title = "Its derivative is its own:"
            shown.inside += list(self.steps(step.backward))
        return shown

    def row(self, row: Row) -> dict[str, Any]:
        """A row with its formulas in MathML."""
        sign = "+=" if "+" in row.sign else "="
        return {
            "left": mathml(row.left, large=True),
            "sign": sign,
            "parts": [mathml(p, large=True) for p in row.parts],
            "note": row.note,
        }

    def gradients(self) -> Iterator[dict[str, Any]]:
        for g in self.e.gradients:
            total = self.rows.total(g.value)
            steps = listed(list(dict.fromkeys(c.step.number for c in g.value.arrivals())))
            yield {
                "name": mathml(self.rows.d(g.value).text, large=True),
                "value": array_text(g.array, 10),
                "total": self.row(total) if total is not None else None,
                "steps": steps,
                "checks": [
                    {
                        "place": list(c.place),
                        "gradient": number(c.gradient, 10),
                        "difference": number(c.difference, 10),
                        "verdict": verdict(c),
                        "good": c.agrees,
                    }
                    for c in g.checks
                ],
                "rest": g.array.size - len(g.checks) if g.checks else 0,
            }


def save(e: Explanation, path: Path, digits: int, steps: int | None) -> None:
    """See `Explanation.save`."""
    writers: dict[str, Callable[[], str]] = {
        ".html": lambda: filled("page.html", title=e.name, width="76rem", body=e.html(digits=digits, steps=steps)),
        ".svg": lambda: e.svg(digits=digits, most=sys.maxsize if steps is None else steps),
        ".tex": lambda: e.latex(digits=digits, steps=steps),
        ".md": lambda: e.markdown(digits=digits, steps=steps),
        ".txt": lambda: e.text(digits=digits, steps=steps),
    }
    if path.suffix not in writers:
        raise RetrogradError(f"an explanation is saved as {', '.join(writers)}, not as {path.name!r}")
    path.write_text(writers[path.suffix](), encoding="utf-8")
