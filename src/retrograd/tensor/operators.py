"""What tensors and parameters can do: every body is one call into `retrograd.ops`."""

from __future__ import annotations

import inspect
import math
from typing import Any, NoReturn

import numpy as np

from retrograd.core.source import at_user_line
from retrograd.errors import RetrogradError
from retrograd.ops import arithmetic, cumulative, indexing, linear_algebra, reductions, rounding, shaping, sorting
from retrograd.ops.inputs import binary, value_of
from retrograd.primitives.arithmetic import ADD, MULTIPLY, SUBTRACT


class Operators:
    """Arithmetic, comparison, indexing and array methods."""

    __slots__ = ()
    __hash__ = object.__hash__

    # The three commonest go straight to the pointwise path.
    def __add__(self, other: Any) -> Any:
        return binary(ADD, self, other) if _fits(other) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return binary(ADD, other, self) if _fits(other) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return binary(SUBTRACT, self, other) if _fits(other) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return binary(SUBTRACT, other, self) if _fits(other) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        return binary(MULTIPLY, self, other) if _fits(other) else NotImplemented

    def __rmul__(self, other: Any) -> Any:
        return binary(MULTIPLY, other, self) if _fits(other) else NotImplemented

    def __truediv__(self, other: Any) -> Any:
        return arithmetic.divide(self, other) if _fits(other) else NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return arithmetic.divide(other, self) if _fits(other) else NotImplemented

    def __floordiv__(self, other: Any) -> Any:
        return rounding.floor_divide(self, other) if _fits(other) else NotImplemented

    def __rfloordiv__(self, other: Any) -> Any:
        return rounding.floor_divide(other, self) if _fits(other) else NotImplemented

    def __mod__(self, other: Any) -> Any:
        return rounding.remainder(self, other) if _fits(other) else NotImplemented

    def __rmod__(self, other: Any) -> Any:
        return rounding.remainder(other, self) if _fits(other) else NotImplemented

    def __divmod__(self, other: Any) -> Any:
        return rounding.divmod(self, other) if _fits(other) else NotImplemented

    def __rdivmod__(self, other: Any) -> Any:
        return rounding.divmod(other, self) if _fits(other) else NotImplemented

    def __round__(self, ndigits: int | None = None) -> Any:
        return rounding.round(self, ndigits or 0)

    def __pow__(self, other: Any) -> Any:
        return arithmetic.power(self, other) if _fits(other) else NotImplemented

    def __rpow__(self, other: Any) -> Any:
        return arithmetic.power(other, self) if _fits(other) else NotImplemented

    def __matmul__(self, other: Any) -> Any:
        return linear_algebra.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return linear_algebra.matmul(other, self)

    def __neg__(self) -> Any:
        return arithmetic.negative(self)

    def __pos__(self) -> Any:
        return arithmetic.positive(self)

    def __abs__(self) -> Any:
        return arithmetic.absolute(self)

    def __eq__(self, other: object) -> Any:
        return arithmetic.equal(self, other) if _fits(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return arithmetic.not_equal(self, other) if _fits(other) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        return arithmetic.less(self, other) if _fits(other) else NotImplemented

    def __le__(self, other: Any) -> Any:
        return arithmetic.less_equal(self, other) if _fits(other) else NotImplemented

    def __gt__(self, other: Any) -> Any:
        return arithmetic.greater(self, other) if _fits(other) else NotImplemented

    def __ge__(self, other: Any) -> Any:
        return arithmetic.greater_equal(self, other) if _fits(other) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return arithmetic.logical_and(_boolean(self), _boolean(other))

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        return arithmetic.logical_or(_boolean(self), _boolean(other))

    __ror__ = __or__

    def __invert__(self) -> Any:
        return arithmetic.logical_not(_boolean(self))

    def __getitem__(self, key: Any) -> Any:
        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(f"tensors are immutable{at_user_line()}: use y = x.at[...].set(value), or .add(value)")

    @property
    def at(self) -> indexing.At:
        """``x.at[key].set(value)`` and ``.add(value)``: new tensors with a part replaced."""
        return indexing.At(self)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)  # type: ignore[attr-defined]

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)  # type: ignore[attr-defined]

    @property
    def T(self) -> Any:
        """The axes in reverse order."""
        return shaping.transpose(self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return shaping.matrix_transpose(self)

    def __len__(self) -> int:
        shape = self.shape  # type: ignore[attr-defined]
        if not shape:
            raise TypeError("len() of a scalar")
        return int(shape[0])

    def __iter__(self) -> Any:
        if not self.shape:  # type: ignore[attr-defined]
            raise TypeError("iteration over a scalar")
        return (indexing.getitem(self, i) for i in range(len(self)))

    def numpy(self) -> np.ndarray:
        """The values as a read-only ndarray that shares memory; copy it to write into it.

        Raises:
            TracingError: if the value is being traced.
        """
        array = indexing.concrete(value_of(self), "NumPy needs numbers").view()
        array.flags.writeable = False
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    f"a copy is needed to convert {array.dtype} to {np.dtype(dtype)}, and copy=False was given"
                )
            return array.astype(dtype)
        return array.copy() if copy else array

    def item(self) -> Any:
        """The one element as a Python number."""
        array = indexing.concrete(value_of(self), "a Python number needs a value")
        if array.size != 1:
            raise ValueError(f"item() of shape {array.shape}: only one element has a number")
        return array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.numpy().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        value = self.item()
        if not isinstance(value, int):
            raise TypeError("only an integer scalar can be an index")
        return value

    def __bool__(self) -> bool:
        array = indexing.concrete(
            value_of(self), "Python's if, while, and, or need a value; use rg.where, rg.cond or rg.while_loop"
        )
        if array.size != 1:
            raise ValueError(f"the truth of an array of shape {array.shape} is ambiguous: reduce it first")
        return bool(array.item())

    def __format__(self, spec: str) -> str:
        """One element as a Python number is written (``f"{loss:.3f}"``); without a `spec`, as `str` does."""
        return format(self.item(), spec) if spec else str(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Sum over axes."""
        return reductions.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Mean over axes."""
        return reductions.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Largest element over axes."""
        return reductions.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Smallest element over axes."""
        return reductions.min(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether an element over axes is true."""
        return reductions.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether every element over axes is true."""
        return reductions.all(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Index of the first smallest element."""
        return reductions.argmin(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Index of the first largest element."""
        return reductions.argmax(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Product over axes."""
        return reductions.prod(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Any:
        """Running sums along an axis; by default of all elements."""
        return cumulative.cumsum(self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Any:
        """Running products along an axis; by default of all elements."""
        return cumulative.cumprod(self, axis=axis)

    def sort(self, axis: int | None = -1, descending: bool = False) -> Any:
        """A new tensor: the elements in order along an axis."""
        return sorting.sort(self, axis=axis, descending=descending)

    def argsort(self, axis: int | None = -1, descending: bool = False) -> Any:
        """Indices that sort along an axis."""
        return sorting.argsort(self, axis=axis, descending=descending)

    def reshape(self, *shape: Any) -> Any:
        """The elements in another shape."""
        return shaping.reshape(self, shape[0] if len(shape) == 1 else shape)

    def ravel(self) -> Any:
        """All elements along one axis."""
        return shaping.ravel(self)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order."""
        chosen = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return shaping.transpose(self, chosen or None)

    def squeeze(self, axis: Any = None) -> Any:
        """Axes of length one removed."""
        return shaping.squeeze(self, axis)

    def astype(self, dtype: Any) -> Any:
        """Conversion to another dtype."""
        return arithmetic.astype(self, dtype)

    # NumPy's world ----------------------------------------------------------------------------------------------------

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        import retrograd

        return retrograd

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = _numpy_function(ufunc.__name__)
        if method != "__call__" or function is None or kwargs:
            what = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
            extra = f" with {', '.join(kwargs)}" if kwargs else ""
            raise RetrogradError(f"{what}{extra} has no counterpart here; use rg functions, or np on x.numpy()")
        return function(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func.__name__ in ("shape", "ndim", "size"):
            return getattr(self, func.__name__)
        function = _numpy_function(func.__name__)
        if function is None:
            raise RetrogradError(
                f"np.{func.__name__} has no counterpart here; use rg functions, or np on x.numpy() without gradients"
            )
        return _call_as_numpy(func.__name__, function, args, kwargs)

    def __dlpack__(self, **kwargs: Any) -> Any:
        # A copy, unless the consumer asks for none: PyTorch for one takes read-only memory and lets it be written into.
        array = indexing.concrete(value_of(self), "DLPack needs numbers")
        if kwargs.pop("copy", None) is False:
            return self.numpy().__dlpack__(**kwargs)
        return array.copy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


_RENAMED = {
    "true_divide": "divide", "abs": "absolute", "amax": "max", "amin": "min", "rint": "round", "around": "round",
}  # fmt: skip


def _numpy_function(name: str) -> Any:
    import retrograd

    found = getattr(retrograd, _RENAMED.get(name, name), None)
    return found if callable(found) else None


def _call_as_numpy(name: str, function: Any, args: Any, kwargs: Any) -> Any:
    """NumPy passes `axis` by position where we take it by name.

    Raises:
        RetrogradError: for arguments that only NumPy's function has; to leave them out would be another function.
    """
    signature = inspect.signature(function)
    # None says "not given", but where the default is something else: of argsort it means all elements along one axis
    other = {name for name, p in signature.parameters.items() if p.default is not None}
    kwargs = {k: v for k, v in kwargs.items() if v is not None or k in other}
    attempts = [(args, kwargs)]
    if len(args) > 1 and "axis" in signature.parameters and "axis" not in kwargs:
        attempts.append((args[:-1], {**kwargs, "axis": args[-1]}))
    for positional, named in attempts:
        try:
            signature.bind(*positional, **named)
        except TypeError:
            continue
        return function(*positional, **named)
    extra = [k for k in kwargs if k not in signature.parameters]
    what = f" with {', '.join(extra)}" if extra else " with these arguments"
    raise RetrogradError(f"np.{name}{what} has no counterpart here; use rg functions, or np on x.numpy()")


def _fits(other: Any) -> bool:
    return not isinstance(other, (str, bytes, dict, set)) and other is not None


def _boolean(x: Any) -> Any:
    value = value_of(x)
    if not isinstance(value, bool) and value.dtype.kind != "b":
        raise TypeError("& | ~ are for booleans here; compare first")
    return value
