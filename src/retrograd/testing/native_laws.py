"""Laws of native code: a primitive compiled, with its derivatives and over lanes, gives what the interpreters give.

Everything that is asked of a case goes into one graph, so that it is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrograd.core.types import is_weak_scalar
from retrograd.errors import RetrogradError
from retrograd.graph.interpret import evaluate
from retrograd.graph.ir import Graph
from retrograd.graph.trace import trace_pure
from retrograd.primitives.families import Pointwise
from retrograd.testing.cases import Arrays, Case, LawBroken, directions, need_same, run, types_of
from retrograd.testing.execution_laws import LANES, _backwards, _columns_first, _of_floats, _spaced, converted
from retrograd.transforms.derivatives import jvp, vjp
from retrograd.transforms.vectorise import vmap

CLOSE = {"float32": 1e-5, "float64": 1e-12}
"""The error allowed where many operations follow each other, relative to max(1, |value|)."""
ULPS = 4  # of a pointwise primitive: at most 2 of ours, the rest is the reference's
PARTS = ("value", "vjp", "jvp", "lanes", "vjp over lanes")


@dataclass
class Compared:
    """A graph with arrays for its inputs, and what each of its outputs is."""

    case: Case
    graph: Graph
    arrays: list[np.ndarray]
    names: list[str]


def narrowed(case: Case) -> Case | None:
    """The case in float32; a primitive with a graph inside is made for its dtypes."""
    holds_graph = any(hasattr(case.prim, a) for a in ("graph", "body", "primal", "true"))
    return None if holds_graph or not case.inputs else converted(case, "float32")


def in_dtype(case: Case, dtype: str) -> Case | None:
    """The case with all arguments in an integer dtype or bool, if the primitive takes it and has a kernel for it."""
    weak = any(is_weak_scalar(a) for a in case.args)
    if not isinstance(case.prim, Pointwise) or weak or not case.args:
        return None
    sign = np.abs if case.prim.name == "power" else np.positive  # integers have no negative powers
    args = tuple(sign(np.round(np.asarray(a, np.float64) * 3)).astype("int64").astype(dtype) for a in case.args)
    try:
        case.prim.infer(*types_of(args))
        with np.errstate(all="ignore"):
            case.prim.evaluate(*args)
    except (RetrogradError, TypeError, ValueError, IndexError):
        return None
    return Case(case.prim, args, case.number)


def compared(case: Case, parts: Sequence[str] = PARTS) -> Compared:
    """The graph of `parts` of a case."""
    prim, weak = case.prim, [is_weak_scalar(a) for a in case.args]
    functions: list[tuple[str, Callable[..., Arrays], list[np.ndarray]]] = []
    strong = [np.asarray(a) for a, w in zip(case.args, weak, strict=True) if not w]
    inputs = len(strong)

    def full(xs: Sequence[Any]) -> list[Any]:
        rest = iter(xs)
        return [a if w else next(rest) for a, w in zip(case.args, weak, strict=True)]

    def value(*xs: Any) -> Arrays:
        return run(prim, full(xs))

    def pulled(*xs: Any) -> Arrays:
        inner = Case(prim, tuple(full(xs[:inputs])))
        return tuple(vjp(_of_floats(inner, case), *[inner.args[i] for i in case.floats])[1](tuple(xs[inputs:])))

    def pushed(*xs: Any) -> Arrays:
        inner = Case(prim, tuple(full(xs[:inputs])))
        return tuple(jvp(_of_floats(inner, case), [inner.args[i] for i in case.floats], list(xs[inputs:]))[1])

    with np.errstate(all="ignore"):
        cotangents = directions(case.values(case.inputs), 6) if case.inputs else ()
    tangents = directions(case.inputs, 7)
    drawn = [[np.asarray(a) for a in case.again(seed).args] for seed in range(1, LANES)]
    if [a.dtype.kind for a in drawn[0]] != [np.asarray(a).dtype.kind for a in case.args]:
        drawn = [[np.roll(a, n) for a in map(np.asarray, case.args)] for n in range(1, LANES)]
    lanes = [
        np.stack([a, *[np.asarray(d[i]).astype(a.dtype) for d in drawn]])
        for i, a in enumerate(map(np.asarray, case.args)) if not weak[i]
    ]  # fmt: skip
    functions.append(("value", value, strong))
    if case.inputs:
        if prim.reverse:
            functions.append(("vjp", pulled, [*strong, *cotangents]))
        functions.append(("jvp", pushed, [*strong, *tangents]))
    if lanes and not prim.draws:
        functions.append(("lanes", vmap(value), lanes))
        if case.inputs and prim.reverse:
            each = [np.stack([u, -u, u + u]) for u in cotangents]
            functions.append(("vjp over lanes", vmap(pulled), [*lanes, *each]))
    return _joined(case, [f for f in functions if f[0] in parts])


def _joined(case: Case, functions: Sequence[tuple[str, Callable[..., Arrays], list[np.ndarray]]]) -> Compared:
    arrays = [x for _, _, xs in functions for x in xs]
    names: list[str] = []

    def all_of_them(*xs: Any) -> list[Any]:
        outs: list[Any] = []
        names.clear()
        start = 0
        for name, f, own in functions:
            found = f(*xs[start : start + len(own)])
            start += len(own)
            outs += found
            names.extend(f"{name} {i}" for i in range(len(found)))
        return outs

    graph = trace_pure(all_of_them, types_of(arrays), f"{case}")
    return Compared(case, graph, arrays, names)


def agree(c: Compared, target: Any = None) -> Any:
    """Native code gives what both interpreters give; the executable, to look at further."""
    from retrograd.native.executable import Executable
    from retrograd.native.loops.verify import verify

    executable = Executable(c.graph, target=target)
    verify(executable.program)
    with np.errstate(all="ignore"):
        wanted = [np.asarray(v) for v in evaluate(c.graph, c.arrays)]
    before = [x.copy() for x in c.arrays]
    found = executable([_locked(x) for x in c.arrays])
    need_same(c.arrays, before, f"an argument was written to, {c.case}")
    for name, f, w in zip(c.names, found, wanted, strict=True):
        need_equal(f, w, _bound(c.case, name, w), f"native {name} of {c.case}")
    for name, f, w in zip(c.names, by_loops(executable, c.arrays), wanted, strict=True):
        need_equal(f, w, _bound(c.case, name, w), f"the loop program's {name} of {c.case}")
    return executable


def by_loops(executable: Any, arrays: Sequence[Any]) -> list[np.ndarray]:
    """The outputs as the interpreter of loop programs computes them."""
    from retrograd.native.loops.interpret import interpret

    flat = interpret(executable.program, arrays)
    shaped = [f[: int(np.prod(s))].reshape(s) for f, (s, _) in zip(flat, executable.out_types, strict=True)]
    return list(executable.outputs(arrays, shaped)[: executable.n_outputs])


def steady(c: Compared, executable: Any) -> None:
    """The same bits again: whatever lies in the memory it finds, however the arguments lie in theirs."""
    wanted = [np.array(o) for o in executable(c.arrays)]
    for fill in (0xFF, 0x7F):
        need_same(poisoned(executable, c.arrays, fill), wanted, f"memory full of {fill:#x}, {c.case}")
    for lay in (_spaced, _backwards, _columns_first):
        need_same(executable([lay(x) for x in c.arrays]), wanted, f"{lay.__name__} {c.case}")


def poisoned(executable: Any, arrays: Sequence[Any], fill: int) -> list[np.ndarray]:
    """The outputs of a call that finds every byte of its memory, and of its outputs, set to `fill`."""
    targets = []
    for i in executable.given:
        shape, dtype = executable.out_types[i]
        n = int(np.prod(shape))
        targets.append(np.full(n * dtype.itemsize, fill, np.uint8).view(dtype).reshape(shape))
    values = list(arrays)
    with executable.lock:
        for memory in (executable.arena, executable.scratch):
            memory[:] = fill
        status = executable.enter(values, targets)
    if status:
        raise LawBroken(f"status {status} in memory full of {fill:#x}")
    return list(executable.outputs(values, targets)[: executable.n_outputs])


def _locked(x: np.ndarray) -> np.ndarray:
    view = x.view()
    view.flags.writeable = False
    return view


def _bound(case: Case, name: str, wanted: np.ndarray) -> Any:
    """The error allowed for each element."""
    if wanted.dtype.kind != "f":
        return None
    spacing = np.spacing(np.maximum(np.abs(wanted), np.finfo(wanted.dtype).tiny)).astype(np.float64)
    if name == "value 0" and isinstance(case.prim, Pointwise):
        return ULPS * spacing
    if name == "value 0" and case.prim.name in ("sum", "matmul"):
        return spacing + summed(case, wanted.dtype)
    return CLOSE[wanted.dtype.name] * np.maximum(1.0, np.abs(wanted))


def summed(case: Case, dtype: np.dtype) -> Any:
    """What the error of a sum may be: 2 sqrt(n) eps times the sum of the sizes of its terms."""
    sizes = [np.abs(np.asarray(a, np.float64)) for a in case.args]
    n = sizes[0].shape[-1] if case.prim.name == "matmul" else max(sizes[0].size, 1)
    return 2 * np.sqrt(n) * np.finfo(dtype).eps * np.asarray(case.prim.evaluate(*sizes))


def need_equal(found: Any, wanted: Any, bound: Any, what: str) -> None:
    """Raise unless equal, NaN and infinities included, or where a bound is given off by no more."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise LawBroken(f"{what}: {found.dtype}{found.shape} is not {wanted.dtype}{wanted.shape}")
    if bound is None:
        need_same([found], [wanted], what)
        return
    with np.errstate(all="ignore"):
        right = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
        right |= np.abs(found.astype(np.float64) - wanted) <= bound
    if not right.all():
        worst = tuple(map(int, np.argwhere(~right)[0]))
        raise LawBroken(f"{what} at {worst}: {found[worst]!r} is not {wanted[worst]!r}")


def threads(c: Compared, counts: Sequence[int] = (2, 3)) -> None:
    """One thread and several give the same bits; samples are small, so the caller lowers what is worth splitting."""
    from retrograd.native.executable import Executable
    from retrograd.native.runtime.cpu import current_target

    one = Executable(c.graph, target=replace(current_target(), threads=1))
    wanted = [np.array(o) for o in one(c.arrays)]
    for n in counts:
        several = Executable(c.graph, target=replace(current_target(), threads=n))
        for _ in range(3):
            need_same(several(c.arrays), wanted, f"{n} threads, {c.case}")


def in_place(c: Compared) -> None:
    """Outputs that lie in the memory of inputs, where the compiler says they may, are the same."""
    from retrograd.native.executable import Executable

    wanted = [np.array(o) for o in Executable(c.graph)(c.arrays)]
    types = [t.strong() for t in c.graph.in_types]
    pairs: list[tuple[int, int]] = []
    for o, t in enumerate(c.graph.out_types):
        taken = {i for i, _ in pairs}
        fitting = [i for i, own in enumerate(types) if own == t.strong() and i not in taken]
        pairs += [(fitting[0], o)] if fitting else []
    sharing = Executable(c.graph, pairs=pairs)
    before = [x.copy() for x in c.arrays]
    need_same(sharing(c.arrays), wanted, f"in place, {c.case}")
    need_same(c.arrays, before, f"an argument was written to, {c.case}")
    need_same(poisoned(sharing, before, 0xFF), wanted, f"in place with old memory, {c.case}")
