"""Laws about running: types, batching, staging, memory. Each is a function of a case that raises `LawBroken`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from retrograd.core.types import ArrayType, is_weak_scalar, type_of
from retrograd.errors import DTypeError
from retrograd.graph.interpret import evaluate, interpret
from retrograd.graph.ir import subgraphs
from retrograd.graph.text import parse_graph, print_graph
from retrograd.graph.trace import trace_pure
from retrograd.graph.verify import verify
from retrograd.ops.inputs import face
from retrograd.ops.reductions import sum as _sum
from retrograd.primitives.families import Pointwise
from retrograd.primitives.vocabulary import NUMPY
from retrograd.tensor.tensor import leaf
from retrograd.testing.cases import (
    Arrays,
    Case,
    LawBroken,
    differentiable,
    directions,
    need_close,
    need_same,
    plain,
    plains,
    run,
    same_bits,
    types_of,
)
from retrograd.transforms.derivatives import jvp, vjp
from retrograd.transforms.vectorise import vmap

LANES = 3
NARROW = ("float32", "int64", "int32", "uint8", "bool")


def inferred(case: Case) -> list[ArrayType]:
    """What `infer` says of the outputs."""
    found = case.prim.infer(*types_of(case.args))
    return list(found) if case.prim.multi else [found]


def computed(case: Case) -> Arrays:
    """What `evaluate` makes of the arguments."""
    out = case.prim.evaluate(*case.args)
    return tuple(map(np.asarray, out if case.prim.multi else (out,)))


def converted(case: Case, dtype: str) -> Case:
    """The floating arguments in another dtype; whole and positive where it has no room for more."""

    def convert(a: Any) -> Any:
        a = np.asarray(a)
        return a.astype(dtype) if np.dtype(dtype).kind == "f" else np.abs(np.round(a)).astype(dtype)

    return Case(case.prim, tuple(case.merged([convert(x) for x in case.inputs])), case.number)


def infer(case: Case) -> None:
    """Inferred types are real types: in double, in every other dtype that `infer` does not refuse."""
    tried = [case] if subgraphs(case.prim) else [case, *[converted(case, d) for d in NARROW if case.inputs]]
    for c in tried:
        try:
            wanted = inferred(c)
        except DTypeError:
            if c is case or c.inputs:
                raise
            continue  # it has no meaning for integers, and says so
        for t, o in zip(wanted, computed(c), strict=True):
            if t.strong() != type_of(o):
                raise LawBroken(f"infer: {c} is {type_of(o)}, inferred is {t}")


def dtype(case: Case) -> None:
    """float32 stays float32 in values, gradients and tangents, also without axes."""
    if subgraphs(case.prim) or not case.inputs:
        return  # a graph is made for its dtypes
    narrow = converted(case, "float32")
    outs = run(narrow.prim, narrow.args)
    for t, o in zip(inferred(narrow), outs, strict=True):
        if o.dtype != t.dtype:
            raise LawBroken(f"dtype: {narrow} gives {o.dtype}")
    f, xs = narrow.function(), narrow.inputs
    values, pull = vjp(f, *xs)
    cotangents = directions(values, 1)
    tangents = directions(xs, 2)
    named = {
        "gradient": (pull(cotangents), xs),
        "tangent": (jvp(f, xs, tangents)[1], values),
        "recorded gradient": (recorded(narrow, cotangents), xs),
    }
    if not case.prim.reverse:
        del named["gradient"], named["recorded gradient"]
    for what, (found, like) in named.items():
        for g, x in zip(found, like, strict=True):
            if g is not None and g.dtype != x.dtype:
                raise LawBroken(f"dtype: the {what} of {narrow} is {g.dtype} for {x.dtype}")


def recorded(case: Case, cotangents: Sequence[Any], create_graph: bool = False) -> list[Any]:
    """The gradients by `Tensor.backward`, None where there is none."""
    leaves = [leaf(np.array(x)) for x in case.inputs]
    outs = differentiable(case.prim, run(case.prim, case.merged(leaves)))
    pairs = [(o, ct) for o, ct in zip(outs, cotangents, strict=True) if ct is not None]
    terms = [_sum(face(o) * ct) for o, ct in pairs if getattr(o, "node", None) is not None]
    if terms:
        total = terms[0]
        for t in terms[1:]:
            total = total + t
        total.backward(create_graph=create_graph)
    return [x.grad for x in leaves]


def record(case: Case) -> None:
    """The tape of `Tensor.backward`, on arrays or on boxes (`create_graph`), gives what `vjp` gives, bit for bit."""
    if not case.prim.reverse or not case.inputs:
        return
    outs, pull = vjp(case.function(), *case.inputs)
    cotangents = directions(outs, 3)
    wanted = plains(pull(cotangents))
    for create_graph in (False, True):
        found = recorded(case, cotangents, create_graph)
        zeroed = [np.zeros_like(x) if g is None else g for g, x in zip(found, case.inputs, strict=True)]
        need_same(zeroed, wanted, f"backward(create_graph={create_graph}) and vjp, {case}")
    for j in range(len(outs) if len(outs) > 1 else 0):  # from one output alone: nothing arrives at the others
        alone = [None if i != j else ct for i, ct in enumerate(cotangents)]
        full = [np.zeros(o.shape, o.dtype) if i != j else cotangents[j] for i, o in enumerate(outs)]
        found = recorded(case, alone)
        zeroed = [np.zeros_like(x) if g is None else g for g, x in zip(found, case.inputs, strict=True)]
        for z, w in zip(zeroed, pull(tuple(full)), strict=True):
            need_close(z, w, 1e-14, f"backward from output {j} alone, {case}")


def _selections(case: Case) -> Iterator[tuple[bool, ...]]:
    """Which arguments have lanes: every choice but none; a Python scalar never has."""
    choices = [(False,) if is_weak_scalar(a) else (True, False) for a in case.args]
    yield from (flags for flags in list(product(*choices))[: 2**5] if any(flags))


def _with_lanes(case: Case, flags: Sequence[bool], lanes: int = LANES) -> tuple[list[Any], list[list[Any]]]:
    """(arguments with lanes where flagged, the arguments of each lane)."""
    drawn = [case, *[case.again(seed) for seed in range(1, max(lanes, 1))]]
    stacked = [
        np.stack([np.asarray(c.args[i]) for c in drawn])[:lanes] if f else case.args[i] for i, f in enumerate(flags)
    ]
    each = [[s[lane] if f else s for s, f in zip(stacked, flags, strict=True)] for lane in range(lanes)]
    return stacked, each


def batch(case: Case) -> None:
    """Vmap is a loop, bit for bit: of the primitive, of its pullback, of its push-forward."""
    if case.prim.draws or not case.args:
        return
    for flags in _selections(case):
        stacked, each = _with_lanes(case, flags)
        axes = [0 if f else None for f in flags]
        what = f"vmap over arguments {[i for i, f in enumerate(flags) if f]} of {case}"
        need_alike(
            case, vmap(lambda *a: run(case.prim, a), axes)(*stacked), loop(lambda *a: run(case.prim, a), each), what
        )
        if not case.inputs or not any(flags[i] for i in case.floats):
            continue
        us = directions(case.values(case.inputs), 4)
        vs = directions(case.inputs, 5)

        def pulled(*a: Any, us: Any = us) -> Arrays:
            inner = Case(case.prim, a)
            return tuple(vjp(_of_floats(inner, case), *[a[i] for i in case.floats])[1](us))

        def pushed(*a: Any, vs: Any = vs) -> Arrays:
            inner = Case(case.prim, a)
            return tuple(jvp(_of_floats(inner, case), [a[i] for i in case.floats], vs)[1])

        if case.prim.reverse:
            need_alike(case, vmap(pulled, axes)(*stacked), loop(pulled, each), f"vjp under {what}")
        need_alike(case, vmap(pushed, axes)(*stacked), loop(pushed, each), f"jvp under {what}")


def nested_batch(case: Case) -> None:
    """Vmap of vmap is two loops, bit for bit, whichever arguments have lanes of either; so is the pullback under it."""
    if case.prim.draws or not case.args:
        return
    choices = list(_selections(case))[:6]
    for outer, inner in product(choices, choices):
        drawn = [[case.again(1 + LANES * i + j) for j in range(LANES)] for i in range(2)]
        full: list[Any] = []
        for n, (f, g) in enumerate(zip(outer, inner, strict=True)):
            lanes = [[c.args[n] for c in row[: LANES if g else 1]] for row in drawn[: 2 if f else 1]]
            stacked = np.array(lanes) if f or g else case.args[n]
            full.append(stacked if f == g else stacked[:, 0] if f else stacked[0])
        us = directions(case.values(case.inputs), 4)

        def pulled(*a: Any, us: Any = us) -> Arrays:
            return tuple(vjp(_of_floats(Case(case.prim, a), case), *[a[i] for i in case.floats])[1](us))

        def value(*a: Any) -> Arrays:
            return run(case.prim, a)

        functions = [value, pulled] if case.inputs and case.prim.reverse else [value]
        for function in functions:
            axes_out, axes_in = ([0 if b else None for b in flags] for flags in (outer, inner))
            found = vmap(lambda *a, f=function, axes=axes_in: vmap(f, axes)(*a), axes_out)(*full)
            rows = [[a[i] if b else a for a, b in zip(full, outer, strict=True)] for i in range(2)]
            each = [[[a[j] if b else a for a, b in zip(row, inner, strict=True)] for j in range(LANES)] for row in rows]
            wanted = [np.stack(c) for c in zip(*[loop(function, row) for row in each], strict=True)]
            need_alike(case, found, wanted, f"{function.__name__} under vmap of vmap over {outer} and {inner}, {case}")


def _of_floats(inner: Case, like: Case) -> Any:
    """The primitive of `inner` as a function of the arguments that are floating in `like`."""

    def f(*inputs: Any) -> Arrays:
        found = list(inner.args)
        for i, x in zip(like.floats, inputs, strict=True):
            found[i] = x
        return differentiable(inner.prim, run(inner.prim, found))

    return f


def need_alike(case: Case, found: Sequence[Any], wanted: Sequence[Any], what: str) -> None:
    """Equal bit for bit, or as far as BLAS adds up in another order."""
    if case.prim.batches_exactly:
        need_same(found, wanted, what)
        return
    for f, w in zip(found, wanted, strict=True):
        need_close(f, w, 1e-14, what)


def loop(f: Any, each: Sequence[Sequence[Any]]) -> list[np.ndarray]:
    """The results of every lane, stacked."""
    return [np.stack(column) for column in zip(*[plains(f(*args)) for args in each], strict=True)]


def empty(case: Case) -> None:
    """No lanes are as good as any number: shapes and dtypes are right, also of gradients."""
    if case.prim.draws or not case.args or any(is_weak_scalar(a) for a in case.args):
        return
    stacked, _ = _with_lanes(case, [True] * len(case.args), 0)
    outs = vmap(lambda *a: run(case.prim, a))(*stacked)
    for o, t in zip(outs, inferred(case), strict=True):
        if plain(o).shape != (0, *t.shape) or o.dtype != t.dtype:
            raise LawBroken(f"without lanes {case} gives {type_of(plain(o))}")
    if case.inputs and case.prim.reverse:
        us = directions(case.values(case.inputs), 4)
        mapped = vmap(lambda *a: vjp(_of_floats(Case(case.prim, a), case), *[a[i] for i in case.floats])[1](us))
        for g, x in zip(mapped(*stacked), case.inputs, strict=True):
            if plain(g).shape != (0, *np.shape(x)) or g.dtype != np.asarray(x).dtype:
                raise LawBroken(f"without lanes the gradient of {case} is {type_of(plain(g))}")


def staged(case: Case) -> None:
    """A graph gives what eager gives, bit for bit: run at once, interpreted, printed and parsed back, verified."""
    weak = [is_weak_scalar(a) for a in case.args]
    arrays = [a for a, w in zip(case.args, weak, strict=True) if not w]

    def full(xs: Sequence[Any]) -> list[Any]:
        rest = iter(xs)
        return [a if w else next(rest) for a, w in zip(case.args, weak, strict=True)]

    def primitive(*xs: Any) -> Arrays:
        return run(case.prim, full(xs))

    _same_staged(primitive, arrays, f"staged {case}")
    if not case.inputs:
        return
    us, vs = directions(case.values(case.inputs), 6), directions(case.inputs, 7)

    def pulled(*xs: Any) -> Arrays:
        n = len(xs) - len(us)
        inner = Case(case.prim, tuple(full(xs[:n])))
        return tuple(vjp(_of_floats(inner, case), *[inner.args[i] for i in case.floats])[1](tuple(xs[n:])))

    def pushed(*xs: Any) -> Arrays:
        n = len(xs) - len(vs)
        inner = Case(case.prim, tuple(full(xs[:n])))
        return tuple(jvp(_of_floats(inner, case), [inner.args[i] for i in case.floats], list(xs[n:]))[1])

    if case.prim.reverse:
        _same_staged(pulled, [*arrays, *us], f"the staged vjp of {case}")
    _same_staged(pushed, [*arrays, *vs], f"the staged jvp of {case}")


def _same_staged(f: Any, xs: Sequence[Any], what: str) -> None:
    graph = verify(trace_pure(f, types_of(xs), what))
    text = print_graph(graph)
    parsed = parse_graph(text)
    if print_graph(parsed) != text:
        raise LawBroken(f"{what}: parsed and printed again it reads otherwise:\n{text}")
    eager = plains(f(*xs))
    for how, outs in (("run", evaluate(graph, xs)), ("interpreted", interpret(graph, [face(x) for x in xs]))):
        need_same(outs, eager, f"{what}, {how}")
    need_same(evaluate(parsed, xs), eager, f"{what}, parsed")
    for t, o in zip(graph.out_types, eager, strict=True):
        if t.strong() != type_of(o):
            raise LawBroken(f"{what}: the graph says {t}, it is {type_of(o)}")


def unmutated(case: Case) -> None:
    """No argument is written to, forward or backward, and read-only ones do."""
    before = [np.array(a) for a in case.args]
    locked = Case(case.prim, tuple(a if is_weak_scalar(a) else _read_only(a) for a in case.args))
    outs = computed(locked)
    kept = [o.copy() for o in outs]
    if case.inputs and case.prim.reverse:
        values, pull = vjp(locked.function(), *locked.inputs)
        us = [_read_only(u) for u in directions(values, 8)]
        pull(tuple(us))
        recorded(locked, us)
    need_same(case.args, before, f"an argument was written to, {case}")
    need_same(outs, kept, f"an output was written to, {case}")


def _read_only(a: Any) -> np.ndarray:
    view = np.array(a)
    view.flags.writeable = False
    return view


def layouts(case: Case) -> None:
    """Other memory layouts give the same: every second element, backwards, columns first."""
    wanted = computed(case)
    us = directions(case.values(case.inputs), 9)
    pulled = plains(vjp(case.function(), *case.inputs)[1](us)) if case.inputs and case.prim.reverse else []
    for lay in (_spaced, _backwards, _columns_first):
        other = Case(case.prim, tuple(a if is_weak_scalar(a) else lay(np.asarray(a)) for a in case.args))
        what = f"{lay.__name__} {case}"
        for o, w in zip(computed(other), wanted, strict=True):
            need_close(o, w, 1e-15 * max(o.size, 8), what) if w.dtype.kind == "f" else need_same([o], [w], what)
        if pulled:
            for g, w in zip(vjp(other.function(), *other.inputs)[1](us), pulled, strict=True):
                need_close(g, w, 1e-15 * max(w.size, 8), f"gradient, {what}")


def _spaced(a: np.ndarray) -> np.ndarray:
    wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
    every_second: Any = (..., *[slice(None, None, 2)] * a.ndim)
    wide[every_second] = a
    return wide[every_second]


def _columns_first(a: np.ndarray) -> np.ndarray:
    return a.copy(order="F")


def _backwards(a: np.ndarray) -> np.ndarray:
    turned: Any = (..., *[slice(None, None, -1)] * a.ndim)
    return a[turned].copy()[turned]


def scalars(case: Case) -> None:
    """Pointwise: without axes as with them; a Python scalar gives what a 0-d array of the other's dtype gives."""
    if not isinstance(case.prim, Pointwise):
        return
    full = np.broadcast_arrays(*case.args)
    whole = plain(run(case.prim, full)[0])
    for place in np.ndindex(*full[0].shape):
        one = run(case.prim, [np.asarray(a[place]) for a in full])[0]
        if plain(one).shape != () or not same_bits(one, np.asarray(whole[place])):
            raise LawBroken(f"{case} at {place}: without axes {one!r}, with axes {whole[place]!r}")
    for dtype in ("float32", "float64"):
        c = converted(case, dtype)
        for i in c.floats if len(c.floats) > 1 else ():
            number = np.asarray(c.args[i]).reshape(-1)[0]
            strong, weak = list(c.args), list(c.args)
            strong[i], weak[i] = number.reshape(()), float(number)
            need_same(run(c.prim, weak), run(c.prim, strong), f"a Python scalar as argument {i} of {c}")
            staged(Case(c.prim, tuple(weak)))


def kept(case: Case) -> None:
    """What a tape node does not keep is not needed: the pullback is the same with everything."""
    prim = case.prim
    if prim.residuals is not None or not prim.differentiable or not case.inputs:
        return
    outs = run(prim, case.args)
    out = outs if prim.multi else outs[0]
    cotangents = directions(differentiable(prim, outs), 10)
    ct = list(cotangents) if prim.multi else cotangents[0]
    needs = [i in case.floats or None for i in range(len(case.args))]
    sparse = prim.pullback(NUMPY, ct, *prim.keep(case.args, out), needs)
    for s, w in zip(sparse, prim.pullback(NUMPY, ct, case.args, out, needs), strict=True):
        if (s is None) != (w is None):
            raise LawBroken(f"{case}: a cotangent exists only with everything kept")
        if s is not None:
            need_same([s], [w], f"the gradient from what is kept, {case}")
