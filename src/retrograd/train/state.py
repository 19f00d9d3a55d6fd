"""Everything a run changes is a cell; here are their names, and how their values are taken and put back."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from retrograd.core.cells import Cell, commit
from retrograd.errors import ModelError
from retrograd.nn.structure import structure_of
from retrograd.ops.random import Generator, default_generator
from retrograd.tensor.parameter import Parameter


def cells_of(model: Any) -> dict[str, Cell]:
    """Every cell of a model by name: parameters, buffers, generators, settings."""
    return dict(structure_of(model).unique(Cell))


def weights_of(model: Any) -> dict[str, Cell]:
    """The parameters and buffers of a model by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def slots_of(optimizer: Any) -> dict[str, Cell]:
    """The slots and settings of an optimiser by name, those of `lr` and the step count among them."""
    return dict(_cells_in(vars(optimizer), ""))


def generators_of(own: Generator) -> dict[str, Cell]:
    """The generators outside of the model that a step may draw from: the trainer's, and the default one."""
    return {"trainer": own, "default": default_generator}


def _cells_in(value: Any, path: str) -> Iterator[tuple[str, Cell]]:
    """The cells in nested dicts, lists and tuples but for parameters, each with the keys that lead to it."""
    if isinstance(value, Cell):
        if not isinstance(value, Parameter):
            yield path, value
        return
    inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, inner in inside:
        yield from _cells_in(inner, f"{path}.{key}" if path else str(key))


def snapshot(cells: Mapping[str, Cell]) -> dict[str, np.ndarray]:
    """The arrays of cells that have one, now and for ever: from here on nobody writes into them."""
    taken = {}
    for name, cell in cells.items():
        cell.lend(recording=False)  # a compiled program will take a fresh array instead of writing into this one
        if cell.array is not None:
            taken[name] = cell.array
    return taken


def put(cells: Mapping[str, Cell], arrays: Mapping[str, np.ndarray], what: str = "the model") -> None:
    """Give cells the arrays of a snapshot, all at once or none.

    Raises:
        ModelError: the names, shapes or dtypes differ; the first difference is named.
    """
    for name in [*cells, *arrays]:
        if name not in arrays and cells[name].array is not None:
            raise ModelError(f"the checkpoint does not fit: it lacks {name!r}, which {what} has")
        if name not in cells:
            raise ModelError(f"the checkpoint does not fit: it has {name!r}, which {what} lacks")
    for name, array in arrays.items():
        type = cells[name].type
        if type is not None and (type.shape, type.dtype) != (array.shape, array.dtype):
            raise ModelError(
                f"the checkpoint does not fit: {name!r} of {what} is {type.dtype} {list(type.shape)}, "
                f"in the checkpoint it is {array.dtype} {list(array.shape)}"
            )
    commit(list(cells.values()), [arrays.get(name) for name in cells], lent=True)
