"""`linearize`: a function and its derivative at one point, the derivative as a function that only does the linear part.

Tangents are traced while the primals are computed as they come; what of the trace needs no tangent then runs once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retrograd.core.dispatch import apply, current, interpreter
from retrograd.core.forward import zeros_for
from retrograd.core.tree import flatten_like, unflatten
from retrograd.core.types import ArrayType
from retrograd.graph.interpret import interpret
from retrograd.graph.ir import Graph
from retrograd.graph.stage import Stage
from retrograd.primitives.control import Call
from retrograd.primitives.derive import Apart, partition
from retrograd.transforms.arguments import face_like, flat_arrays, name_of, need_floats
from retrograd.transforms.captures import as_operands
from retrograd.transforms.derivatives import matching


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    r"""``f(*primals)``, and the linear function :math:`t \mapsto J t` that its derivative is there.

    `f` runs once, here, and may branch on numbers as in eager code. The linear function takes one tangent for each
    primal, of its structure, shapes and dtypes, and gives the tangent of the result; it runs only what depends on
    tangents, any number of times: what `jvp` would compute again is kept, as much as a reverse sweep would keep. Two
    things are computed again at every call: a `while_loop`, whose length is not known beforehand, and what is inside
    of a `checkpoint`.

    Raises:
        DTypeError: for primals that are not floating.
        ShapeError: from the linear function, for a tangent of another shape.

    >>> y, push = linearize(lambda x: x**3, 2.0)
    >>> y, push(1.0), push(10.0)
    (tensor(8., dtype=float64, weak), tensor(12., dtype=float64, weak), tensor(120., dtype=float64, weak))
    """
    name = f"linearize of {name_of(f)}"
    values, structure = flat_arrays(list(primals), f"the arguments of {name_of(f)}")
    need_floats(values, "linearize", f)
    stage = Stage(current(), name)
    stage.recording = False
    level = Apart(current(), stage)
    boxes = [level.dual(v, stage.add_input(ArrayType(tuple(v.shape), v.dtype))) for v in values]
    try:
        with interpreter(level):
            result = f(*unflatten(structure, boxes))
        outputs, out_structure = flat_arrays(result, f"the result of {name_of(f)}")
        pairs = [level.split(o) for o in outputs]
        with interpreter(stage):
            pushed = [zeros_for(p) if t is None else t for p, t in pairs]
        graph = stage.finish(pushed)
    finally:
        level.closed = stage.closed = True
    n, known = len(values), len(stage.extras)
    ordered = Graph((*graph.inputs[n:], *graph.inputs[:n]), graph.equations, graph.outputs)
    parts = partition(ordered, known, 0, ())
    kept = as_operands(interpret(parts.forward, stage.extras))
    linear = Call(parts.backward, f"linear part of {name_of(f)}")
    outs = [face_like(p, o) for (p, _), o in zip(pairs, outputs, strict=True)]

    def linear_f(*tangents: Any) -> Any:
        given = flatten_like(structure, list(tangents), "tangents")
        directions = [matching(t, v) for t, v in zip(given, values, strict=True)]
        found = apply(linear, *kept, *as_operands(directions))
        return unflatten(out_structure, [face_like(t, o) for t, o in zip(found, outs, strict=True)])

    return unflatten(out_structure, outs), linear_f
