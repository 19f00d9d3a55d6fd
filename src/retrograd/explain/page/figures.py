"""The figures of a page: each has a name, and is read out of what the engine recorded.

A page is made once for a network's build; its numbers are read again for every row and every round.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from retrograd.core.dispatch import QUIET, interpreter
from retrograd.explain.network import compute
from retrograd.explain.network.description import Network, Weight, with_arrays
from retrograd.explain.network.worked import Worked
from retrograd.explain.records import Term
from retrograd.transforms.derivatives import value_and_grad

WRITTEN_OUT = 4  # gradients of so many rows are shown one by one


class Row:
    """One example through the network."""

    def __init__(self, worked: Worked) -> None:
        self.worked = worked
        self._arrivals: dict[tuple[int, int], dict[int, Term]] = {}
        self._locals: dict[tuple[int, tuple[int, ...]], float] = {}

    def arrival(self, layer: int, k: int, j: int) -> float:
        """What neuron `j` of the next layer hands back to the output of neuron `k`."""
        term = self._terms(layer, k).get(j)
        return 0.0 if term is None else term.product

    def other_arrivals(self, layer: int, k: int, without: Sequence[int]) -> float:
        """What all of them hand back but these."""
        return float(sum(t.product for j, t in self._terms(layer, k).items() if j not in without))

    def _terms(self, layer: int, k: int) -> dict[int, Term]:
        key = (layer, k)
        if key not in self._arrivals:
            self._arrivals[key] = {t.at[0]: t for t in self.worked.arrivals(layer, k)}
        return self._arrivals[key]

    def local(self, weight: Weight) -> float:
        """dnet/dweight, of a weight that feeds one neuron."""
        key = (weight.array, weight.place)
        if key not in self._locals:
            terms = self.worked.d_net(weight)
            self._locals[key] = terms[0].local if terms else 0.0
        return self._locals[key]

    def other_products(self, layer: int, k: int, without: Sequence[int]) -> float:
        """What the inputs of a neuron bring it, times their weights: all but these."""
        rest = np.delete(np.arange(len(self.worked.before(layer))), list(without))
        return float(self.worked.network.layers[layer].weights[k, rest] @ self.worked.before(layer)[rest])


class Moment:
    """A network with the weights that it has after some rounds.

    Args:
        network: its build and data.
        arrays: its weights now.
        rows: the examples that are worked through.
    """

    def __init__(self, network: Network, arrays: Sequence[np.ndarray], rows: Sequence[int]) -> None:
        self.network = with_arrays(network, arrays)
        self.arrays = self.network.arrays()
        self.rows = {r: Row(Worked(self.network.row(r), check=False)) for r in rows}

    @cached_property
    def _derived(self) -> tuple[float, list[np.ndarray]]:
        """The error over all rows, and its gradients."""
        if len(self.network.inputs) == 1 and self.rows:
            worked = self.rows[0].worked
            return float(worked.total.array), [g.array for g in worked.gradients]
        return _error_and_gradients(self.network, self.arrays)

    @property
    def error(self) -> float:
        """Over all rows."""
        return self._derived[0]

    def gradient(self, weight: Weight) -> float:
        """dE/dweight over all rows."""
        return float(self._derived[1][weight.array][weight.place])

    def gradient_of_row(self, weight: Weight, row: int) -> float:
        """dE/dweight of one row."""
        if row in self.rows:
            return self.rows[row].worked.gradient(weight)
        return float(self._gradients_of_rows[row][weight.array][weight.place])

    @cached_property
    def _gradients_of_rows(self) -> dict[int, list[np.ndarray]]:
        others = [r for r in range(len(self.network.inputs)) if r not in self.rows]
        return {r: _error_and_gradients(self.network.row(r), self.arrays)[1] for r in others}

    @cached_property
    def outputs(self) -> np.ndarray:
        """What comes out, (rows, outputs)."""
        with interpreter(QUIET):
            passed = compute.Passed(self.network, self.arrays, self.network.inputs, self.network.targets)
        return np.asarray(passed.outs[-1])

    @cached_property
    def new(self) -> list[np.ndarray]:
        """The weights after one more update."""
        with interpreter(QUIET):
            return [np.asarray(x) for x in compute.updated(self.network, self.arrays, self._derived[1])]

    @cached_property
    def error_after(self) -> float:
        """Over all rows, after one more update."""
        return error_of(self.network, self.new)


def _error_and_gradients(network: Network, arrays: Sequence[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    with interpreter(QUIET):
        error, found = value_and_grad(lambda *xs: compute.total_error(network, xs), tuple(range(len(arrays))))(*arrays)
    return float(error), [np.asarray(x) for x in found]


def error_of(network: Network, arrays: Sequence[np.ndarray]) -> float:
    """The error over all rows of the network's data, with these weights."""
    with interpreter(QUIET):
        return float(compute.total_error(network, arrays))


class Figure(NamedTuple):
    """A number on the page.

    Attributes:
        label: what it is called.
        shared: it is the same for all rows: `read` takes a `Moment`, otherwise a `Row`.
    """

    label: str
    shared: bool
    read: Callable[[Any], float]


class Figures:
    """The figures that a page shows, numbered in the order in which they were asked for first."""

    def __init__(self) -> None:
        self.all: list[Figure] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable, label: str, read: Callable[[Any], float], *, shared: bool = False) -> int:
        """The number of a figure; entered if it is new."""
        if key not in self._numbers:
            self._numbers[key] = len(self.all)
            self.all.append(Figure(label, shared, read))
        return self._numbers[key]

    def values(self, moment: Moment) -> dict[str, Any]:
        """All of them: those of the whole network, and those of each row."""
        return {
            "shared": [f.read(moment) for f in self.all if f.shared],
            "rows": {str(r): [f.read(row) for f in self.all if not f.shared] for r, row in moment.rows.items()},
        }
