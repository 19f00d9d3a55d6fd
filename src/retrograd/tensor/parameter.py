"""`Parameter`: a cell with a tensor's face; using it in an expression reads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.core.dispatch import current
from retrograd.errors import CellError, UnsupportedDtype
from retrograd.ops.indexing import concrete
from retrograd.ops.inputs import from_outside, value_of
from retrograd.tensor.operators import Operators


class _Readable(Operators):
    """What a cell with a tensor's face shares."""

    __slots__ = ()

    @property
    def value(self) -> Any:
        """The current value, as a tensor."""
        value = current().read(self)
        if value is None:
            raise CellError(f"{self.name} has no value yet")  # type: ignore[attr-defined]
        return value

    @value.setter
    def value(self, value: Any) -> None:
        assign(self, value)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape  # type: ignore[attr-defined]

    @property
    def dtype(self) -> np.dtype:
        return self.type.dtype  # type: ignore[attr-defined]


class Parameter(_Readable, Cell):
    """A trainable array.

    Args:
        data: numbers, as for `tensor`; copied.
        dtype: the dtype to convert to.
        requires_grad: False freezes it.
        name: what messages call it; a module sets it to the path.
    """

    __slots__ = ()

    def __init__(self, data: Any, *, dtype: Any = None, requires_grad: bool = True, name: str = "parameter") -> None:
        array = _array(data, dtype)
        if array.dtype.kind != "f" and requires_grad:
            raise UnsupportedDtype(f"a parameter holds floats, not {array.dtype}; give dtype='float32'")
        super().__init__(array, name=name, requires_grad=requires_grad)

    @property
    def grad(self) -> Any:
        """The gradient that sweeps have accumulated, or None."""
        return current().read(self.grad_cell)

    @grad.setter
    def grad(self, value: Any) -> None:
        assign(self.grad_cell, value)

    def __repr__(self) -> str:
        return f"Parameter({self.name}: {self.type})"

    def __deepcopy__(self, memo: Any) -> Parameter:
        return type(self)(self.array, requires_grad=self.requires_grad, name=self.name)


class Buffer(_Readable, Cell):
    """State that is not trained: running statistics, counters. Optimiser slots are buffers too."""

    __slots__ = ()

    def __init__(self, data: Any, *, dtype: Any = None, name: str = "buffer") -> None:
        super().__init__(_array(data, dtype), name=name)

    def __repr__(self) -> str:
        return f"Buffer({self.name}: {self.type})"

    def __deepcopy__(self, memo: Any) -> Buffer:
        return Buffer(self.array, name=self.name)


class Setting(_Readable, Cell):
    """A number that a program reads as an input, such as a learning rate: changing it never retraces.

    Args:
        value: a number, whose dtype yields to that of what it meets; or an array of them, which stays float64.
    """

    __slots__ = ()

    def __init__(self, value: Any, *, name: str = "setting") -> None:
        array = np.array(value, np.float64)
        super().__init__(array, name=name, weak=not array.ndim)

    def __repr__(self) -> str:
        return f"Setting({self.name}: {self.array})"

    def __deepcopy__(self, memo: Any) -> Setting:
        assert self.array is not None
        return Setting(self.array, name=self.name)


def _array(data: Any, dtype: Any) -> np.ndarray:
    if isinstance(data, (Cell, Operators)):
        data = concrete(data, "a cell is made from numbers")
    if type(data) in (int, float, bool):
        return from_outside([data], dtype).reshape(())
    return from_outside(data, dtype)


def assign(cell: Cell, value: Any) -> None:
    """Make `value` the value of `cell`, after a check of shape and dtype; Python scalars and lists are converted."""
    if value is not None:
        value = value_of(value if hasattr(value, "dtype") or cell.type is None else np.asarray(value, cell.type.dtype))
    current().assign(cell, value)
