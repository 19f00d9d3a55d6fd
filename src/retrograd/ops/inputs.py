"""What public functions do with their arguments before they call `apply`: read cells, copy arrays in, promote dtypes.

dtypes promote as in the array API, and an integer or boolean with a float gives the float's dtype. Python scalars are
weak: they take the dtype of what they meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from retrograd.config import FLOAT64, INT, default_float
from retrograd.core.box import Box, box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import apply, apply1, apply2, current
from retrograd.core.primitive import Primitive
from retrograd.core.source import at_user_line
from retrograd.core.types import WEAK_DTYPES, check_dtype, is_weak_scalar
from retrograd.errors import CellError, DTypeError, TracingError
from retrograd.primitives.arithmetic import Convert


def value_of(x: Any) -> Any:
    """What `apply` takes: a box, an ndarray nobody else can write into, or a Python scalar.

    Raises:
        UnsupportedDtype: for complex numbers, objects, strings.
        CellError: for a cell that has no value yet.
    """
    if isinstance(x, Box) or type(x) in WEAK_DTYPES:
        return x
    if isinstance(x, Cell):
        value = current().read(x)
        if value is None:
            raise CellError(f"{x.name} has no value yet{at_user_line()}")
        return value
    return from_outside(x)


def from_outside(x: Any, dtype: Any = None) -> np.ndarray:
    """A fresh ndarray; Python floats in lists become the default float, as in `rg.tensor`."""
    if isinstance(x, (list, tuple)):
        from_parts = _stack_of_boxes(x)
        if from_parts is not None:
            return from_parts
    if not isinstance(x, (np.ndarray, np.generic)) and hasattr(x, "__array__"):
        x = x.__array__()  # np.array would ask for a copy in a way that older implementations warn of
    array = np.array(x) if dtype is None else np.array(x, dtype=check_dtype(np.dtype(dtype)))
    check_dtype(array.dtype)
    if array.dtype == FLOAT64 and dtype is None and not hasattr(x, "dtype") and _all_python(x):
        array = array.astype(default_float())
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _all_python(x: Any) -> bool:
    """Whether a nested list holds Python numbers only: those have no dtype of their own."""
    while isinstance(x, (list, tuple)):
        if any(hasattr(e, "dtype") for e in x):
            return False
        nested = [e for e in x if isinstance(e, (list, tuple))]
        if not nested:
            return True
        if len(nested) > 1 and not all(_all_python(e) for e in nested[1:]):
            return False
        x = nested[0]
    return type(x) in WEAK_DTYPES


def _stack_of_boxes(xs: Sequence[Any]) -> Any:
    """A list with tensors in it becomes their stack, which differentiates; any other list is None here."""
    if not any(isinstance(x, (Box, Cell)) for x in xs):
        if any(isinstance(x, (list, tuple)) and _stack_of_boxes(x) is not None for x in xs):
            return _stacked([_stack_of_boxes(x) if isinstance(x, (list, tuple)) else x for x in xs])
        return None
    return _stacked(xs)


def _stacked(xs: Sequence[Any]) -> Any:
    from retrograd.ops.shaping import stack

    return stack(list(xs))


def array_of(x: Any) -> Any:
    """As `value_of`, but a Python scalar becomes a (weak) 0-d value."""
    x = value_of(x)
    return weak_box(x) if type(x) in WEAK_DTYPES else x


def weak_box(x: Any) -> Box:
    """A Python scalar as a box."""
    return box(np.asarray(x, WEAK_DTYPES[type(x)]), weak=True)


def is_weak(x: Any) -> bool:
    """Whether the dtype of `x` yields to that of what it meets."""
    return type(x) in WEAK_DTYPES or (isinstance(x, Box) and x.weak)


def dtype_of(x: Any) -> np.dtype:
    """The dtype of a value; that of a Python scalar is the weak one."""
    weak = WEAK_DTYPES.get(type(x))
    return x.dtype if weak is None else weak


def promoted_dtype(dtypes: Sequence[np.dtype]) -> np.dtype:
    """The dtype that arrays of these dtypes meet in.

    Raises:
        DTypeError: for uint64 with a signed integer, which no integer dtype holds.
    """
    floats = [d for d in dtypes if d.kind == "f"]
    found = np.result_type(*(floats or dtypes))
    if found.kind == "f" and not floats:
        raise DTypeError(f"no integer dtype holds {' and '.join(map(str, dtypes))}; convert one with .astype")
    return found


def common_dtype(xs: Sequence[Any]) -> tuple[np.dtype, bool]:
    """(the dtype the values meet in, whether all of them are weak)."""
    strong = [x.dtype for x in xs if not is_weak(x)]
    weak = [dtype_of(x) for x in xs if is_weak(x)]
    if not strong:
        return np.result_type(*weak), True
    dtype = promoted_dtype(strong)
    for w in weak:
        if w.kind == "f" and dtype.kind != "f":
            dtype = default_float()
        elif w.kind == "i" and dtype.kind == "b":
            dtype = w
    return dtype, False


def converted(x: Any, dtype: np.dtype) -> Any:
    """`x` with this dtype."""
    if type(x) in WEAK_DTYPES:
        return np.asarray(x, dtype)
    return x if x.dtype == dtype else apply1(Convert.of(dtype), x)


_SUMMED_AS = {"b": INT, "i": INT, "u": np.dtype("uint64")}


def summable(x: Any, dtype: Any = None) -> Any:
    """Numbers that are going to be added or multiplied: in `dtype`, or integers in the widest of their kind."""
    x = array_of(x)
    if dtype is not None:
        return converted(x, check_dtype(np.dtype(dtype)))
    wide = _SUMMED_AS.get(x.dtype.kind, x.dtype)
    return x if x.dtype == wide else converted(x, wide)


def promote(xs: Sequence[Any]) -> tuple[list[Any], bool]:
    """Values of one dtype, and whether the result is weak. Python scalars stay as they are where an array is."""
    xs = [value_of(x) for x in xs]
    dtype, weak = common_dtype(xs)
    if weak:
        return [converted(x, dtype) for x in xs], True
    kept = [x if is_weak_scalar(x) and (dtype.kind == "f" or type(x) is not float) else converted(x, dtype) for x in xs]
    return kept, False


def face(out: Any, weak: bool = False) -> Any:
    """The public face of a result; rules are written with NumPy's operators, which make scalars of 0-d arrays."""
    if isinstance(out, Box):
        if weak:
            out.weak = True
        return out
    return box(out if type(out) is np.ndarray else np.asarray(out), weak=weak)


def unary(prim: Primitive, x: Any) -> Any:
    """Apply a pointwise primitive that wants floats."""
    if not isinstance(x, Box) or x.weak or x.dtype.kind != "f":
        x = as_float(x)
    out = apply1(prim, x)
    weak = getattr(x, "weak", False)  # an array from outside has none; while tracing its result is a box all the same
    return out if isinstance(out, Box) and not weak else face(out, weak)


def as_float(x: Any) -> Any:
    """A floating value: integers become the default float, weak ones a weak float64."""
    x = array_of(x)
    if x.dtype.kind == "f":
        return x
    return face(converted(x, FLOAT64), True) if is_weak(x) else converted(x, default_float())


def binary(prim: Primitive, x: Any, y: Any) -> Any:
    """Apply a pointwise primitive of two arguments."""
    weak = False
    if isinstance(x, Box) and not x.weak:
        dtype = x.dtype
        if isinstance(y, Box):
            fits = not y.weak and y.dtype is dtype
        else:
            fits = type(y) is float and dtype.kind == "f"
    else:
        fits = isinstance(y, Box) and not y.weak and type(x) is float and y.dtype.kind == "f"
    if not fits:
        (x, y), weak = promote((x, y))
    out = apply2(prim, x, y)
    return out if isinstance(out, Box) and not weak else face(out, weak)


def binary_float(prim: Primitive, x: Any, y: Any) -> Any:
    """Apply a pointwise primitive of two arguments that wants floats."""
    if type(y) is float and isinstance(x, Box) and not x.weak and x.dtype.kind == "f":
        return face(apply2(prim, x, y))
    (x, y), weak = promote((x, y))
    if dtype_of(x).kind != "f" and dtype_of(y).kind != "f":
        target = FLOAT64 if weak else default_float()
        x, y = converted(x, target), converted(y, target)
    return face(apply2(prim, x, y), weak)


def nary(prim: Primitive, *xs: Any) -> Any:
    """Apply a primitive of several arguments of one dtype."""
    values, weak = promote(xs)
    return face(apply(prim, *values), weak)


def normal_axes(axis: int | Sequence[int] | None, ndim: int, name: str) -> tuple[int, ...]:
    """Sorted axes from 0; None means all.

    Raises:
        TypeError: for an axis that is no integer.
        ValueError: for an axis out of range, or given twice.
    """
    if axis is None:
        return tuple(range(ndim))
    listed = (axis,) if isinstance(axis, (int, np.integer)) else integers(axis, name, "axis")
    for a in listed:
        if not -ndim <= a < ndim:
            raise ValueError(f"{name}: axis {a} is out of range for {ndim} axes")
    found = sorted(int(a) % ndim for a in listed)
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: axis given twice in {listed}")
    return tuple(found)


def one_axis(axis: Any, ndim: int, name: str) -> int:
    """The axis from 0, of a function that goes along exactly one.

    Raises:
        TypeError: for an axis that is no integer.
        ValueError: for an axis out of range, or for none or several.
    """
    found = () if axis is None else normal_axes(axis, ndim, name)
    if len(found) != 1:
        raise ValueError(f"{name} goes along one axis, got axis={axis!r}")
    return found[0]


def integers(value: Any, name: str, what: str) -> tuple[int, ...]:
    """One integer or several.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(value, (tuple, list, range)) or (isinstance(value, np.ndarray) and value.ndim):
        return tuple(integer(v, name, what) for v in value)
    return (integer(value, name, what),)


def integer(value: Any, name: str, what: str) -> int:
    """An integer, of whatever type says that it is one.

    Raises:
        TypeError: for anything else; a float is never cut off.
    """
    try:
        return index(value)
    except TracingError:
        raise
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer, got {value!r}") from None
