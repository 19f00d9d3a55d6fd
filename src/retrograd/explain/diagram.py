"""`rg.graph`: a picture of any program, from its traced graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import QUIET, interpreter
from retrograd.core.primitive import Primitive
from retrograd.core.tree import flatten, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.explain import naming
from retrograd.explain.drawing import Drawing, Edge, Line, Node, Picture
from retrograd.explain.formulas import formula
from retrograd.explain.numerals import array_text, number
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var, subgraphs
from retrograd.graph.keys import is_array
from retrograd.graph.trace import trace
from retrograd.ops.inputs import array_of
from retrograd.primitives.control import Call, Cond, CustomVJP
from retrograd.primitives.loops import Scan
from retrograd.primitives.while_loop import While
from retrograd.transforms.arguments import flat_arrays, name_of

MOST = 200  # boxes; a program with more is folded
SMALL = 4  # values with at most so many elements are shown
SEVERAL, LISTED = 5, 12  # more values of one box than these are put together; so many of them are listed
VALUES = ("input", "parameter", "constant", "output", "port")  # kinds of boxes that compute nothing
WIDEST = 46  # a formula with more characters gives way to the name of the operation


def graph(f: Callable[..., Any], *args: Any, values: bool = True, most: int = MOST) -> Drawing:
    """Draw the program that ``f(*args)`` is: a box for every operation, with its formula, shape, dtype, small values.

    Calls of jitted functions, branches and loops are boxes that contain their bodies. The function is traced, as
    `rg.jit` does it; cells are left as they are.

    Args:
        f: any function of arrays, numbers, trees of them, models; jitted or not.
        args: its arguments.
        values: run the program once and show values of at most four elements.
        most: how many boxes are drawn; what is left of a larger program is folded, and a note says so.

    Returns:
        A `Drawing`: a notebook shows it; `svg()`, `text()`, `save("program.svg")`.

    >>> import retrograd as rg
    >>> print(rg.graph(lambda x: rg.sum(rg.tanh(x) ** 2), rg.tensor([0.05, 0.10])))
    <lambda>
      x  f32[2]  [0.05, 0.1]
      t1 = tanh(x)  f32[2]  [0.0499584, 0.099668]
      t2 = t1 ** 2  f32[2]  [0.00249584, 0.00993371]
      t3 = sum(t2)  f32  0.0124295
      result = t3
    <BLANKLINE>
    """
    plain = getattr(f, "f", f) if type(f).__name__ == "Jitted" else f
    traced, names, arrays = _traced(plain, args)
    depth, notes = _depth(traced.graph, most), []
    if depth < DEEPEST and any(subgraphs(e.prim) for e in traced.graph.equations):
        notes.append("blocks that are too large to be drawn are closed")
    drawer = _Drawer(most, depth)
    picture = Picture()
    shown = _Shown()
    for var, name, extra, array in zip(traced.graph.inputs, names, [None] * traced.n_args + traced.extras, arrays):  # noqa: B905 - as many inputs as names
        kind = "input" if extra is None else _kind(extra)
        if extra is None or _is_used(traced.graph, var):
            shown.enter(var, name, picture.node(name, *_described(var.type, array if values else None), kind=kind))
        shown.values[var] = array if values else None
    with interpreter(QUIET), np.errstate(all="ignore"):
        drawer.body(traced.graph, shown, picture)
    results = [("result" if traced.n_results == 1 else f"result[{i}]") for i in range(traced.n_results)]
    results += [f"new {cell.name}" for cell in traced.written]
    drawer.results(traced.graph, results, shown, picture)
    gather(picture)
    if drawer.folded:
        notes.append(f"{drawer.folded} operations are folded; rg.graph(..., most=N) draws more")
    return Drawing(name_of(f), picture, notes)


def _traced(f: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, list[str], list[Any]]:
    """The traced program, and the name and value of each of its inputs."""
    flat, structure = flatten(tuple(args))
    paths = [p for name, a in zip(naming.argument_names(f, len(args)), args, strict=True) for p in _paths(a, name)]
    places = [i for i, x in enumerate(flat) if is_array(x) or isinstance(x, Cell)]
    values = [array_of(flat[i]) for i in places]

    def run(*boxes: Any) -> list[Any]:
        full = list(flat)
        for i, b in zip(places, boxes, strict=True):
            full[i] = b
        return flat_arrays(f(*unflatten(structure, full)), f"the result of {name_of(f)}")[0]

    flags = [isinstance(v, Box) and v.node is not None for v in values]
    traced = trace(run, [type_of(v) for v in values], f"graph of {name_of(f)}", requires_grad=flags)
    known = {id(x): n for n, x in naming.names_in_scope(f).items()}
    names = [paths[i] for i in places] if len(paths) == len(flat) else [f"x{i}" for i in range(len(places))]
    names += [_extra_name(x, known) for x in traced.extras]
    bare = [v.value if isinstance(v, Box) else v for v in [*values, *traced.extra_values()]]
    return traced, names, [v if isinstance(v, np.ndarray | float | int | bool) else None for v in bare]


def _paths(arg: Any, name: str) -> list[str]:
    return [path for path, _ in naming.leaf_paths(arg, name)]


def _extra_name(extra: Any, known: dict[int, str]) -> str:
    default = isinstance(extra, Cell) and extra.name not in ("parameter", "buffer", "cell", "setting")
    return extra.name if default else known.get(id(extra), getattr(extra, "name", "") or "constant")


def _kind(extra: Any) -> str:
    return "parameter" if isinstance(extra, Cell) and extra.requires_grad else "constant"


def _is_used(body: Graph, var: Var) -> bool:
    return any(var in e.operands for e in body.equations) or var in body.outputs


def _described(type: ArrayType, array: Any) -> list[Line]:
    """Type, and value if it is small."""
    found = [Line(str(type), "type")]
    if array is not None and np.asarray(array).size <= SMALL and np.asarray(array).ndim <= 2:
        found.append(Line(array_text(np.asarray(array)), "value"))
    return found


# Which blocks are opened ----------------------------------------------------------------------------------------------

DEEPEST = 4


def _size(body: Graph, depth: int) -> int:
    inner = sum(_size(g, depth - 1) for e in body.equations for g in _bodies(e.prim)) if depth else 0
    return len(body.equations) + len(body.inputs) + inner


def _operations(body: Graph) -> int:
    return len(body.equations) + sum(_operations(g) for e in body.equations for g in _bodies(e.prim))


def _bodies(prim: Primitive) -> list[Graph]:
    return [prim.primal] if isinstance(prim, CustomVJP) else subgraphs(prim)


def _depth(body: Graph, most: int) -> int:
    """How deep blocks can be opened."""
    return next((d for d in range(DEEPEST, 0, -1) if _size(body, d) <= most), 0)


# Drawing --------------------------------------------------------------------------------------------------------------


class _Shown:
    """The variables of one body: their names, boxes, and values where these are known."""

    def __init__(self) -> None:
        self.names: dict[Var, str] = {}
        self.boxes: dict[Var, Node] = {}
        self.values: dict[Var, Any] = {}

    def enter(self, var: Var, name: str, node: Node) -> None:
        self.names[var], self.boxes[var] = name, node

    def name(self, o: Operand) -> str:
        if isinstance(o, Var):
            return self.names.get(o, "...")
        text = number(np.asarray(o.value))
        return f"({text})" if text.startswith("-") else text

    def value(self, o: Operand) -> Any:
        return o.value if isinstance(o, Literal) else self.values.get(o)


class _Drawer:
    """Draws bodies, blocks inside them too.

    Args:
        most: boxes in one body.
        depth: how deep blocks are opened.
    """

    def __init__(self, most: int, depth: int) -> None:
        self.most, self.depth = most, depth
        self.folded = 0
        self.count = 0
        self.taken: set[str] = set()

    def body(self, body: Graph, shown: _Shown, picture: Picture) -> None:
        """The equations of a graph; the middle of a long one is one box."""
        self.taken |= set(shown.names.values())
        equations = body.equations
        room = max(self.most - len(picture.nodes), 10)
        first, last = (room // 2, len(equations) - room // 2) if len(equations) > room else (len(equations),) * 2
        fold: Node | None = None
        for i, e in enumerate(equations):
            if first <= i < last:
                if fold is None:
                    fold = picture.node(f"{last - first} operations", kind="fold")
                    self.folded += last - first
                self._run(e, shown)
                for v in e.outs:
                    shown.enter(v, "...", fold)
                self._arrows(e, fold, shown, picture)
            else:
                follower = equations[i + 1] if i + 1 < len(equations) else None
                self.equation(e, self._target(e, follower), shown, picture)

    def _target(self, e: Equation, follower: Equation | None) -> str:
        """What an equation's result is called: the last of a line has the name that the line assigns to."""
        self.count += 1
        target = naming.target_of_line(e.line.text) if e.line is not None else ""
        if not target or (follower is not None and follower.line == e.line):
            return f"t{self.count}"
        found, n = target, 2
        while found in self.taken:
            found, n = f"{target}_{n}", n + 1
        self.taken.add(found)
        return found

    def equation(self, e: Equation, name: str, shown: _Shown, picture: Picture) -> None:
        """One operation, or a block."""
        names = [name] if len(e.outs) == 1 else [f"{name}[{i}]" for i in range(len(e.outs))]
        tip = f"{e.prim.name}\n{e.line}" if e.line is not None else e.prim.name
        if subgraphs(e.prim):
            node = self._block(e, names, tip, shown, picture)
        else:
            self._run(e, shown)
            operands = [shown.name(o) for o in e.operands]
            text = f"{name} = {formula(e.prim, operands, len(e.operands[0].shape) if e.operands else None)}"
            node = picture.node(text if len(text) <= WIDEST else f"{name} = {e.prim.name}(...)", tip=tip)
            node.lines += _described(e.outs[0].type, shown.value(e.outs[0]))
        for v, n in zip(e.outs, names, strict=True):
            shown.enter(v, n, node)
        self._arrows(e, node, shown, picture)

    def _arrows(self, e: Equation, node: Node, shown: _Shown, picture: Picture) -> None:
        """Arrows from what an equation takes; several results of one box make one arrow."""
        sources = [shown.boxes[o] for o in e.operands if isinstance(o, Var) and o in shown.boxes]
        present = {x.source for x in picture.edges if x.target is node} if node.kind in ("fold", "block") else set()
        for source in sources:
            if source is not node and source not in present:
                picture.edge(source, node)
                if node.kind in ("fold", "block"):
                    present.add(source)

    def _run(self, e: Equation, shown: _Shown) -> None:
        """Compute an equation whose operands are known."""
        args = [shown.value(o) for o in e.operands]
        if any(a is None for a in args):
            return
        out = e.prim.evaluate(*args)
        shown.values.update(zip(e.outs, map(np.asarray, out if e.prim.multi else (out,)), strict=True))

    def results(self, body: Graph, names: Sequence[str], shown: _Shown, picture: Picture, kind: str = "output") -> None:
        """A box for each result of a body."""
        for o, name in zip(body.outputs, names, strict=False):
            value = shown.name(o)
            node = picture.node(f"{name} = {value}" if name != value else name, kind=kind)
            if isinstance(o, Var) and o in shown.boxes:
                picture.edge(shown.boxes[o], node)

    # Blocks -----------------------------------------------------------------------------------------------------------

    def _block(self, e: Equation, names: Sequence[str], tip: str, shown: _Shown, picture: Picture) -> Node:
        node = picture.node(f"{_several(names)} = {_title(e.prim)}", kind="block", tip=tip)
        node.lines.append(Line(_several([str(v.type) for v in e.outs]), "type"))
        if not self.depth:
            inside = sum(_operations(g) for g in _bodies(e.prim))
            node.lines.append(Line(f"{inside} operations inside", "note"))
            self._run(e, shown)
            node.lines += _described(e.outs[0].type, shown.values.get(e.outs[0]))[1:]
            return node
        outer = [shown.name(o) for o in e.operands]
        known = [shown.value(o) for o in e.operands]
        taken = None
        if isinstance(e.prim, Cond) and known[0] is not None:
            taken = e.prim.true if bool(known[0]) else e.prim.false
        parts = list(_parts(e.prim, outer, names))
        node.inside = Picture()
        self.depth -= 1
        for title, graph, inputs, outputs in parts:
            target = node.inside
            if title:
                target = Picture()
                ran = " (it runs)" if graph is taken else ""
                node.inside.node(title + ran, kind="block").inside = target
            same = isinstance(e.prim, Call | CustomVJP) or graph is taken
            values = known[-len(graph.inputs) :] if same and graph.inputs else []
            found = self._inner(graph, inputs, outputs, values, target)
            if same:
                shown.values.update(zip(e.outs, found, strict=True))
        self.depth += 1
        if not all(v in shown.values for v in e.outs):
            self._run(e, shown)
        node.lines += _described(e.outs[0].type, shown.values.get(e.outs[0]))[1:]
        return node

    def _inner(
        self, body: Graph, inputs: Sequence[str], outputs: Sequence[str], values: Sequence[Any], picture: Picture
    ) -> list[Any]:
        """The body of a block; its results, if they are known."""
        shown = _Shown()
        for i, (var, title) in enumerate(zip(body.inputs, inputs, strict=True)):
            shown.values[var] = values[i] if values else None
            name = title.partition(" (")[0]  # "carried (from x)" is called carried
            shown.names[var] = name
            if _is_used(body, var):
                shown.enter(var, name, picture.node(title, Line(str(var.type), "type"), kind="port"))
        self.body(body, shown, picture)
        self.results(body, outputs, shown, picture, kind="port")
        gather(picture)
        return [shown.value(o) for o in body.outputs]


def _several(words: Sequence[str]) -> str:
    return ", ".join(words if len(words) <= 4 else [*words[:2], "...", words[-1]])


def gather(picture: Picture) -> None:
    """Put many values that all go to one box, or come from one, into one box: a line each."""
    for end in ("source", "target"):  # boxes at the start of one arrow alone, then those at the end of one
        other = "target" if end == "source" else "source"
        arrows: dict[Node, list[Edge]] = {}
        for e in picture.edges:
            arrows.setdefault(e.source, []).append(e)
            arrows.setdefault(e.target, []).append(e)
        groups: dict[tuple[Node, str], list[Edge]] = {}
        for node in picture.nodes:
            own = arrows.get(node, [])
            if len(own) == 1 and getattr(own[0], end) is node and node.kind in VALUES:
                groups.setdefault((getattr(own[0], other), node.kind), []).append(own[0])
        for (_, kind), edges in groups.items():
            if len(edges) > SEVERAL:
                _merge(picture, [getattr(e, end) for e in edges], edges, kind)


def _merge(picture: Picture, nodes: Sequence[Node], edges: Sequence[Edge], kind: str) -> None:
    first = nodes[0]
    plural = {"output": "results", "port": "values"}.get(kind, f"{kind}s")
    lines = [Line("  ".join(line.text for line in node.lines), "value") for node in nodes[:LISTED]]
    if len(nodes) > LISTED:
        lines.append(Line(f"and {len(nodes) - LISTED} more", "note"))
    first.tip = "\n".join("  ".join(line.text for line in node.lines) for node in nodes)
    first.lines = [Line(f"{len(nodes)} {plural}", "title"), *lines]
    gone, dropped = set(nodes[1:]), set(edges[1:])
    picture.nodes = [n for n in picture.nodes if n not in gone]
    picture.edges = [e for e in picture.edges if e not in dropped]


def _title(prim: Primitive) -> str:
    if isinstance(prim, Call):
        return f"{'checkpoint' if prim.recompute else 'call'} of {prim.label or 'a function'}"
    if isinstance(prim, CustomVJP):
        return f"call of {prim.label}, which has a derivative of its own"
    if isinstance(prim, Scan):
        return f"loop of {prim.length} iterations"
    return {Cond: "cond", While: "while loop"}.get(type(prim), prim.name)


def _parts(
    prim: Primitive, operands: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, Graph, Sequence[str], Sequence[str]]]:
    """(title, body, names of its inputs, names of its results) for each body of a block."""
    if isinstance(prim, Cond):
        yield f"if {operands[0]}", prim.true, operands[1:], names
        yield "otherwise", prim.false, operands[1:], names
    elif isinstance(prim, Scan):
        constants, carried = operands[: prim.n_consts], operands[prim.n_consts : prim.n_consts + prim.n_carry]
        elements = [f"{x}[t]" for x in operands[prim.n_consts + prim.n_carry :]]
        held = [f"carried {i}" for i in range(prim.n_carry)] if prim.n_carry > 1 else ["carried"] * prim.n_carry
        starts = [f"{h} (from {c})" for h, c in zip(held, carried, strict=True)]
        after = [f"next {h}" for h in held] + [f"{n}[t]" for n in names[prim.n_carry :]]
        yield "", prim.body, [*constants, *starts, *elements], after
    elif isinstance(prim, While):
        a, b = prim.n_condition, prim.n_condition + prim.n_body
        held = [f"carried {i}" for i in range(len(names))] if len(names) > 1 else ["carried"]
        starts = [f"{h} (from {c})" for h, c in zip(held, operands[b:], strict=True)]
        yield "while", prim.condition, [*operands[:a], *held], ["go on"]
        yield "repeat", prim.body, [*operands[a:b], *starts], [f"next {h}" for h in held]
    else:
        for body in _bodies(prim):
            numbered = [f"in {i}" for i in range(len(body.inputs))]
            yield "", body, list(operands) if len(operands) == len(body.inputs) else numbered, names
