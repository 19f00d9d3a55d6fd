"""Derivatives of functions of trees of arrays. All of them nest with each other and with every other transform."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.dispatch import current, interpreter, lowest
from retrograd.core.forward import Forward, backpropagate, how_to_find, zeros_for
from retrograd.core.reverse import Reverse
from retrograd.core.sweep import sweep
from retrograd.core.tree import Structure, flatten, flatten_like, unflatten
from retrograd.errors import RetrogradError, ShapeError
from retrograd.ops.inputs import array_of, converted, face
from retrograd.ops.shaping import ones_like, reshape
from retrograd.transforms.arguments import face_like, flat_arrays, mapped, name_of, need_floats, selected
from retrograd.transforms.vectorise import vmap


class _Linearised:
    """A function evaluated once at a point, with its tape: what `grad` and `vjp` share."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], kwargs: Any, places: list[int], name: str) -> None:
        self.level = Reverse(current(), f"{name} of {name_of(f)}")
        self.structures: list[Structure] = []
        self.leaves: list[Any] = []
        new = list(args)
        for i in places:
            values, structure = flat_arrays(args[i], f"argument {i} of {name_of(f)}")
            need_floats(values, name, f)
            boxes = [self.level.leaf(v) for v in values]
            self.leaves += boxes
            self.structures.append(structure)
            new[i] = unflatten(structure, boxes)
        try:
            with interpreter(self.level):
                self.result = f(*new, **kwargs)
        finally:
            self.level.closed = True

    def strip(self, x: Any) -> Any:
        """A result as the level below sees it."""
        value = array_of(x)
        return face_like(self.level.strip(value), value)

    def pull(self, outputs: Sequence[Any], cotangents: Sequence[Any], keep: bool) -> list[Any]:
        """The cotangents of all differentiated leaves, in order; zeros where nothing arrived."""
        live = [
            (o.node, ct)
            for o, ct in zip(outputs, cotangents, strict=True)
            if isinstance(o, Box) and o.owner is self.level and o.dtype.kind == "f"
        ]
        base = lowest(current())
        try:
            rule = base.sweeping(backpropagate, [o for o in outputs if isinstance(o, Box)])
            found = sweep([n for n, _ in live], [ct for _, ct in live], rule=rule, keep=keep)
        except RetrogradError as error:
            how_to_find(error, base)
            raise
        return [face_like(zeros_for(b.value) if found.get(b.node) is None else found[b.node], b) for b in self.leaves]

    def trees(self, cotangents: list[Any]) -> list[Any]:
        """One tree per differentiated argument."""
        found, at = [], 0
        for s in self.structures:
            found.append(unflatten(s, cotangents[at : at + s.size]))
            at += s.size
        return found


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives ``(f(...), gradient)``.

    Args:
        f: returns a scalar, or ``(scalar, anything)`` with `has_aux`.
        argnums: the argument, or arguments, to differentiate with respect to; each is an array or a tree of arrays.

    Returns:
        A function with the arguments of `f`. The gradient has the structure of the argument (a tuple of them if
        `argnums` is a sequence).

    >>> value_and_grad(lambda x: x**3)(2.0)
    (tensor(8., dtype=float64, weak), tensor(12., dtype=float64, weak))
    """

    @wraps(f)
    def value_and_grad_f(*args: Any, **kwargs: Any) -> Any:
        places = selected(argnums, args, f)
        run = _Linearised(f, args, kwargs, places, "grad")
        result, aux = _with_aux(run.result, f) if has_aux else (run.result, None)
        loss = _scalar(result, f)
        seed = run.level.strip(loss)
        grads = run.trees(run.pull([loss], [array_of(ones_like(seed))], keep=False))
        gradient = grads[0] if isinstance(argnums, int) else tuple(grads)
        value = face_like(seed, loss)
        return ((value, mapped(aux, run.strip)), gradient) if has_aux else (value, gradient)

    return value_and_grad_f


def _with_aux(result: Any, f: Any) -> tuple[Any, Any]:
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise RetrogradError(f"has_aux=True needs {name_of(f)} to return (scalar, anything)")
    return result[0], result[1]


def _scalar(result: Any, f: Any) -> Any:
    if isinstance(result, (tuple, list, dict)) or result is None:
        raise RetrogradError(
            f"grad needs {name_of(f)} to return a scalar, it returned a {type(result).__name__}; "
            "has_aux=True lets it return (scalar, anything)"
        )
    loss = array_of(result)
    if loss.shape != () or loss.dtype.kind != "f":
        raise ShapeError(
            f"grad needs a scalar, {name_of(f)} returned {loss.dtype} of shape {tuple(loss.shape)}: "
            "reduce it with rg.sum or rg.mean, or use rg.vjp or rg.jacobian"
        )
    return loss


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a scalar function, as a function; see `value_and_grad`.

    >>> grad(lambda x: x**3)(2.0)
    tensor(12., dtype=float64, weak)
    >>> grad(grad(lambda x: x**3))(2.0)
    tensor(12., dtype=float64, weak)
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def grad_f(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return grad_f


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*primals)`` and the function that takes a cotangent of the result to those of the primals.

    The pullback may be called any number of times.

    >>> y, pull = vjp(lambda a, b: a * b, 2.0, 5.0)
    >>> pull(1.0)
    (tensor(5., dtype=float64, weak), tensor(2., dtype=float64, weak))
    """
    run = _Linearised(f, primals, {}, list(range(len(primals))), "vjp")
    outputs, structure = flat_arrays(run.result, f"the result of {name_of(f)}")

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = flatten_like(structure, cotangent, "the cotangent")
        cts = [matching(ct, o) for ct, o in zip(given, outputs, strict=True)]
        return tuple(run.trees(run.pull(outputs, cts, keep=True)))

    return unflatten(structure, [run.strip(o) for o in outputs]), pullback


def matching(ct: Any, like: Any) -> Any:
    """A cotangent or tangent as a value of the type of what it belongs to."""
    value = array_of(ct)
    if tuple(value.shape) != tuple(like.shape):
        raise ShapeError(
            f"a cotangent or tangent of shape {tuple(value.shape)} for a value of shape {tuple(like.shape)}"
        )
    ct = converted(value, like.dtype)
    return ct.value if isinstance(ct, Box) and ct.weak and ct.owner is None else ct


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*primals)`` and its derivative in the direction of `tangents`, computed together by forward mode.

    >>> jvp(lambda x: x**3, (2.0,), (1.0,))
    (tensor(8., dtype=float64, weak), tensor(12., dtype=float64, weak))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise RetrogradError("jvp takes tuples: rg.jvp(f, (x,), (v,))")
    level = Forward(current())
    values, structure = flat_arrays(list(primals), f"the arguments of {name_of(f)}")
    need_floats(values, "jvp", f)
    directions = flatten_like(structure, list(tangents), "tangents")
    boxes = [
        level.dual(v, matching(t, v) if v.dtype.kind == "f" else None) for v, t in zip(values, directions, strict=True)
    ]
    try:
        with interpreter(level):
            result = f(*unflatten(structure, boxes))
    finally:
        level.closed = True
    outputs, out_structure = flat_arrays(result, f"the result of {name_of(f)}")
    pairs = [level.split(o) for o in outputs]
    tangents_out = [zeros_for(p) if t is None else t for p, t in pairs]
    values_out = [face_like(p, o) for (p, _), o in zip(pairs, outputs, strict=True)]
    return unflatten(out_structure, values_out), unflatten(
        out_structure, [face_like(t, o) for t, o in zip(tangents_out, outputs, strict=True)]
    )


def _basis(value: Any) -> Any:
    """All unit vectors of the shape of `value`, stacked."""
    n = math.prod(value.shape)
    return reshape(np.eye(n, dtype=value.dtype), (n, *value.shape))


def _size(values: Sequence[Any]) -> int:
    return sum(math.prod(v.shape) for v in values)


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, mode: str | None = None) -> Callable[..., Any]:
    """The Jacobian: for every output array and input array, shape ``(*output, *input)``.

    Args:
        mode: "forward" (a column for each input element) or "reverse" (a row for each output element); by default
            whichever takes fewer passes.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]], dtype=float64)
    """
    if mode not in (None, "forward", "reverse"):
        raise RetrogradError(f"jacobian: mode is 'forward', 'reverse' or None, not {mode!r}")

    @wraps(f)
    def jacobian_f(*args: Any, **kwargs: Any) -> Any:
        places = selected(argnums, args, f)

        def of_selected(*xs: Any) -> Any:
            new = list(args)
            for i, x in zip(places, xs, strict=True):
                new[i] = x
            return f(*new, **kwargs)

        xs = [args[i] for i in places]
        values, structure = flat_arrays(xs, f"the arguments of {name_of(f)}")
        need_floats(values, "jacobian", f)
        out, pull = vjp(of_selected, *xs)
        outs, out_structure = flatten(out)
        forward = mode == "forward" or (mode is None and _size(values) < _size(outs))
        rows = _columns(of_selected, values, structure, outs) if forward else _rows(pull, outs, out_structure)
        trees = [unflatten(structure, row) for row in rows]
        picked = [t[0] if isinstance(argnums, int) else tuple(t) for t in trees]
        return unflatten(out_structure, picked)

    return jacobian_f


def _rows(pull: Any, outs: Sequence[Any], structure: Structure) -> list[list[Any]]:
    """For each output, the derivative of it with respect to every input: one pullback a row."""
    found = []
    for i, o in enumerate(outs):

        def pulled(ct: Any, i: int = i) -> Any:
            cts = [ct if j == i else zeros_for(array_of(v)) for j, v in enumerate(outs)]
            return pull(unflatten(structure, cts))

        leaves, _ = flatten(vmap(pulled)(_basis(o)))
        found.append([reshape(leaf, (*o.shape, *leaf.shape[1:])) for leaf in leaves])
    return found


def _columns(f: Any, values: Sequence[Any], structure: Structure, outs: Sequence[Any]) -> list[list[Any]]:
    """As `_rows`, one push-forward a column."""
    columns: list[list[Any]] = []
    for i, v in enumerate(values):

        def pushed(t: Any, i: int = i) -> Any:
            tangents = [t if j == i else zeros_for(w) for j, w in enumerate(values)]
            xs = unflatten(structure, [face(w) for w in values])
            return jvp(f, xs, unflatten(structure, tangents))[1]

        leaves, _ = flatten(vmap(pushed, out_axes=-1)(_basis(v)))
        columns.append([reshape(leaf, (*leaf.shape[:-1], *v.shape)) for leaf in leaves])
    return [[columns[i][j] for i in range(len(values))] for j in range(len(outs))]


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The matrix of second derivatives of a scalar function: forward over reverse.

    >>> hessian(lambda x: x[0] * x[1] ** 2)(np.array([1.0, 3.0]))
    tensor([[0., 6.],
            [6., 2.]], dtype=float64)
    """
    return jacobian(grad(f, argnums), argnums, mode="forward")


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The Hessian of a scalar function at `x` times `v`, at the cost of a few evaluations of `f`.

    >>> hvp(lambda x: x[0] * x[1] ** 2, np.array([1.0, 3.0]), np.array([1.0, 0.0]))
    tensor([0., 6.], dtype=float64)
    """
    return jvp(grad(f), (x,), (v,))[1]
