"""Loops that every transform understands: scan, fori_loop, while_loop.

Bodies and conditions are traced: they run once, on tracers, whatever the number of iterations. Inside them cells
may be read and assigned; the loop carries them. ``with rg.debug():`` runs them as plain Python instead.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.config import INT, debugging
from retrograd.core.dispatch import apply
from retrograd.core.tree import Structure, flatten, unflatten
from retrograd.core.types import ArrayType, type_of
from retrograd.errors import CellError, RetrogradError, ShapeError, TracingError
from retrograd.graph.ir import Literal
from retrograd.graph.trace import Traced, trace_pure
from retrograd.ops import arithmetic as a
from retrograd.ops.indexing import getitem, is_concrete
from retrograd.ops.inputs import array_of, converted, face, is_weak
from retrograd.ops.shaping import arange, stack
from retrograd.primitives.loops import Scan
from retrograd.primitives.while_loop import While
from retrograd.transforms.arguments import face_like, flat_arrays, holds, in_order, name_of, users_of
from retrograd.transforms.branches import cond
from retrograd.transforms.captures import (
    CONSTANT,
    LoopBody,
    apply_traced,
    as_operands,
    rearranged,
    run_loop,
    tape_state,
    trace_tree,
    with_zero_outputs,
)


def settled(
    trace_with: Callable[[list[ArrayType]], tuple[Traced, Structure]], carry: list[Any], structure: Structure, what: str
) -> tuple[Traced, Structure, list[Any]]:
    """Trace until the carry leaves an iteration as it entered; weak scalars take the dtype they come back with."""
    weak = [is_weak(v) for v in carry]  # may still take another dtype
    types = [type_of(v) for v in carry]
    for _ in range(2 * len(carry) + 2):
        traced, result = trace_with(types)
        outs = [type_of(r) for r in traced.results[: len(types)]]
        if result_mismatch := _difference(structure, result, len(types), traced):
            raise RetrogradError(f"{what}: the carry enters as {structure} and leaves as {result_mismatch}")
        if [o.strong() for o in outs] == [t.strong() for t in types] and not any(t.weak for t in types):
            return traced, result, [face(converted(v, t.dtype)) for v, t in zip(carry, types, strict=True)]
        for i, (t, o) in enumerate(zip(types, outs, strict=True)):
            if t.shape != o.shape or (t.dtype != o.dtype and not (weak[i] and holds(o.dtype, t.dtype))):
                hint = f"; convert the first value with .astype({str(o.dtype)!r})" if t.shape == o.shape else ""
                raise ShapeError(f"{what}: carried value {i} enters as {t} and leaves as {o.strong()}{hint}")
        # What met no array stays weak while others settle; once nothing else changes it is a float64 (or int64) array.
        changed = [o if w else t for t, o, w in zip(types, outs, weak, strict=True)]
        types = changed if changed != types else [t.strong() for t in types]
    raise ShapeError(f"{what}: the types of the carry do not settle")


def _difference(structure: Structure, result: Structure, n: int, traced: Traced) -> Structure | None:
    """The structure of the carry that came back, if it is not the one that went in."""
    back = (
        result.children[0] if result.kind is tuple and len(result.children) == 2 and structure.aux == "pair" else result
    )
    expected = structure.children[0] if structure.aux == "pair" else structure
    return None if back == expected else back


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    memory: int | str | None = None,
) -> tuple[Any, Any]:
    """A loop over the first axis of `xs`: ``carry, y = f(carry, x)``.

    Args:
        f: gives the next carry, of the structure, shapes and dtypes of `init`, and anything to stack.
        init: the first carry, a tree of arrays.
        xs: a tree of arrays of one length along the first axis; None with `length`.
        reverse: go from the last element to the first; results stay at the places of their elements.
        memory: how many bytes a reverse sweep may keep of the steps, besides arguments and results. Where it would need
            more, only the carry is kept, every so many steps, and the steps between are run again (Griewank and Walther
            2008): once more where about the square root of them all is enough, or several times, as often as it takes.
            "sqrt" runs them once more in the least memory that allows. Values and gradients are the same, bit for bit.
            A derivative of the sweep itself is not bounded, and under an outer `vmap` the bytes are those of one lane.

    Returns:
        The last carry, and the stacked y.

    >>> scan(lambda total, x: (total + x, total), 0.0, np.array([1.0, 2.0, 3.0]))
    (tensor(6., dtype=float64), tensor([0., 1., 3.], dtype=float64))
    """
    carry, carry_structure = flat_arrays(init, "the carry of scan")
    columns, column_structure = flat_arrays(xs, "the xs of scan")
    steps = _length(columns, length)
    _check_memory(memory)
    if debugging() and steps:  # what a body gives that never runs is known from its trace alone
        return _scan_in_python(f, _as_tensors(init), columns, column_structure, steps, reverse)
    both = Structure(tuple, "pair", (carry_structure, column_structure))
    name = f"scan of {name_of(f)}"

    def pair(c: Any, x: Any) -> tuple[Any, Any]:
        result = f(c, x)
        if not isinstance(result, tuple) or len(result) != 2:
            raise RetrogradError(f"{name}: the body must return (carry, y)")
        return in_order(carry_structure, result[0]), result[1]

    column_types = [ArrayType(tuple(x.shape[1:]), x.dtype) for x in columns]

    def trace_with(types: list[ArrayType]) -> tuple[Traced, Structure]:
        arguments = Structure(tuple, None, both.children)
        return trace_tree(
            pair, arguments, [*carry, *columns], [*types, *column_types], name, body=True, users=users_of(f)
        )

    traced, result, carry = settled(trace_with, carry, both, name)
    outs = _run_scan(traced, carry, columns, steps, reverse, memory)
    n = len(carry)
    return (
        unflatten(carry_structure, [face(o) for o in outs[:n]]),
        unflatten(result.children[1], [face(o) for o in outs[n:]]),
    )


def _as_tensors(tree: Any) -> Any:
    """`tree` with tensors for leaves, as a traced body gets it."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [face(array_of(leaf)) for leaf in leaves])


def _length(columns: Sequence[Any], length: int | None) -> int:
    if any(not x.shape for x in columns):
        raise ShapeError("scan over a scalar: xs need a first axis")
    if length is not None and (operator.index(length) < 0):
        raise ShapeError(f"scan: length={length} is negative")
    lengths = {int(x.shape[0]) for x in columns} | ({operator.index(length)} if length is not None else set())
    if len(lengths) != 1:
        raise ShapeError(f"scan needs one length, from xs or length=; it has {sorted(lengths) or 'none'}")
    return lengths.pop()


def _scan_in_python(f: Any, carry: Any, columns: Any, structure: Structure, steps: int, reverse: bool) -> Any:
    ys: list[Any] = []
    for t in reversed(range(steps)) if reverse else range(steps):
        carry, y = f(carry, unflatten(structure, [getitem(x, t) for x in columns]))
        ys.append(y)
    if reverse:
        ys.reverse()
    leaves = [flatten(y)[0] for y in ys]
    stacked = [stack([row[i] for row in leaves], axis=0) for i in range(len(leaves[0]) if leaves else 0)]
    return carry, unflatten(flatten(ys[0])[1], stacked) if ys else None


def _check_memory(memory: Any) -> None:
    if not (memory is None or memory == "sqrt" or (isinstance(memory, (int, np.integer)) and memory >= 0)):
        raise RetrogradError(f"memory={memory!r}: give a number of bytes, or 'sqrt'")


def _run_scan(
    traced: Traced, carry: list[Any], columns: list[Any], steps: int, reverse: bool, memory: int | str | None
) -> list[Any]:
    """The last carry and the stacked results; cells are assigned."""
    loop = LoopBody(traced, may_skip=steps == 0)
    n, k, cells = len(carry), len(loop.constants(traced)), len(loop.carried)
    places = loop.inputs_of(traced)
    types = loop.input_types(traced)
    # constants, carry, xs, cells  ->  constants, carry, cells, xs
    order = [*range(k + n), *range(len(places) - cells, len(places)), *range(k + n, len(places) - cells)]
    outputs = [*traced.graph.outputs[:n], *loop.cell_results(), *traced.graph.outputs[n : traced.n_results]]
    graph = rearranged(traced, [places[i] for i in order], [types[i] for i in order], outputs)
    graph = with_zero_outputs(graph, [*[None] * n, *loop.types, *[None] * (traced.n_results - n)])
    prim = Scan(graph, steps, k, n + cells, reverse, memory if memory in (None, "sqrt") else int(memory))
    operands = [*loop.constant_values(traced), *carry, *loop.entry_values(), *columns]
    states = [tape_state(r) for r in traced.results]
    states = [*states[:n], *[CONSTANT] * cells, *states[n:]]
    outs = apply_traced(lambda values: run_loop(prim, values, loop, n), operands, states)
    if steps:
        loop.commit(outs[n : n + cells])
    return [*outs[:n], *outs[n + cells :]]


def fori_loop(
    lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any, memory: int | str | None = None
) -> Any:
    """``for i in range(lower, upper): carry = body(i, carry)``.

    The index is a 0-d int64 tensor. With Python integers as bounds reverse mode goes through the loop, and `memory`
    bounds what it keeps, as in `scan`.

    >>> fori_loop(0, 4, lambda i, total: total + i, 0)
    tensor(6)
    """
    _check_memory(memory)
    static = isinstance(lower, (int, np.integer)) and isinstance(upper, (int, np.integer))
    if memory is not None and not static:
        raise RetrogradError("fori_loop: memory= bounds a reverse sweep, which needs Python integers as bounds")
    if debugging() and is_concrete(lower) and is_concrete(upper):
        carry = _as_tensors(init)
        for i in range(int(lower), int(upper)):
            carry = body(face(np.asarray(i, INT)), carry)
        return carry if static else _forward_only(carry)
    if static:
        indices = arange(max(int(upper) - int(lower), 0)) + int(lower)
        return scan(_Step(body), init, indices, memory=memory)[0]

    def going(state: Any) -> Any:
        return state[0] < upper

    def advance(state: Any) -> Any:
        i, carry = state
        return i + 1, body(i, carry)

    going.users = ()  # type: ignore[attr-defined]
    advance.users = ()  # type: ignore[attr-defined]

    return while_loop(going, advance, (a.astype(array_of(lower), INT), init))[1]


class _Step:
    """The body of a `fori_loop` as the body of a `scan`."""

    def __init__(self, body: Callable[[Any, Any], Any]) -> None:
        self.body = body
        self.users = (body,)
        self.__name__ = name_of(body)

    def __call__(self, carry: Any, i: Any) -> tuple[Any, None]:
        return self.body(i, carry), None


def while_loop(
    condition: Callable[[Any], Any], body: Callable[[Any], Any], init: Any, max_iterations: int | None = None
) -> Any:
    """``while condition(carry): carry = body(carry)``.

    Args:
        max_iterations: an upper bound (a Python int); with it reverse mode goes through the loop.

    >>> while_loop(lambda x: x < 100, lambda x: x * 2, 1)
    tensor(128)
    """
    if debugging():
        going, carry, done = condition(_as_tensors(init)), _as_tensors(init), 0
        if is_concrete(going):
            while going and (max_iterations is None or done < max_iterations):
                carry, done = body(carry), done + 1
                going = condition(carry)
            return carry if max_iterations is not None else _forward_only(carry)
    if max_iterations is not None:
        return _bounded_while(condition, body, init, max_iterations)
    carry, structure = flat_arrays(init, "the carry of while_loop")
    name = f"while_loop of {name_of(body)}"
    arguments = Structure(tuple, None, (structure,))

    def trace_with(types: list[ArrayType]) -> tuple[Traced, Structure]:
        def ordered(c: Any) -> Any:
            return in_order(structure, body(c))

        return trace_tree(ordered, arguments, carry, types, name, body=True, users=users_of(body))

    traced, _, carry = settled(trace_with, carry, structure, name)
    types = [type_of(v).strong() for v in carry]
    test, _ = trace_tree(condition, arguments, carry, types, f"the condition of {name}", users=users_of(condition))
    _check_condition(test)
    outs = _run_while(test, traced, carry)
    return unflatten(structure, [face(o) for o in outs])


def _forward_only(tree: Any) -> Any:
    """What a loop in Python leaves, through which reverse mode goes no more than through the loop as it is traced.

    It passes a while loop that does not run, which says so if it comes to that.
    """
    values, structure = flat_arrays(tree, "the carry of while_loop")
    types = [type_of(v).strong() for v in values]
    prim = While(trace_pure(lambda *_: [False], types, "no"), trace_pure(lambda *xs: xs, types, "as it is"), 0, 0)
    outs = apply(prim, *as_operands(values))
    return unflatten(structure, [face_like(o, v) for o, v in zip(outs, values, strict=True)])


def _check_condition(test: Traced) -> None:
    if test.written or test.cleared:
        cell = (test.written + test.cleared)[0]
        raise CellError(f"the condition of a while_loop assigns {cell.name}; assign in the body")
    found = test.graph.out_types[: test.n_results]
    if len(found) != 1 or found[0].shape or found[0].dtype.kind != "b":
        what = ", ".join(map(str, found)) or "nothing"
        raise TracingError(f"the condition of a while_loop must return one boolean scalar, it returned {what}")


TRUE = Literal(np.asarray(True), ArrayType((), np.dtype("bool")))


def _run_while(test: Traced, traced: Traced, carry: list[Any]) -> list[Any]:
    loop = LoopBody(traced, (test,), may_skip=True)
    n, cells = len(carry), len(loop.carried)
    flag = ArrayType((), np.dtype("bool"))

    def graph_of(part: Traced, outputs: Sequence[Any], output_types: Sequence[Any]) -> Any:
        # constants, carry, cells, and whether an iteration has run
        places, types = [*loop.inputs_of(part), None], [*loop.input_types(part), flag]
        return with_zero_outputs(rearranged(part, places, types, outputs), output_types)

    condition = graph_of(test, test.graph.outputs[:1], [None])
    results = [*traced.graph.outputs[:n], *loop.cell_results(), TRUE]
    body = graph_of(traced, results, [*[None] * n, *loop.types, None])
    prim = While(condition, body, len(loop.constants(test)), len(loop.constants(traced)))
    entry = loop.entry_values()
    operands = [
        *loop.constant_values(test), *loop.constant_values(traced), *carry, *entry, np.asarray(False)
    ]  # fmt: skip
    states = [*[tape_state(r) for r in traced.results], *[CONSTANT] * (cells + 1)]
    outs = apply_traced(lambda values: run_loop(prim, values, loop, n), operands, states)
    loop.commit(outs[n : n + cells], outs[-1])
    return outs[:n]


def _bounded_while(condition: Any, body: Any, init: Any, max_iterations: int) -> Any:
    """A while loop as a scan of a fixed length, whose body runs only as long as the condition holds."""

    def step(state: Any, _: Any) -> tuple[Any, None]:
        active, carry = state
        going = a.logical_and(active, condition(carry))
        return (going, cond(going, body, lambda c: c, carry)), None

    values, structure = flat_arrays(init, "the carry of while_loop")
    name = f"the condition of while_loop of {name_of(body)}"
    test, _ = trace_tree(
        condition, Structure(tuple, None, (structure,)), values, [type_of(v) for v in values], name,
        users=users_of(condition),
    )  # fmt: skip
    _check_condition(test)
    step.users = (condition, body)  # type: ignore[attr-defined]
    return scan(step, (array_of(np.asarray(True)), init), length=int(max_iterations))[0][1]
