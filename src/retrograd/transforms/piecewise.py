"""`piecewise`: a function defined by cases, whose gradient at every element is that of the case it falls in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.core.tree import flatten
from retrograd.errors import DTypeError, RetrogradError, ShapeError
from retrograd.ops.arithmetic import logical_and, logical_not, where
from retrograd.ops.inputs import array_of, face
from retrograd.ops.shaping import broadcast_to, reshape
from retrograd.primitives.families import broadcast_shapes
from retrograd.primitives.lanes import first_true, taken_from
from retrograd.transforms.arguments import is_number_like, name_of
from retrograd.transforms.branches import when


def piecewise(x: Any, *cases: tuple[Any, Any], otherwise: Any, safe: Any = None) -> Any:
    r"""Element by element the first case whose condition holds, as in a chain of if and elif.

    ``where(x > 0, log(x), 0)`` computes the logarithm of negative numbers too. Its value is thrown away, but not its
    derivative: in the reverse sweep zero times infinity is NaN. Here every case is computed on harmless arguments where
    it is not taken, elements of `x` where it is (or `safe`); a case that no element takes does not run. So neither
    values nor derivatives of any order are computed outside of where a case is meant to be.

    Args:
        x: an array, or a tuple of arrays that broadcast together: conditions and functions then take as many arguments.
        cases: pairs ``(condition, function)``. A condition is a function of x that gives booleans, or the booleans
            themselves. A function works element by element: what it makes of one element may not depend on others.
            Instead of a function a number or an array may stand. What functions capture is differentiated too.
        otherwise: the function where no condition holds, NaN elements among them.
        safe: an argument that is harmless for all cases; or a list with one for each case and, last, for `otherwise`
            (None: an element of x). For several x it may be a tuple of one each. With it all cases always run, in one
            pass over x.

    Raises:
        DTypeError: if a condition is not boolean.
        ShapeError: if a condition or a result does not broadcast to the shape of x.

    >>> import numpy as np, retrograd as rg
    >>> f = lambda x: rg.piecewise(x, (lambda x: x > 0, rg.log), otherwise=lambda x: 0 * x)
    >>> x = np.array([0.0, 1.0, 2.0])
    >>> f(x), rg.grad(lambda x: rg.sum(f(x)))(x)
    (tensor([0.        , 0.        , 0.69314718], dtype=float64), tensor([0. , 1. , 0.5], dtype=float64))
    """
    given = x if isinstance(x, (tuple, list)) else (x,)
    if not given or not all(map(is_number_like, given)):
        raise RetrogradError("piecewise takes an array, or a tuple of arrays, and then pairs (condition, function)")
    shape = broadcast_shapes(*[tuple(array_of(v).shape) for v in given])
    xs = [face(array_of(v)) if tuple(array_of(v).shape) == shape else broadcast_to(v, shape) for v in given]
    functions, taken = _cases(cases, xs, shape)
    functions.append(otherwise)
    arguments = _safe(safe, len(functions), len(xs))
    results = [
        _result(f, t, xs, a, shape, i) for i, (f, t, a) in enumerate(zip(functions, taken, arguments, strict=True))
    ]
    out = results[-1]
    for mask, result in zip(taken[-2::-1], results[-2::-1], strict=True):
        out = where(mask, result, out)
    return out if tuple(out.shape) == shape else broadcast_to(out, shape)


def _cases(cases: Sequence[Any], xs: Sequence[Any], shape: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    """The functions, and for each and for what is left over, which elements it takes: every element one of them."""
    if not cases:
        raise RetrogradError("piecewise without cases: give pairs (condition, function) before otherwise=")
    functions, taken = [], []
    left: Any = None
    for i, case in enumerate(cases):
        if not isinstance(case, (tuple, list)) or len(case) != 2:
            raise RetrogradError(f"case {i} of piecewise must be a pair (condition, function)")
        holds = face(array_of(case[0](*xs) if callable(case[0]) else case[0]))
        if holds.dtype.kind != "b":
            raise DTypeError(f"the condition of case {i} of piecewise is {holds.dtype}; it must be boolean")
        holds = _fitted(holds, shape, f"the condition of case {i}")
        functions.append(case[1])
        taken.append(holds if left is None else logical_and(left, holds))
        left = logical_not(holds) if left is None else logical_and(left, logical_not(holds))
    return functions, [*taken, left]


def _fitted(value: Any, shape: tuple[int, ...], what: str) -> Any:
    own = tuple(value.shape)
    if own == shape:
        return value
    if broadcast_shapes(own, shape) != shape:
        raise ShapeError(f"{what} of piecewise has shape {own}, x has {shape}")
    return broadcast_to(value, shape)


def _safe(safe: Any, n: int, n_arguments: int) -> list[Any]:
    """For each function the safe arguments, or None."""
    each = list(safe) if isinstance(safe, list) else [safe] * n
    if len(each) != n:
        raise RetrogradError(f"safe= has {len(each)} entries; piecewise has {n} functions, counting otherwise")
    found: list[Any] = []
    for entry in each:
        if isinstance(entry, tuple) and len(entry) != n_arguments:
            raise RetrogradError(f"safe= has {len(entry)} arguments, piecewise {n_arguments}")
        found.append(entry if entry is None or isinstance(entry, tuple) else (entry,) * n_arguments)
    return found


def _result(f: Any, taken: Any, xs: Sequence[Any], safe: Any, shape: tuple[int, ...], i: int) -> Any:
    """The results of one function; what they are where it is not taken does not matter."""
    if not callable(f):
        return _fitting(f, shape, i)
    if safe is not None:
        return _fitting(f(*[where(taken, x, s) for x, s in zip(xs, safe, strict=True)]), shape, i)
    if 0 in shape:
        return _fitting(f(*xs), shape, i)
    if not shape:
        return _fitting(when(taken, f, xs, f"case {i} of piecewise, {name_of(f)}"), shape, i)
    some, place = first_true(array_of(reshape(taken, (-1,))))
    harmless = [taken_from(array_of(reshape(x, (-1,))), place) for x in xs]
    arguments = [where(taken, x, face(h)) for x, h in zip(xs, harmless, strict=True)]
    return _fitting(when(some, f, arguments, f"case {i} of piecewise, {name_of(f)}"), shape, i)


def _fitting(result: Any, shape: tuple[int, ...], i: int) -> Any:
    if not is_number_like(result):
        raise RetrogradError(f"case {i} of piecewise must give one array, not {flatten(result)[1]}")
    value = face(array_of(result))
    if broadcast_shapes(tuple(value.shape), shape) != shape:
        raise ShapeError(f"case {i} of piecewise gives shape {tuple(value.shape)} for elements of shape {shape}")
    return value


__all__ = ["piecewise"]
