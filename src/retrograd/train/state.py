"""Everything a run changes is a cell; here are their names, and how their values are taken and put back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from retrograd.core.cells import Cell, commit
from retrograd.errors import ModelError
from retrograd.nn.structure import structure_of
from retrograd.ops.random import Generator, default_generator
from retrograd.optim import Optimizer


def cells_of(model: Any) -> dict[str, Cell]:
    """Every cell of a model by name: parameters, buffers, generators, settings."""
    return dict(structure_of(model).unique(Cell))


def weights_of(model: Any) -> dict[str, Cell]:
    """The parameters and buffers of a model by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def slots_of(optimizer: Optimizer) -> dict[str, Cell]:
    """The slots, settings and step count of an optimiser, by the names of its `state_dict`."""
    return optimizer._saved()


def generators_of(own: Generator) -> dict[str, Cell]:
    """The generators outside of the model that a step may draw from: the trainer's, and the default one."""
    return {"trainer": own, "default": default_generator}


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
    check_fit(cells, arrays, what)
    commit(list(cells.values()), [arrays.get(name) for name in cells], lent=True)


def check_fit(cells: Mapping[str, Cell], arrays: Mapping[str, np.ndarray], what: str) -> None:
    """Refuse arrays that are not those of the cells, as `put` does."""
    for name in [*cells, *arrays]:
        if name not in arrays and cells[name].array is not None:
            raise ModelError(f"the checkpoint does not fit: it lacks {name!r}, which {what} has")
        if name not in cells:
            raise ModelError(f"the checkpoint does not fit: it has {name!r}, which {what} lacks")
    for name, array in arrays.items():
        kind = cells[name].type
        if kind is not None and (kind.shape, kind.dtype) != (array.shape, array.dtype):
            raise ModelError(
                f"the checkpoint does not fit: {name!r} of {what} is {kind.dtype} {list(kind.shape)}, "
                f"in the checkpoint it is {array.dtype} {list(array.shape)}"
            )
