"""`Tensor`: an immutable array that may remember how it was made."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrograd.core.box import Box, set_face
from retrograd.core.cells import Cell
from retrograd.core.dispatch import current, lowest
from retrograd.core.sweep import Leaf
from retrograd.core.types import ArrayType, check_dtype
from retrograd.errors import CellError, DifferentiationError, UnsupportedDtype
from retrograd.graph.stage import Stage
from retrograd.ops.inputs import from_outside, value_of
from retrograd.tensor.backward import backward
from retrograd.tensor.operators import Operators
from retrograd.tensor.parameter import assign


class Tensor(Operators, Box):
    """An immutable array; made by `tensor` and by every function.

    Attributes:
        shape: the lengths of the axes.
        dtype: the NumPy dtype of the elements.
        grad: after `backward`, the gradient of what was swept, for a tensor made with ``requires_grad=True``.
        requires_grad: whether this tensor is, or was computed from, something that requires gradients.
    """

    __slots__ = ()

    @property
    def requires_grad(self) -> bool:
        return self.node is not None and (self.owner is None or self.owner.recording)

    @property
    def _leaf_cell(self) -> Cell | None:
        node = self.node
        return node.target if isinstance(node, Leaf) and isinstance(node.target, Cell) else None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that sweeps have accumulated here, or None."""
        cell = self._leaf_cell
        return None if cell is None else current().read(cell.grad_cell)

    @grad.setter
    def grad(self, value: Any) -> None:
        cell = self._leaf_cell
        if cell is None:
            raise CellError("only a tensor made with requires_grad=True, or a parameter, has a .grad to set")
        assign(cell.grad_cell, value)

    def backward(self, gradient: Any = None, create_graph: bool = False, retain_graph: bool | None = None) -> None:
        """Sweep back from here and add the gradients to the `.grad` of the leaves.

        Args:
            gradient: the cotangent to start from, of this shape; 1 by default, for a scalar.
            create_graph: record the sweep itself, so that gradients can be differentiated again.
            retain_graph: keep the tape for another sweep; by default as `create_graph`.

        Raises:
            DifferentiationError: if nothing here requires gradients, or inside `grad`, `vjp`, `jvp` or `vmap`.
            SpentTape: if the tape was swept already.
        """
        backward(self, gradient, create_graph, create_graph if retain_graph is None else retain_graph)

    def detach(self) -> Tensor:
        """The value without its tape."""
        if self.owner is None:
            return Tensor(self.value, weak=self.weak)
        from retrograd.ops.arithmetic import stop_gradient

        return stop_gradient(self)

    def __repr__(self) -> str:
        notes = [] if self.dtype in (np.dtype("int64"), np.dtype("bool")) else [f"dtype={self.dtype}"]
        if self.owner is not None:
            kind = ArrayType(tuple(self.shape), self.dtype)
            return f"<traced tensor {kind}, {self.owner.describe()}>"
        if self.weak:
            notes.append("weak")
        if self.node is not None:
            notes.append("requires_grad=True" if isinstance(self.node, Leaf) else "recorded")
        values = np.array2string(self.value, separator=", ", prefix="tensor(")
        return f"tensor({', '.join([values, *notes])})"

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        if self.owner is not None:
            raise DifferentiationError("a traced value cannot be copied")
        return tensor(self.value, requires_grad=isinstance(self.node, Leaf))

    def __reduce__(self) -> Any:
        if self.owner is not None:
            raise DifferentiationError("a traced value cannot be pickled")
        return _restored, (self.value, self.weak, isinstance(self.node, Leaf))


set_face(Tensor)


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`; derivatives do not go through a copy of a tensor, through `asarray` they do.

    Args:
        data: numbers, nested lists, an ndarray (whose dtype is kept), a tensor. Python floats become the default float.
        dtype: the dtype to convert to.
        requires_grad: follow what is computed from it, for `backward`.

    Raises:
        UnsupportedDtype: for complex numbers, objects, strings; for integers that are to require gradients.

    >>> tensor([1.0, 2.0])
    tensor([1., 2.], dtype=float32)
    """
    wanted = None if dtype is None else check_dtype(np.dtype(dtype))
    value = value_of(data) if isinstance(data, (Box, Cell)) else None
    if isinstance(value, Box) and (value.owner is not None or not requires_grad):
        from retrograd.ops.arithmetic import astype

        found: Any = value if wanted is None else astype(value, wanted)
        return found.detach() if requires_grad or found.node is not None else found
    source = value.value.copy() if isinstance(value, Box) else data
    if type(source) in (float, int, bool):
        source = [source]
        array = from_outside(source, wanted).reshape(())
    else:
        array = from_outside(source, wanted)
    if isinstance(array, Box):
        return array  # type: ignore[return-value]
    if not requires_grad:
        return Tensor(array)
    if array.dtype.kind != "f":
        raise UnsupportedDtype(f"only floats can require gradients, not {array.dtype}: give dtype='float32'")
    return leaf(array)


def leaf(array: np.ndarray) -> Tensor:
    """A tensor that requires gradients, with a cell for them."""
    cell = Cell(array, name="tensor", requires_grad=True)
    base = lowest(current())
    if isinstance(base, Stage):  # made inside a trace: a leaf of that trace, and new in every iteration of a loop
        base.make_local(cell.grad_cell)
        return Tensor(base.capture(array).value, base, Leaf(cell))
    return Tensor(array, None, Leaf(cell))


def _restored(array: np.ndarray, weak: bool, requires_grad: bool) -> Tensor:
    """A tensor that was pickled; of a recorded one the value."""
    return leaf(array) if requires_grad else Tensor(array, weak=weak)


def asarray(data: Any, /, *, dtype: Any = None) -> Tensor:
    """`data` as a tensor: a tensor as it is, so that derivatives go through, and anything else as `tensor` makes it.

    Args:
        data: a tensor, a parameter, or numbers as for `tensor`.
        dtype: the dtype to convert to.

    >>> import retrograd as rg
    >>> rg.grad(lambda x: asarray(x) * 2.0)(1.0)
    tensor(2., dtype=float64, weak)
    """
    if not isinstance(data, (Box, Cell)):
        return tensor(data, dtype=dtype)
    from retrograd.ops.arithmetic import astype
    from retrograd.ops.inputs import face

    value = face(value_of(data))
    return value if dtype is None else astype(value, check_dtype(np.dtype(dtype)))
