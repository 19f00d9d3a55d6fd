"""An explanation as plain text: sections, aligned columns, lines that fit a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.explain.formulas import is_pointwise, local_in_numbers, numbers_of
from retrograd.explain.layout import Page, listed
from retrograd.explain.numerals import array_text, number, place, rows_text, signed
from retrograd.explain.program import Explanation
from retrograd.explain.records import Check, Contribution, Gradient, Step, Value

TERMS = 5  # so many products are written out; the rest is summed up


def explanation_text(e: Explanation, digits: int, most: int | None) -> str:
    """See `Explanation.text`."""
    page = Page(widest=56)
    where = f" ({Path(e.line.file).name}:{e.line.number})" if e.line else ""
    page.title(f"{e.name}{where}, computed in float64", "=")
    if e.inputs:
        page.title("Inputs")
        for v in e.inputs:
            first, *rest = rows_text(v.array, digits)
            page.row(f"  {v.name}", v.kind, f"= {first}")
            for row in rest:
                page.row("", "", f"  {row}")
    Forward(page, digits, most).write(e.steps)
    if any(v.cotangent is not None for v in e.outputs):
        Backward(page, e, digits, most).write()
    if e.gradients:
        _gradients(page, e, digits)
    page.end()
    for note in e.notes:
        page.line()
        page.line(f"Note: {note}.")
    return page.text()


class Forward:
    """The steps in order, under the source lines that made them."""

    def __init__(self, page: Page, digits: int, most: int | None) -> None:
        self.page, self.digits, self.left = page, digits, most
        self.line: Any = None

    def write(self, steps: Sequence[Step]) -> None:
        self.page.title("Forward")
        self.steps(steps, "  ")

    def steps(self, steps: Sequence[Step], indent: str) -> None:
        for note, step in elided(steps):
            if step is None:
                self.page.line(f"{indent}  {note}")
                continue
            if self.left is not None:
                if self.left <= 0:
                    rest = len(steps) - steps.index(step)
                    self.page.line(f"{indent}  ... {rest} more; .text(steps=None) shows all")
                    return
                self.left -= 1
            line = step.site.line if step.site else None
            if line is not None and line != self.line:
                self.page.line(f"{indent}{Path(line.file).name}:{line.number}   {clipped(line.text)}")
                self.line = line
            self.step(step, f"{indent}  ")

    def step(self, step: Step, indent: str) -> None:
        left = f"{indent}{step.number:>2}  "
        names = ", ".join(v.name for v in step.outputs)
        if step.title:
            self.page.line(f"{left}{step.title}:")
            self.steps(step.inside, indent + "  ")
            for v in step.outputs:
                if v.same_as is not None and origin(v).kind != "constant":
                    self.page.row(
                        f"{indent}    {v.name} = {v.same_as.name}", f"= {array_text(v.array, self.digits)}", ""
                    )
            return
        out = step.outputs[0]
        plugged = self.plugged(step)
        if out.array.shape == ():
            self.page.row(
                f"{left}{names} = {step.formula}",
                f"= {plugged}" if plugged else "",
                f"= {number(out.array, self.digits)}",
            )
        else:
            self.page.row(f"{left}{names} = {step.formula}", f"= {array_text(out.array, self.digits)}", "")
            if plugged and out.array.size:
                name = f"{' ' * len(left)}{out.name}{place(out.traced or ())}"
                self.page.row(name, f"= {plugged}", f"= {number(out.focus, self.digits)}")
        if step.note:
            self.page.line(f"{' ' * len(left)}({step.note})")
        if step.inside:
            self.page.line(f"{' ' * len(left)}which has a derivative of its own, and computes")
            self.steps(step.inside, indent + "  ")

    def plugged(self, step: Step) -> str:
        """The formula of the traced element, with its numbers."""
        if step.terms:
            return sum_text([(forward_product(w, x, self.digits), w * x) for w, x in step.terms], self.digits)
        if is_pointwise(step.prim) and step.outputs[0].array.size:
            args, at = [v.array for v in step.operands], step.outputs[0].traced or ()
            return numbers_of(step.prim, args, at, lambda x: signed(x, self.digits))  # type: ignore[arg-type]
        return ""


def clipped(text: str, width: int = 88) -> str:
    """A source line that fits."""
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def elided(steps: Sequence[Step]) -> Iterable[tuple[str, Step | None]]:
    """The steps, with the iterations in the middle of a long loop left out."""
    loops = [s for s in steps if s.prim is None]
    middle = loops[2:-1] if len(loops) > 4 else []
    left_out = set(map(id, middle))
    for step in steps:
        if middle and step is middle[0]:
            yield f"... iterations between {middle[0].number} and {middle[-1].number}: the same steps", None
        if id(step) not in left_out:
            yield "", step


def forward_product(w: float, x: float, digits: int) -> str:
    """A product of a linear operation; a factor of one is left out."""
    if w in (1, -1):
        return signed(x, digits) if w == 1 else f"-{signed(x, digits)}"
    return f"{signed(w, digits)} * {signed(x, digits)}"


def sum_text(parts: Sequence[tuple[str, float]], digits: int) -> str:
    """A sum: (text, value) of each part; of many the largest are written out."""
    shown, rest, more = shown_terms([value for _, value in parts])
    written = " + ".join(parts[i][0] for i in shown)
    return f"{written} + {signed(rest, digits)} from {more} more" if more else written


def shown_terms(values: Sequence[float]) -> tuple[list[int], float, int]:
    """Which terms of a sum are written out, what the others come to, and how many they are.

    All of a few, in their order; of many the largest, the largest first. Zeros are left out.
    """
    some = [i for i, v in enumerate(values) if v != 0] or list(range(min(1, len(values))))
    if len(some) <= TERMS:
        return some, 0.0, 0
    shown = sorted(some, key=lambda i: -abs(values[i]))[: TERMS - 1]
    chosen = set(shown)
    return shown, sum(values[i] for i in some if i not in chosen), len(some) - len(shown)


class Backward:
    """The sweep, in the order in which it went."""

    def __init__(self, page: Page, e: Explanation, digits: int, most: int | None) -> None:
        self.page, self.e, self.digits, self.left = page, e, digits, most
        self.summed: set[int] = set()

    def d(self, v: Value) -> str:
        """The name of the derivative with respect to a value."""
        return f"d{self.e.output}/d{v.name}"

    def write(self) -> None:
        self.page.title("Backward: upstream * local derivative = contribution, from the result back")
        for v, seed in zip(self.e.outputs, self.e.seeds, strict=True):
            if seed is not None and v.cotangent is not None:
                self.page.line(f"    start with {self.d(v)} = {array_text(seed, self.digits)}")
        self.steps(self.e.steps, "  ")
        for g in self.e.gradients:
            self.sums(g.value, "  ")

    def steps(self, steps: Sequence[Step], indent: str) -> None:
        visited = sorted((s for s in steps if s.visit), key=lambda s: s.visit)
        for note, step in elided(visited):
            if step is None:
                self.page.line(f"{indent}  {note}")
                continue
            if self.left is not None:
                if self.left <= 0:
                    rest = len(visited) - visited.index(step)
                    self.page.line(f"{indent}  ... {rest} more; .text(steps=None) shows all")
                    return
                self.left -= 1
            self.step(step, f"{indent}  ")

    def step(self, step: Step, indent: str) -> None:
        for v in step.outputs:
            self.sums(v, indent)
        left = f"{indent}{step.number:>2}  "
        if step.title:
            self.page.line(f"{left}{step.title}:")
            self.steps(step.inside, indent + "  ")
            return
        self.page.row(f"{left}{', '.join(v.name for v in step.outputs)} = {step.formula}", "", "")
        if step.backward:
            self.page.line(f"{' ' * len(left)}by its own derivative:")
            Forward(self.page, self.digits, self.left).steps(step.backward, indent + "  ")
        for c in step.contributions:
            self.contribution(step, c, " " * len(left))

    def contribution(self, step: Step, c: Contribution, indent: str) -> None:
        out = step.outputs[0]
        sign = "+=" if several(c.value) else " ="
        rule = f"{self.d(out)} * {c.local}" if is_pointwise(step.prim) else c.local or "what its derivative says"
        left = f"{indent}{self.d(c.value)} {sign} {rule}"
        numbers = self.numbers(step, c, out)
        if c.array.shape == ():
            self.page.row(left, f"= {numbers}" if numbers else "", f"= {number(c.array, self.digits)}")
            return
        self.page.row(left, f"= {array_text(c.array, self.digits)}", "")
        if numbers and c.array.size:
            at = c.value.traced or ()
            self.page.row(f"{indent}  at {place(at)}", f"= {numbers}", f"= {number(c.array[at], self.digits)}")

    def numbers(self, step: Step, c: Contribution, out: Value) -> str:
        """Upstream times local derivative for the traced element."""
        if c.terms is None:
            return ""
        if is_pointwise(step.prim) and len(c.terms) == 1:
            t = c.terms[0]
            args = [v.array for v in step.operands]
            local = local_in_numbers(step.prim, c.argument, args, out.array, t.at, lambda x: signed(x, self.digits))
            return f"{signed(t.upstream, self.digits)} * {local}"
        products = [(f"{signed(t.upstream, self.digits)} * {signed(t.local, self.digits)}", t.product) for t in c.terms]
        return sum_text(products, self.digits) if products else "0"

    def sums(self, v: Value, indent: str) -> None:
        """At a fan-out the contributions add up: show the sum once all of them are there."""
        arrived = list(v.arrivals())
        if len(arrived) < 2 or id(v) in self.summed or v.cotangent is None:
            return
        self.summed.add(id(v))
        left = f"{indent}    {self.d(v)}"
        whence = f"(sum over steps {listed(list(dict.fromkeys(c.step.number for c in arrived)))})"
        if v.array.shape == ():
            parts = sum_text([(signed(c.array, self.digits), float(c.array)) for c in arrived], self.digits)
            self.page.row(left, f"= {parts}", f"= {number(v.cotangent, self.digits)}  {whence}")
        else:
            self.page.row(left, f"= {array_text(np.asarray(v.cotangent), self.digits)}", whence)


def origin(v: Value) -> Value:
    """The value that `v` stands for, across all borders."""
    while v.same_as is not None:
        v = v.same_as
    return v


def several(v: Value) -> bool:
    """Whether more than one contribution goes into the derivative of `v`, or of what it stands for."""
    here: Value | None = v
    while here is not None:
        if len(here.received) > 1:
            return True
        here = here.same_as
    return False


def _gradients(page: Page, e: Explanation, digits: int) -> None:
    wide = max(digits, 10)
    page.title("Gradients")
    if any(g.checks for g in e.gradients):
        page.row("", "", "gradient", "finite difference", "")
    for g in e.gradients:
        name = f"d{e.output}/d{g.value.name}"
        if len(g.checks) < g.array.size or not g.checks:
            first, *rest = rows_text(g.array, digits)
            page.row(f"  {name}", "", f"= {first}")
            for row in rest:
                page.row("", "", f"  {row}")
        for c in g.checks:
            page.row(f"  {name}{place(c.place)}", "", number(c.gradient, wide), number(c.difference, wide), verdict(c))
        _unchecked(page, g)


def _unchecked(page: Page, g: Gradient) -> None:
    rest = g.array.size - len(g.checks)
    if g.checks and rest:
        page.line(f"    ({rest} more element{'s' if rest > 1 else ''})")


def verdict(c: Check) -> str:
    """What the comparison says."""
    if c.kink:
        return "at a kink" if c.agrees else "at a kink, and outside the slopes of its two sides: WRONG"
    if not np.isfinite(c.difference):
        return "no finite difference can be taken here"
    return f"agree to {c.error:.0e}" if c.agrees else f"DISAGREE by {c.error:.1e}"
