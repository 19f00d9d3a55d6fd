r"""B-diagrams: a network of nodes in two halves, the derivative left and the function right.

Run forwards, a node hands the value of its right half on and stores the derivative in its left half. Run backwards from
1 at the end, it multiplies what arrives by its left half and hands it on; where an arrow split, what comes back is
added (Rojas, Neural Networks, 1996, chapter 7). The three cases there are composition, addition, and weighted edges.
"""

from __future__ import annotations

from retrograd.errors import RetrogradError
from retrograd.explain.drawing import Line, Node, Picture
from retrograd.explain.formulas import formula, is_pointwise, local_in_names
from retrograd.explain.numerals import number
from retrograd.explain.program import Explanation
from retrograd.explain.records import Contribution, Step, Value
from retrograd.primitives.arithmetic import MULTIPLY


def b_diagram(e: Explanation, digits: int) -> Picture:
    """The B-diagram of a program of single numbers."""
    return _Diagram(e, digits).picture()


class _Diagram:
    def __init__(self, e: Explanation, digits: int) -> None:
        self.e, self.digits = e, digits
        self.drawn = Picture(direction="right")
        self.nodes: dict[int, Node] = {}
        self.weighted: dict[int, tuple[Value, float]] = {}  # a value that is another one times a constant

    def picture(self) -> Picture:
        for step in self.e.steps:
            self.refuse(step)
            factor = _weight(step)
            if factor is not None and not self.is_result(step):
                self.weighted[id(step.outputs[0])] = factor
            else:
                self.step(step)
        for v in self.e.outputs:
            end = self.drawn.node(v.name, self.value(v), Line("feed 1", "gradient"), kind="output")
            self.connect(v, end, None)
        self.drawn.nodes.sort(key=lambda node: node.kind != "input")  # those come first
        return self.drawn

    def refuse(self, step: Step) -> None:
        """Only single numbers have a B-diagram."""
        if step.title or not is_pointwise(step.prim) or step.outputs[0].array.shape:
            what = step.title or step.formula
            raise RetrogradError(
                f"a B-diagram shows a program of single numbers; step {step.number} ({what}) is something else: "
                "look at svg() or rg.graph instead"
            )

    def is_result(self, step: Step) -> bool:
        return any(v is step.outputs[0] for v in self.e.outputs)

    def step(self, step: Step) -> None:
        out = step.outputs[0]
        operands = [v.name for v in step.operands]
        back = sorted(step.contributions, key=lambda c: c.argument)
        assert step.prim is not None
        right = [Line(formula(step.prim, operands), "title"), self.value(out)]
        left: list[Line] = []
        for c in back:
            local = local_in_names(step.prim, c.argument, operands, out.name, "")
            if len(back) == 1:
                left += [Line(_strip(local), "title"), self.number(c.factor)]
            else:
                value = "" if _is_number(local) else f" = {number(c.factor, self.digits)}"
                left.append(Line(f"to {c.value.name}: {_strip(local)}{value}", "value"))
        node = Node([], "step", f"step {step.number}: {out.name} = {step.formula}", halves=(left, right))
        self.drawn.nodes.append(node)
        self.nodes[id(out)] = node
        arrived = {c.argument: c for c in back}
        for i, v in enumerate(step.operands):
            if v.kind != "number" and not _is_constant(v):
                self.connect(v, node, arrived.get(i))

    def connect(self, v: Value, node: Node, c: Contribution | None) -> None:
        """An arrow into a node, with its weight, and with what comes back along it."""
        weight = 1.0
        back = None if c is None else float(c.array)
        label = []
        while id(v) in self.weighted:
            v, factor = self.weighted[id(v)]
            weight *= factor
        if weight != 1.0:
            label.append(Line(f"weight {number(weight, self.digits)}", "value"))
        if back is not None:
            label.append(Line(f"back {number(back * weight, self.digits)}", "gradient"))
        source = self.nodes.get(id(v))
        if source is None:
            source = self.nodes[id(v)] = self.drawn.node(v.name, self.value(v), kind="input")
            if v.cotangent is not None:
                source.lines.append(
                    Line(f"d{self.e.output}/d{v.name} = {number(v.cotangent, self.digits)}", "gradient")
                )
        self.drawn.edge(source, node, *label)

    def value(self, v: Value) -> Line:
        return Line(number(v.array, self.digits), "value")

    def number(self, x: object) -> Line:
        return Line(number(x, self.digits), "value")


def _weight(step: Step) -> tuple[Value, float] | None:
    """The value and the constant, if a step multiplies a value by a constant."""
    if step.prim is not MULTIPLY or len(step.contributions) != 1:  # type: ignore[comparison-overlap]
        return None
    i = step.contributions[0].argument
    other = step.operands[1 - i]
    return (step.operands[i], float(other.array)) if other.kind == "number" or _is_constant(other) else None


def _is_constant(v: Value) -> bool:
    return v.kind == "constant"


def _is_number(text: str) -> bool:
    return text.strip("()-").replace(".", "", 1).isdigit()


def _strip(text: str) -> str:
    """Without parentheses around the whole."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if not depth and i < len(text) - 1:
            return text
    return text[1:-1] if text.startswith("(") else text
