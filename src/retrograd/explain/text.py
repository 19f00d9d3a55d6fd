"""An explanation as plain text: sections, aligned columns, lines that fit a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.explain.formulas import is_pointwise, local_in_numbers
from retrograd.explain.numerals import array_text, is_small, number, place, signed
from retrograd.explain.program import Explanation
from retrograd.explain.records import Contribution, Gradient, Step, Value

TERMS = 5  # so many products are written out; the rest is summed up


def explanation_text(e: Explanation, digits: int, most: int | None) -> str:
    """See `Explanation.text`."""
    parts = [_heading(e), _inputs(e, digits), Forward(e, digits, most).text()]
    if any(s is not None for s in e.seeds) and any(g.value.cotangent is not None for g in e.gradients):
        parts.append(Backward(e, digits, most).text())
    parts += [_gradients(e, digits), _notes(e)]
    return "\n".join(p for p in parts if p)


def _heading(e: Explanation) -> str:
    where = f", {Path(e.line.file).name}:{e.line.number}" if e.line else ""
    title = f"{e.name}{where}, in float64"
    return f"{title}\n{'=' * len(title)}\n"


def _notes(e: Explanation) -> str:
    return "".join(f"Note: {note}.\n" for note in e.notes)


def table(rows: Iterable[Sequence[str]], indent: int = 2, gap: int = 2, limit: int = 44) -> list[str]:
    """Rows with aligned columns; a cell longer than `limit` does not push the others."""
    rows = [tuple(r) for r in rows]
    widths: list[int] = []
    for r in rows:
        for i, cell in enumerate(r[:-1]):
            widths += [0] * (i + 1 - len(widths))
            if len(cell) <= limit:
                widths[i] = max(widths[i], len(cell))
    lines = []
    for r in rows:
        line = " " * indent
        for i, cell in enumerate(r):
            line += cell if i == len(r) - 1 else cell.ljust(widths[i]) + " " * gap
        lines.append(line.rstrip())
    return lines


def _inputs(e: Explanation, digits: int) -> str:
    if not e.inputs:
        return ""
    rows = [(v.name, v.kind, f"= {array_text(v.array, digits)}") for v in e.inputs]
    return "\n".join(["Inputs", "", *table(rows), ""])


class Forward:
    """The steps in order, under the source lines that made them."""

    def __init__(self, e: Explanation, digits: int, most: int | None) -> None:
        self.e, self.digits = e, digits
        self.left = len(list(e.all_steps())) if most is None else most
        self.rows: list[Any] = []  # a source line (text), or the columns of a step
        self.line: Any = None

    def text(self) -> str:
        self.steps(self.e.steps, "")
        columns = [r for r in self.rows if isinstance(r, tuple)]
        aligned = iter(table(columns, indent=4))
        lines = [r if isinstance(r, str) else next(aligned) for r in self.rows]
        return "\n".join(["Forward", "", *lines, ""])

    def steps(self, steps: Sequence[Step], indent: str) -> None:
        for shown, step in elided(steps):
            if shown:
                self.rows.append(f"    {indent}... {shown}")
                continue
            if self.left <= 0:
                self.rows.append("    ... and more: print(explanation.text(steps=None)) shows all")
                return
            self.left -= 1
            self.source(step, indent)
            if step.inside:
                self.block(step, indent)
            else:
                self.operation(step, indent)

    def source(self, step: Step, indent: str) -> None:
        line = step.site.line if step.site else None
        if line is not None and line != self.line:
            self.rows.append(f"  {indent}{Path(line.file).name}:{line.number}   {line.text}")
        if line is not None:
            self.line = line

    def block(self, step: Step, indent: str) -> None:
        outs = ", ".join(v.name for v in step.outputs)
        self.rows.append(f"    {indent}{step.number}  {step.title}{f', gives {outs}' if outs else ''}:")
        self.steps(step.inside, indent + "  ")
        for v in step.outputs:
            inner = f"= {v.same_as.name} " if v.same_as is not None and v.same_as.name != v.name else ""
            self.rows.append(f"    {indent}{' ' * len(step.number)}  {v.name} {inner}= {array_text(v.array, self.digits)}")

    def operation(self, step: Step, indent: str) -> None:
        out = step.outputs[0]
        left = f"{indent}{step.number.rjust(2)}  {', '.join(v.name for v in step.outputs)} = {step.formula}"
        if out.array.shape == ():
            middle = self.plugged(step)
            self.rows.append((left, f"= {middle}" if middle else "", f"= {number(out.array, self.digits)}"))
        else:
            self.rows.append((left, f"= {array_text(out.array, self.digits)}", ""))
            middle = self.plugged(step)
            if middle and out.array.size:
                name = f"{indent}      {out.name}{place(out.traced)}"
                self.rows.append((name, f"= {middle}", f"= {number(out.array[out.traced], self.digits)}"))
        if step.note:
            self.rows.append(f"    {indent}    ({step.note})")

    def plugged(self, step: Step) -> str:
        """The formula of the traced element, with its numbers."""
        if step.numbers:
            return step.numbers
        if step.terms is None:
            return ""
        return products_text(step.terms, self.digits)


def elided(steps: Sequence[Step]) -> Iterable[tuple[str, Any]]:
    """The steps, with the iterations in the middle of a long loop left out."""
    loops = [s for s in steps if s.prim is None]
    middle = loops[2:-1] if len(loops) > 4 else []
    for step in steps:
        if middle and step is middle[0]:
            first, last = middle[0].title.split()[1], middle[-1].title.split()[1]
            yield f"iterations {first} to {last}: the same steps", None
        if not middle or step not in middle:
            yield "", step


def products_text(terms: Sequence[tuple[float, float]], digits: int) -> str:
    """A sum of products, a factor of one left out, the tail summed up."""

    def one(w: float, x: float) -> str:
        if w == 1:
            return signed(x, digits)
        return f"-{signed(x, digits)}" if w == -1 else f"{signed(w, digits)} * {signed(x, digits)}"

    shown = terms if len(terms) <= TERMS else terms[: TERMS - 1]
    text = " + ".join(one(w, x) for w, x in shown)
    if len(shown) < len(terms):
        rest = sum(w * x for w, x in terms[len(shown) :])
        text += f" + {signed(rest, digits)} ({len(terms) - len(shown)} more products)"
    return text


class Backward:
    """The sweep, in the order in which it went."""

    def __init__(self, e: Explanation, digits: int, most: int | None) -> None:
        self.e, self.digits = e, digits
        visited = sorted((s for s in e.all_steps() if s.visit), key=lambda s: s.visit)
        self.visited = visited
        self.shown = set(map(id, visited if most is None else visited[:most]))
        self.summed: set[int] = set()
        self.rows: list[Any] = []

    def d(self, v: Value) -> str:
        """The name of the derivative with respect to a value."""
        return f"d{self.e.output}/d{v.name}"

    def text(self) -> str:
        for v, seed in zip(self.e.outputs, self.e.seeds, strict=True):
            if seed is not None and v.cotangent is not None:
                self.rows.append(f"    start: {self.d(v)} = {array_text(seed, self.digits)}")
        for step in self.visited:
            if id(step) in self.shown:
                self.step(step)
        if len(self.shown) < len(self.visited):
            self.rows.append(f"    ... and {len(self.visited) - len(self.shown)} more steps")
        for g in self.e.gradients:
            self.sums(g.value)
        aligned = iter(table([r for r in self.rows if isinstance(r, tuple)], indent=4))
        lines = [r if isinstance(r, str) else next(aligned) for r in self.rows]
        head = "Backward: upstream * local derivative = contribution, from the result back to the inputs"
        return "\n".join([head, "", *lines, ""])

    def step(self, step: Step) -> None:
        for v in step.outputs:
            self.sums(v)
        if step.inside or step.prim is None:
            return
        out = step.outputs[0]
        self.rows.append((f"{step.number.rjust(2)}  {', '.join(v.name for v in step.outputs)} = {step.formula}", "", ""))
        for c in step.contributions:
            self.contribution(step, c, out)

    def contribution(self, step: Step, c: Contribution, out: Value) -> None:
        several = len(c.value.received) > 1
        left = f"      {self.d(c.value)} {'+=' if several else '= '} {self.d(out)} * {c.local}" if c.local else ""
        if not left:
            left = f"      {self.d(c.value)} {'+=' if several else '= '} ..."
        if not is_pointwise(step.prim) and c.local:
            left = f"      {self.d(c.value)} {'+=' if several else '= '} {c.local}"
        scalar = c.array.shape == () and out.array.shape == ()
        numbers = self.numbers(step, c, out)
        if scalar:
            self.rows.append((left, f"= {numbers}" if numbers else "", f"= {number(c.array, self.digits)}"))
            return
        self.rows.append((left, f"= {array_text(c.array, self.digits)}", ""))
        if numbers and c.array.size:
            at = c.value.traced
            self.rows.append((f"        at {place(at) or 'the one element'}:", f"= {numbers}", f"= {number(c.array[at], self.digits)}"))

    def numbers(self, step: Step, c: Contribution, out: Value) -> str:
        """Upstream times local derivative for the traced element."""
        if c.terms is None:
            return ""
        if is_pointwise(step.prim) and len(c.terms) == 1:
            t = c.terms[0]
            args = [v.array for v in step.operands]
            local = local_in_numbers(step.prim, c.argument, args, out.array, t.at, self.digits)
            return f"{signed(t.upstream, self.digits)} * {local}"
        return products_text([(t.upstream, t.local) for t in c.terms], self.digits) if c.terms else "0"

    def sums(self, v: Value) -> None:
        """At a fan-out the contributions add up: show the sum once all of them are there."""
        if len(v.received) < 2 or id(v) in self.summed or v.cotangent is None:
            return
        self.summed.add(id(v))
        left = f"      {self.d(v)}"
        steps = " and ".join(dict.fromkeys(c.step.number for c in v.received))
        if v.array.shape == ():
            parts = " + ".join(signed(c.array, self.digits) for c in v.received)
            self.rows.append((left, f"= {parts}", f"= {number(v.cotangent, self.digits)}   (sum over steps {steps})"))
        else:
            self.rows.append((left, f"= {array_text(np.asarray(v.cotangent), self.digits)}", f"(sum over steps {steps})"))


def _gradients(e: Explanation, digits: int) -> str:
    if not e.gradients:
        return ""
    rows: list[tuple[str, ...]] = [("", "gradient", "finite difference", "")]
    wide = max(digits, 10)
    for g in e.gradients:
        name = f"d{e.output}/d{g.value.name}"
        if not g.checks:
            rows.append((name, array_text(g.array, digits), "", ""))
        elif not is_small(g.array):
            rows.append((name, array_text(g.array, digits), "", ""))
        rows += [
            (f"{name}{place(c.at)}", number(c.gradient, wide), number(c.difference, wide), _verdict(c)) for c in g.checks
        ] if False else [
            (f"{name}{place(c.place)}", number(c.gradient, wide), number(c.difference, wide), _verdict(c)) for c in g.checks
        ]
        rows += _unchecked(g, name)
    return "\n".join(["Gradients", "", *table(rows), ""])


def _unchecked(g: Gradient, name: str) -> list[tuple[str, ...]]:
    rest = g.array.size - len(g.checks)
    return [(f"  ({rest} more elements)", "", "", "")] if g.checks and rest else []


def _verdict(c: Any) -> str:
    if c.kink:
        return "at a kink" + ("" if c.agrees else ", outside the slopes of both sides: WRONG")
    if not np.isfinite(c.difference):
        return "no finite difference could be taken"
    return f"agree to {c.error:.0e}" if c.agrees else f"DISAGREE by {c.error:.1e}"
