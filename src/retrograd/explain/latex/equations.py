"""The records of an explanation as rows of LaTeX: what is computed, in names, in numbers, and its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from retrograd.explain.formulas import element_of, is_pointwise
from retrograd.explain.latex.formulas import formula, function_name, local, local_factor
from retrograd.explain.latex.vocabulary import POWER, PRODUCT, Latex
from retrograd.explain.latex.words import array, figure, name, text
from retrograd.explain.layout import listed
from retrograd.explain.numerals import place
from retrograd.explain.program import Explanation
from retrograd.explain.records import Check, Contribution, Gradient, Step, Value
from retrograd.explain.text import elided, origin, several, shown_terms, verdict


class Heading(NamedTuple):
    """A heading: of a section (level 1), of a block (2 and more)."""

    words: str
    level: int = 1


class Row(NamedTuple):
    r"""A line of an alignment, ``left = parts[0] = parts[1] ...``, each in LaTeX; a remark in plain words.

    `number` is the step's; `sign` what stands after `left`.
    """

    left: str
    parts: tuple[str, ...]
    note: str = ""
    number: str = ""
    sign: str = "="


class Remark(NamedTuple):
    """A sentence."""

    words: str


class Table(NamedTuple):
    """A table of plain words; the first column holds names."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Item = Heading | Row | Remark | Table


class Equations:
    """Writes the rows of an explanation.

    Args:
        e: the explanation.
        digits: how many significant digits are shown.
    """

    def __init__(self, e: Explanation, digits: int = 6) -> None:
        self.e, self.digits = e, digits

    def n(self, x: Any) -> Latex:
        """A number as an expression."""
        return Latex(figure(x, self.digits), binding=Latex.of(x).binding)

    def array(self, values: Any) -> str:
        """An array."""
        return array(np.asarray(values), self.digits)

    def d(self, v: Value) -> Latex:
        """The derivative with respect to a value, by name."""
        return Latex(rf"\frac{{\partial {name(self.e.output)}}}{{\partial {name(v.name)}}}", binding=PRODUCT + 1)

    # Forward ----------------------------------------------------------------------------------------------------------

    def input(self, v: Value) -> Row:
        """A value from outside."""
        return Row(name(v.name), (self.array(v.array),), v.kind)

    def forward(self, step: Step) -> Iterator[Row]:
        """What a step computes."""
        out = step.outputs[0]
        left = ", ".join(name(v.name) for v in step.outputs)
        says, plugged = self.formula(step), self.plugged(step)
        if out.array.shape == ():
            parts = (says, *([plugged] if plugged else []), figure(out.array, self.digits))
            yield Row(left, parts, step.note, step.number)
            return
        yield Row(left, (says, self.array(out.array)), step.note, step.number)
        if plugged and out.array.size:
            yield Row(self.element(out), (plugged, figure(out.focus, self.digits)))

    def formula(self, step: Step) -> str:
        """A step in names."""
        operands = self.operands(step)
        label = getattr(step.prim, "label", "")
        if label:
            return f"{function_name(label)}({', '.join(o.text for o in operands)})"
        assert step.prim is not None
        return formula(step.prim, operands, step.operands[0].array.ndim if operands else None).text

    def operands(self, step: Step) -> list[Latex]:
        """The operands by name; numbers written in the code as they are."""
        return [
            self.n(v.array)
            if v.kind == "number" or (v.kind == "constant" and not v.array.shape)
            else Latex(name(v.name))
            for v in step.operands
        ]

    def element(self, v: Value) -> str:
        """The traced element of a value."""
        at = place(v.traced or ())
        return f"{name(v.name)}{at}"

    def plugged(self, step: Step) -> str:
        """The formula of the traced element, with its numbers."""
        if step.terms:
            terms = step.terms
            return self.sum([w * x for w, x in terms], lambda i: self.product(*terms[i]))
        if step.prim is not None and is_pointwise(step.prim) and step.outputs[0].array.size:
            at = step.outputs[0].traced or ()
            return formula(step.prim, [self.n(element_of(v.array, at)) for v in step.operands]).text
        return ""

    def product(self, w: float, x: float) -> str:
        """A product of a linear operation; a factor of one is left out."""
        return self.n(x).text if w == 1 else (self.n(w) * self.n(x)).text

    def sum(self, values: Sequence[float], write: Callable[[int], str]) -> str:
        """A sum; of many terms the largest are written out."""
        shown, rest, more = shown_terms(values)
        terms = [write(i) for i in shown]
        written = " + ".join(f"({t})" if t.startswith("-") and k else t for k, t in enumerate(terms))
        return f"{written} + {self.n(rest).inside(PRODUCT)} {text(f' from {more} more')}" if more else written

    # Backward ---------------------------------------------------------------------------------------------------------

    def start(self) -> Iterator[Row]:
        """What the sweep starts with."""
        for v, seed in zip(self.e.outputs, self.e.seeds, strict=True):
            if seed is not None and v.cotangent is not None:
                yield Row(self.d(v).text, (self.array(seed),), "start")

    def contribution(self, step: Step, c: Contribution) -> Iterator[Row]:
        """What a step hands back to one of its arguments."""
        out = step.outputs[0]
        left, sign = self.d(c.value).text, r"\mathrel{+}=" if several(c.value) else "="
        rule, numbers = self.rule(step, c, out), self.numbers(step, c, out)
        if c.array.shape == ():
            parts = (rule, *([numbers] if numbers else []), figure(c.array, self.digits))
            yield Row(left, parts, "", step.number, sign)
            return
        yield Row(left, (rule, self.array(c.array)), "", step.number, sign)
        if numbers and c.array.size:
            at = c.value.traced or ()
            yield Row(text(f"at {place(at)}"), (numbers, figure(c.array[at], self.digits)))

    def rule(self, step: Step, c: Contribution, out: Value) -> str:
        """The contribution in names."""
        found = local(step.prim, c.argument, self.operands(step), Latex(name(out.name)), self.d(out))
        if found is None:
            return text("what its derivative says")
        return rf"{self.d(out).text} \cdot {as_factor(found)}" if is_pointwise(step.prim) else found.text

    def numbers(self, step: Step, c: Contribution, out: Value) -> str:
        """Upstream times local derivative for the traced element."""
        if c.terms is None:
            return ""
        if is_pointwise(step.prim) and len(c.terms) == 1:
            t = c.terms[0]
            args = [self.n(element_of(v.array, t.at)) for v in step.operands]
            found = local_factor(step.prim, c.argument, args, self.n(element_of(out.array, t.at)))
            return rf"{self.n(t.upstream).inside(PRODUCT)} \cdot {as_factor(found)}"
        terms = c.terms
        if not terms:
            return "0"
        return self.sum([t.product for t in terms], lambda i: (self.n(terms[i].upstream) * self.n(terms[i].local)).text)

    def total(self, v: Value) -> Row | None:
        """The sum at a fan-out; None where one contribution arrived, or none."""
        arrived = list(v.arrivals())
        if len(arrived) < 2 or v.cotangent is None:
            return None
        whence = f"sum over steps {listed(list(dict.fromkeys(c.step.number for c in arrived)))}"
        if v.array.shape == ():
            parts = self.sum([float(c.array) for c in arrived], lambda i: self.n(arrived[i].array).inside(PRODUCT))
            return Row(self.d(v).text, (parts, figure(v.cotangent, self.digits)), whence)
        return Row(self.d(v).text, (self.array(v.cotangent),), whence)

    # Gradients --------------------------------------------------------------------------------------------------------

    def gradient(self, g: Gradient) -> Iterator[Row]:
        """A gradient, and finite differences beside it."""
        if len(g.checks) < g.array.size or not g.checks:
            yield Row(self.d(g.value).text, (self.array(g.array),))
        for c in g.checks:
            yield Row(f"{self.d(g.value).text}{place(c.place)}", (figure(c.gradient, 10),), self.check(c))

    def check(self, c: Check) -> str:
        """What finite differences say."""
        return f"finite difference {figure(c.difference, 10) if np.isfinite(c.difference) else 'none'}: {verdict(c)}"


def as_factor(x: Latex) -> str:
    """An expression in a product, in parentheses where it is more than one thing: one sees what is multiplied."""
    whole = x.text.startswith(r"\frac{") and r"\cdot" not in x.text
    return x.text if whole else x.inside(POWER)


def outline(e: Explanation, digits: int, most: int | None) -> Iterator[Item]:
    """The whole explanation, in the order in which text shows it."""
    return _Outline(e, digits, most).items()


class _Outline:
    def __init__(self, e: Explanation, digits: int, most: int | None) -> None:
        self.e, self.rows, self.most = e, Equations(e, digits), most
        self.left = most
        self.summed: set[int] = set()

    def items(self) -> Iterator[Item]:
        e = self.e
        if e.inputs:
            yield Heading("Inputs")
            yield from map(self.rows.input, e.inputs)
        yield Heading("Forward")
        yield from self.forward(e.steps, 2)
        if any(v.cotangent is not None for v in e.outputs):
            yield Heading("Backward: upstream times local derivative")
            self.left = self.most
            yield from self.rows.start()
            yield from self.backward(e.steps, 2)
            for g in e.gradients:
                yield from self.total(g.value)
        if e.gradients:
            yield Heading("Gradients")
            for g in e.gradients:
                yield from self.rows.gradient(g)
        for note in e.notes:
            yield Remark(f"Note: {note}.")

    def enough(self, steps: Sequence[Step], step: Step) -> Remark | None:
        """Counts steps; a remark once there are too many."""
        if self.left is None:
            return None
        if self.left <= 0:
            return Remark(f"... {len(steps) - steps.index(step)} more; steps=None shows all")
        self.left -= 1
        return None

    def forward(self, steps: Sequence[Step], level: int) -> Iterator[Item]:
        for note, step in elided(steps):
            if step is None:
                yield Remark(note)
                continue
            if (enough := self.enough(steps, step)) is not None:
                yield enough
                return
            if step.title:
                yield Heading(f"{step.number}  {step.title}", level)
                yield from self.forward(step.inside, level + 1)
                for v in step.outputs:
                    if v.same_as is not None and origin(v).kind != "constant":
                        yield Row(name(v.name), (name(v.same_as.name), self.rows.array(v.array)), "", step.number)
                continue
            yield from self.rows.forward(step)
            if step.inside:
                yield Heading(f"{step.number}  has a derivative of its own, and computes", level)
                yield from self.forward(step.inside, level + 1)

    def backward(self, steps: Sequence[Step], level: int) -> Iterator[Item]:
        visited = sorted((s for s in steps if s.visit), key=lambda s: s.visit)
        for note, step in elided(visited):
            if step is None:
                yield Remark(note)
                continue
            if (enough := self.enough(visited, step)) is not None:
                yield enough
                return
            for v in step.outputs:
                yield from self.total(v)
            if step.title:
                yield Heading(f"{step.number}  {step.title}", level)
                yield from self.backward(step.inside, level + 1)
                continue
            if step.backward:
                yield Heading(f"{step.number}  by its own derivative", level)
                yield from self.forward(step.backward, level + 1)
            for c in step.contributions:
                yield from self.rows.contribution(step, c)

    def total(self, v: Value) -> Iterator[Row]:
        if id(v) in self.summed:
            return
        row = self.rows.total(v)
        if row is not None:
            self.summed.add(id(v))
            yield row
