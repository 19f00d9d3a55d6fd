"""`explain`: a program, step by step, forward and back, with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.core.box import Box, box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Interpreter
from retrograd.core.source import Line
from retrograd.core.tree import flatten, unflatten
from retrograd.core.types import check_dtype
from retrograd.errors import RetrogradError
from retrograd.explain import backward, naming
from retrograd.explain.differences import compare
from retrograd.explain.drawing import Drawing, svg
from retrograd.explain.layout import listed
from retrograd.explain.recorder import Recorder
from retrograd.explain.records import Check, Gradient, Step, Value
from retrograd.explain.widen import Widened, ground, wide
from retrograd.ops.inputs import array_of
from retrograd.primitives.arithmetic import STOP_GRADIENT


@dataclass(eq=False)
class Explanation:
    """A program explained: printing it shows every step; the attributes hold the records.

    Attributes:
        name: the function; `line` is where it stands.
        inputs: arguments, then parameters, captured tensors and constants, in the order of their first use.
        steps: what ran, in order; a step may open into more (`Step.inside`).
        outputs: what the function returned.
        seeds: the derivative that the sweep started with, for each output.
        gradients: for every argument and parameter, with the elements that were checked.
        output: what the derivatives are of: the name of the result, or of the sum of its elements.
    """

    name: str
    line: Line | None
    inputs: list[Value]
    steps: list[Step]
    outputs: list[Value]
    seeds: list[np.ndarray | None]
    gradients: list[Gradient]
    output: str
    notes: list[str] = field(default_factory=list)

    def all_steps(self) -> Iterator[Step]:
        """Every step, those inside others too."""
        for step in self.steps:
            yield from step.walk()

    def gradient(self, name: str) -> np.ndarray:
        """The gradient of the argument or parameter called `name`."""
        for g in self.gradients:
            if g.value.name == name:
                return g.array
        names = ", ".join(g.value.name for g in self.gradients)
        raise RetrogradError(f"there is no gradient of {name!r}; there are those of {names or 'nothing'}")

    def rounding_error(self, dtype: Any = "float32") -> float:
        """How far the result may be off, to first order, if every step is rounded to `dtype` (Linnainmaa 1970).

        A function with a derivative of its own counts as one step.

        Raises:
            RetrogradError: a loop stayed closed, so that its steps are not known; or `dtype` is no floating type.
        """
        from retrograd.explain.rounding import rounding_error

        return rounding_error(self.steps, dtype)

    def text(self, *, digits: int = 6, steps: int | None = 60) -> str:
        """The explanation as text.

        Args:
            digits: how many significant digits are shown.
            steps: how many steps are shown at most; None for all.
        """
        from retrograd.explain.text import explanation_text

        return explanation_text(self, digits, steps)

    def latex(self, *, digits: int = 6, steps: int | None = 60) -> str:
        """The explanation as a LaTeX fragment, for a document that loads amsmath; arguments as for `text`."""
        from retrograd.explain.latex.document import latex_document
        from retrograd.explain.latex.equations import outline

        return latex_document(self.name, outline(self, digits, steps))

    def markdown(self, *, digits: int = 6, steps: int | None = 60) -> str:
        """The explanation as Markdown, with formulas in LaTeX; arguments as for `text`."""
        from retrograd.explain.latex.document import markdown_document
        from retrograd.explain.latex.equations import outline

        return markdown_document(self.name, outline(self, digits, steps))

    def svg(self, *, digits: int = 5, most: int = 60) -> str:
        """A picture of the program with the values and gradients of every step, and what goes back along every arrow.

        Args:
            digits: how many significant digits are shown.
            most: how many steps are drawn; the middle of a longer program is one box.
        """
        from retrograd.explain.pictures import explanation_picture

        return svg(explanation_picture(self, digits, most), label=f"{self.name}: values and gradients")

    def b_diagram(self, *, digits: int = 6) -> Drawing:
        """A B-diagram (Rojas, 1996): every node in two halves, the derivative left and the function right.

        Run forwards it computes the right halves; fed with 1 at the end and run backwards, it multiplies by the left
        halves and adds where arrows split. A product with a constant is an arrow with a weight.

        Returns:
            A `Drawing`: notebooks show it; `svg()`, `save("diagram.svg")`.

        Raises:
            RetrogradError: the program has values that are not single numbers, or steps that are not pointwise.
        """
        from retrograd.explain.bdiagram import b_diagram

        return Drawing(f"B-diagram of {self.name}", b_diagram(self, digits))

    def html(self, *, digits: int = 6, steps: int | None = 60, key: str = "") -> str:
        """The explanation as a piece of HTML without scripts: a picture, and the steps, which open one at a time.

        Args:
            digits: how many significant digits are shown.
            steps: how many steps are shown at most; None for all.
            key: what distinguishes its names from those of other pieces on the same page; by default its content.
        """
        from retrograd.explain.html import explanation_html

        return explanation_html(self, digits, steps, key)

    def save(self, path: str | Path, *, digits: int = 6, steps: int | None = 60) -> None:
        """Write a file that needs nothing else: .html, .svg (the picture alone), .tex, .md or .txt.

        Args:
            path: where; what it ends in decides what is written.
            digits: how many significant digits are shown.
            steps: how many steps are shown at most; None for all.

        Raises:
            RetrogradError: it ends in something else.
        """
        from retrograd.explain.html import save

        save(self, Path(path), digits, steps)

    def _repr_html_(self) -> str:
        from retrograd.explain.html import explanation_html, fresh_key

        return explanation_html(self, 6, 60, fresh_key())

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


class Run:
    """A function and its arguments, to be run in float64 as often as needed."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any]) -> None:
        self.f = f
        self.below: Interpreter = ground("explain")
        self.leaves: list[Any] = []  # arrays, or what passes as it is
        self.names: list[str] = []
        self.weak: list[bool] = []
        trees = [_as_array(a) for a in args]
        for name, tree in zip(naming.argument_names(f, len(args)), trees, strict=True):
            for path, leaf in naming.leaf_paths(tree, name):
                array = _numbers(leaf)
                self.leaves.append(leaf if array is None else array)
                self.names.append(path)
                self.weak.append(type(leaf) is float)
        self.structure = flatten(trees)[1]

    def call(self, leaves: Sequence[Any]) -> list[Any]:
        """The outputs that are arrays."""
        result = self.f(*unflatten(self.structure, list(leaves)))
        return [array_of(o) for o in flatten(result)[0] if isinstance(o, Box | Cell | np.ndarray | float)]

    def record(self, *, sites: bool = True) -> tuple[Recorder, list[Any]]:
        """Run once, recording."""
        level = Recorder(self.below, naming.names_in_scope(self.f), sites=sites)
        with level.active():
            leaves = [
                level.argument(x, n, follow=x.dtype.kind == "f", weak=w) if isinstance(x, np.ndarray) else x
                for x, n, w in zip(self.leaves, self.names, self.weak, strict=True)
            ]
            outs = [level.own(o) for o in self.call(leaves)]
        return level, outs

    def replay(
        self, snapshot: dict[Cell, Any], instead: Mapping[Cell, np.ndarray], arrays: Mapping[str, np.ndarray]
    ) -> list[np.ndarray]:
        """The outputs with some cells, or arguments (by name), replaced."""
        level = Widened(self.below, snapshot, instead)
        with level.active():
            leaves = [
                box(arrays.get(n, x), None, None, w) if isinstance(x, np.ndarray) else x
                for x, n, w in zip(self.leaves, self.names, self.weak, strict=True)
            ]
            return [level.array(level.bare(o)) for o in self.call(leaves)]


def _as_array(arg: Any) -> Any:
    """A list of Python numbers with a float in it is one array of float64; anything else stays."""
    kinds = {type(x) for x in flatten(arg)[0]} if type(arg) is list else set()
    return np.array(arg, np.float64) if float in kinds and kinds <= {int, float} else arg


def _numbers(leaf: Any) -> np.ndarray | None:
    """A leaf that is an array, as float64 if it is floating; None for what is passed on untouched."""
    if isinstance(leaf, Cell) and leaf.array is not None:
        return np.array(wide(leaf.array))
    if isinstance(leaf, Box):
        return np.array(wide(leaf.value))
    if isinstance(leaf, np.ndarray | np.generic):
        return np.array(wide(np.asarray(leaf, check_dtype(leaf.dtype))))
    return np.asarray(leaf) if type(leaf) is float else None


def explain(f: Callable[..., Any], *args: Any, check: bool = True, samples: int = 6) -> Explanation:
    """Every step of ``f(*args)``, forward and back: formula, numbers plugged in, derivatives, and a check beside them.

    The program is run in float64. Derivatives are those of the result; of the sum of its elements if it is an array.
    Parameters that the function uses, and tensors that require gradients, get their gradients too. Cells are left as
    they are, whatever the function assigns.

    Args:
        f: any function of arrays, numbers, trees of them, models.
        args: its arguments. Floats are differentiated; integers, strings and models are passed on as they are.
        check: compare gradients with finite differences, which runs `f` four times for each element.
        samples: how many elements of each array are checked: the largest gradients, and some others.

    Returns:
        An `Explanation`: print it.

    >>> import retrograd as rg
    >>> explanation = rg.explain(lambda x: rg.sum(rg.tanh(x) ** 2), [0.05, 0.10])
    >>> explanation.gradient("x")
    array([0.09966737, 0.19735584])
    """
    run = Run(f, args)
    recorder, outs = run.record()
    return assembled(run, recorder, outs, check=check, samples=samples)


def assembled(run: Run, recorder: Recorder, outs: Sequence[Any], *, check: bool, samples: int) -> Explanation:
    """The sweep, the details of the steps, and the checks."""
    output, notes = _name_outputs(run.f, recorder, outs)
    seeds = [np.ones(o.shape) if o.dtype.kind == "f" else None for o in outs]
    backward.run_sweep(recorder, outs, seeds)
    steps = [s for top in recorder.steps for s in top.walk()]
    steps += [s for step in steps for s in step.backward]
    backward.trace_elements(steps, list(recorder.values.values()))
    for step in steps:
        backward.spell(step)
        backward.complete(step, lambda v: f"d{output}/d{v.name}")
    inputs = [v for v in recorder.values.values() if v.kind in ENTRIES and v.same_as is None and _used(v, steps)]
    gradients = [
        Gradient(v, np.zeros(v.array.shape) if v.cotangent is None else np.asarray(v.cotangent))
        for v in recorder.leaves.values()
    ]
    if check:
        check_gradients(run, recorder, seeds, gradients, [sampled(g.array, samples) for g in gradients])
    plain = naming.plain_function(run.f)
    line = Line(plain.__code__.co_filename, plain.__code__.co_firstlineno, "") if plain is not None else None
    name = getattr(run.f, "__name__", type(run.f).__name__)
    stop: Any = STOP_GRADIENT
    if stopped := [s.number for s in steps if s.prim is stop]:
        notes.append(f"step {listed(stopped)} stops gradients; finite differences see through it")
    outputs = [recorder.value_of(o) for o in outs]
    return Explanation(name, line, inputs, recorder.steps, outputs, seeds, gradients, output, notes)


ENTRIES = ("argument", "parameter", "cell", "captured", "constant")


def _used(value: Value, steps: Sequence[Step]) -> bool:
    """Whether a value deserves a line among the inputs: numbers written in the code stand in the formulas."""
    return value.kind != "constant" or bool(value.array.shape)


def _name_outputs(f: Any, recorder: Recorder, outs: Sequence[Any]) -> tuple[str, list[str]]:
    """Give unnamed results the function's name; what the derivatives are of, and what there is to say."""
    floats = [o for o in outs if o.dtype.kind == "f"]
    for o in outs:
        value = recorder.value_of(o)
        if value.kind == "step" and value.name.startswith("t") and value.name[1:2].isdigit():
            value.name = recorder.unique(naming.result_name(f))
    if not outs:
        return "y", ["the function returned no array: there is nothing to differentiate"]
    if not floats:
        return "y", ["the result is not floating: there is nothing to differentiate"]
    if all(o.node is None for o in floats):
        what = "no argument is floating" if not recorder.leaves else "the result depends on no input that is floating"
        return recorder.value_of(floats[0]).name, [f"{what}: there is nothing to differentiate"]
    name = recorder.value_of(floats[0]).name
    if len(floats) == 1 and not floats[0].shape:
        return name, []
    names = ", ".join(recorder.value_of(o).name for o in floats)
    total = "S"
    what = f"all elements of {names}" if len(floats) > 1 or floats[0].shape else names
    return total, [f"the result is not one number: the derivatives are of {total}, the sum of {what}"]


def check_gradients(
    run: Run, recorder: Recorder, seeds: Sequence[Any], gradients: Sequence[Gradient], places: Sequence[Sequence[Any]]
) -> None:
    """Finite differences for some places of each gradient."""
    targets = {id(v): leaf.target for leaf, v in recorder.leaves.items()}
    for g, chosen in zip(gradients, places, strict=True):
        target = targets[id(g.value)]
        for at in chosen:
            expected = float(g.array[at])

            def total(offset: float, value: Value = g.value, at: Any = at, target: Any = target) -> float:
                moved = np.array(value.array)
                moved[at] += offset
                cells = {target: moved} if isinstance(target, Cell) else {}
                named = {} if cells else {target: moved}
                outs = run.replay(recorder.snapshot, cells, named)
                return sum(float(np.sum(o)) for o, s in zip(outs, seeds, strict=True) if s is not None)

            with np.errstate(all="ignore"):
                found = compare(total, float(g.value.array[at]), expected)
            g.checks.append(Check(at, expected, found.value, found.agrees, found.kink))


def sampled(array: np.ndarray, samples: int) -> list[tuple[int, ...]]:
    """Which elements are checked: all if they are few, else the largest ones and some spread over the rest."""
    if array.size <= samples:
        chosen = list(range(array.size))
    else:
        order = np.argsort(-np.abs(array).reshape(-1), kind="stable")
        spread = order[np.linspace(0, array.size - 1, samples).astype(int)]
        chosen = sorted(list(dict.fromkeys(int(i) for i in [*order[: samples // 2], *spread]))[:samples])
    return [tuple(int(i) for i in np.unravel_index(i, array.shape)) for i in chosen]
