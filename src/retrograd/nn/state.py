"""The values of a module's cells: as a state_dict, as a tree, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from retrograd.core.box import Box
from retrograd.core.cells import Cell, commit
from retrograd.core.dispatch import Base, Evaluate, current
from retrograd.errors import CellError, ModelError, RetrogradError, ShapeError
from retrograd.nn.structure import Structure
from retrograd.ops.indexing import concrete
from retrograd.ops.inputs import array_of, face
from retrograd.tensor.parameter import Buffer, Parameter


class Mismatch(NamedTuple):
    """What `load_state_dict` did not load: paths that the values lack, and paths that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def _stored(structure: Structure) -> Iterator[tuple[str, Cell]]:
    return ((path, cell) for path, cell in structure.cells if isinstance(cell, (Parameter, Buffer)))


def state_dict(structure: Structure) -> dict[str, np.ndarray]:
    """See `Module.state_dict`."""
    return {path: concrete(cell, "a state_dict holds numbers").copy() for path, cell in _stored(structure)}


def load(what: str, structure: Structure, values: Mapping[str, Any], strict: bool) -> Mismatch:
    """See `Module.load_state_dict`."""
    cells = dict(_stored(structure))
    missing = [path for path in cells if path not in values]
    unexpected = [path for path in values if path not in cells]
    wrong = []
    if strict:
        wrong += [f"missing: {', '.join(missing)}"] if missing else []
        wrong += [f"unexpected: {', '.join(map(str, unexpected))}"] if unexpected else []
    arrays: dict[Cell, Any] = {}
    for path, cell in cells.items():
        if path in values:
            try:
                arrays[cell] = as_stored(values[path], cell)
            except RetrogradError as error:
                wrong.append(f"{path}: {error}")
    if wrong:
        listed = "\n  ".join(wrong)
        raise ModelError(f"this state_dict does not fit the {what}, nothing was loaded:\n  {listed}")
    assign_all(arrays)
    return Mismatch(missing, unexpected)


def as_stored(value: Any, cell: Cell) -> np.ndarray:
    """A fresh ndarray of the cell's shape and dtype.

    Raises:
        ShapeError: if the shape differs.
        CellError: if the dtype is of another kind, or an integer does not fit.
    """
    if hasattr(value, "detach") and not isinstance(value, (Box, Cell)):
        value = value.detach().cpu()  # PyTorch hands out the numbers of a tensor without its tape only
        value = (value.float() if str(value.dtype).endswith("bfloat16") else value).numpy()
    array = np.asarray(concrete(value, "a cell is loaded from numbers") if isinstance(value, (Box, Cell)) else value)
    assert cell.type is not None
    if array.shape != cell.type.shape:
        raise ShapeError(f"the value has shape {array.shape}, the module {cell.type.shape}")
    dtype = cell.type.dtype
    converted = array.astype(dtype)
    floats = array.dtype.kind == dtype.kind == "f"
    if not floats and not ({array.dtype.kind, dtype.kind} <= {"b", "i", "u"} and np.array_equal(array, converted)):
        raise CellError(f"the value is {array.dtype}, the module {dtype}")
    return converted


def constant(cell: Cell) -> Any:
    """The current value of a cell, as a constant to `.backward()`."""
    active = current()
    value = active.read(cell)
    if isinstance(value, Box) and value.node is not None and isinstance(active, Base) and value.owner is active.token:
        return face(active.strip(value))
    return face(value)


def names(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of a dict of paths, or of nested dicts."""
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from names(value, f"{path}.")
        else:
            yield path, value


def by_cell(what: str, structure: Structure, tree: Mapping[str, Any]) -> dict[Cell, Any]:
    """The values of a tree by the cells that they are meant for, checked."""
    if not isinstance(tree, Mapping):
        raise RetrogradError(
            f"parameters come as a dict by path, as parameters_tree gives it, not {type(tree).__name__}"
        )
    found: dict[Cell, Any] = {}
    for path, value in names(tree):
        cell = structure.by_name.get(path)
        if cell is None:
            raise RetrogradError(
                f"the {what} has no {path!r}; it has {', '.join(structure.by_name) or 'no parameters'}"
            )
        value = array_of(value)
        cell.check(value)
        found[cell] = face(value)
    return found


def assign_all(values: Mapping[Cell, Any]) -> None:
    """Assign every cell its value through the current interpreter; at the eager top level all or none."""
    current().assign_all([(cell, value, None) for cell, value in values.items()])


def zero_grad(cells: Iterable[Cell]) -> None:
    """Set the `.grad` of every cell to None."""
    active = current()
    if isinstance(active, Evaluate):
        grads = [g for c in cells if (g := c._grad) is not None and g.array is not None]
        if grads:
            commit(grads, [None] * len(grads), lent=True)
    else:
        for cell in cells:
            active.assign(cell.grad_cell, None)
