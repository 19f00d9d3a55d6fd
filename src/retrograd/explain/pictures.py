"""The picture of an explanation: values and gradients in the boxes, contributions on the arrows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrograd.explain.drawing import Line, Node, Picture
from retrograd.explain.numerals import array_text, is_small, number
from retrograd.explain.program import Explanation
from retrograd.explain.records import Contribution, Step, Value
from retrograd.explain.text import elided, origin

WIDEST = 44  # characters of a line
LABEL = 22  # characters on an arrow
OPEN = 40  # blocks with so many steps inside, together, are opened


def explanation_picture(e: Explanation, digits: int, most: int, links: dict[int, str] | None = None) -> Picture:
    """The picture of an explanation.

    Args:
        e: the explanation.
        digits: significant digits.
        most: how many steps are drawn.
        links: id of a step -> where a click on its box leads.
    """
    return _Drawer(e, digits, most, links or {}).picture()


class _Drawer:
    def __init__(self, e: Explanation, digits: int, most: int, links: dict[int, str]) -> None:
        self.e, self.digits, self.most, self.links = e, digits, most, links
        self.opens = sum(1 for _ in e.all_steps()) <= OPEN

    def picture(self) -> Picture:
        picture = Picture()
        boxes: dict[int, Node] = {}
        self.steps(self.e.steps, boxes, picture)
        for v in self.e.outputs:
            if id(v) in boxes and boxes[id(v)].kind == "step":
                boxes[id(v)].kind = "output"
        return picture

    def steps(self, steps: Sequence[Step], boxes: dict[int, Node], picture: Picture) -> None:
        """Boxes for steps, and for what they take from outside when it is first used."""
        shown = [s for _, s in elided(steps)]
        half = self.most // 2 if len(shown) > self.most else len(shown)
        fold: Node | None = None
        folded = 0
        for i, step in enumerate(shown):
            if step is None or half <= i < len(shown) - half:
                left_out = [step] if step is not None else _between(steps, shown, i)
                folded += len(left_out)
                fold = fold or picture.node("", kind="fold")
                fold.lines[0] = Line(f"{folded} more steps", "title")
                for s in left_out:
                    self.arrows(s, fold, boxes, picture, labelled=False)
                    boxes.update((id(v), fold) for v in s.outputs)
                continue
            node = self.step(step, picture)
            self.arrows(step, node, boxes, picture)
            boxes.update((id(v), node) for v in step.outputs)

    def step(self, step: Step, picture: Picture) -> Node:
        """The box of a step."""
        names = ", ".join(v.name for v in step.outputs)
        title = f"{names} = {step.title or step.formula}"
        where = f"{Path(step.site.line.file).name}:{step.site.line.number}: {step.site.line.text}" if step.site else ""
        node = picture.node(_cut(title), tip=f"step {step.number}: {title}" + (f"\n{where}" if where else ""))
        node.link = self.links.get(id(step), "")
        for v in step.outputs[:3]:
            node.lines += self.numbers(v, several=len(step.outputs) > 1)
        if step.title:
            node.kind = "block"
            if self.opens and step.inside:
                node.inside = Picture()
                inner: dict[int, Node] = {}
                self.steps(step.inside, inner, node.inside)
                for v in step.outputs:
                    if v.same_as is not None and id(v.same_as) in inner and v.name != v.same_as.name:
                        last = node.inside.node(f"{v.name} = {v.same_as.name}", kind="port")
                        node.inside.edge(inner[id(v.same_as)], last)
            elif step.inside:
                node.lines.append(Line(f"{len(step.inside)} steps inside", "note"))
        return node

    def numbers(self, v: Value, *, several: bool = False) -> list[Line]:
        """Value and gradient of a value."""
        before = f"{v.name}: " if several else ""
        found = [Line(f"{before}{compact(v.array, self.digits)}", "value")]
        if v.cotangent is not None:
            found.append(Line(f"grad {compact(np.asarray(v.cotangent), self.digits)}", "gradient"))
        return found

    def arrows(
        self, step: Step, node: Node, boxes: dict[int, Node], picture: Picture, *, labelled: bool = True
    ) -> None:
        """Arrows from the operands of a step; on each what goes back along it."""
        back = {c.argument: c for c in step.contributions}
        joined = {e.source for e in picture.edges if e.target is node}
        for i, v in enumerate(step.operands):
            if v.kind == "number" or (origin(v).kind == "constant" and not v.array.shape):
                continue
            source = boxes.get(id(v))
            if source is None:
                source = boxes[id(v)] = self.entry(v, picture)
            if source is node or (source in joined and (not labelled or source.kind in ("fold", "block"))):
                continue
            joined.add(source)
            label = self.label(back[i]) if labelled and i in back else []
            picture.edge(source, node, *label)

    def label(self, c: Contribution) -> list[Line]:
        """A contribution; of a large array its size."""
        written = array_text(c.array, self.digits)
        if len(written) > LABEL:
            written = f"[{', '.join(map(str, c.array.shape))}]"
        return [Line(written, "gradient")]

    def entry(self, v: Value, picture: Picture) -> Node:
        """The box of a value that no step here computed."""
        kind = origin(v).kind if v.same_as is None else "port"
        shown = {"argument": "input", "captured": "input", "parameter": "parameter", "port": "port"}
        lines = self.numbers(v)
        return picture.node(Line(_cut(v.name), "title"), *lines, kind=shown.get(kind, "constant"))


def compact(array: np.ndarray, digits: int, width: int = WIDEST - 8) -> str:
    """An array on a short line: whole, or with fewer digits, or its shape and range."""
    for fewer in (digits, 3):
        written = array_text(array, fewer)
        if is_small(array) and len(written) <= width:
            return written
    shape = f"[{', '.join(map(str, array.shape))}]"
    if not array.size or array.dtype.kind == "b":
        return shape
    return f"{shape}: {number(array.min(), 3)} to {number(array.max(), 3)}"


def _between(steps: Sequence[Step], shown: Sequence[Step | None], i: int) -> list[Step]:
    """The steps that a gap in `shown` stands for."""
    before, after = shown[i - 1], shown[i + 1]
    assert before is not None
    assert after is not None
    return list(steps[steps.index(before) + 1 : steps.index(after)])


def _cut(text: str, width: int = WIDEST) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
