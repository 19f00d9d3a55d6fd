"""Which neurons of a network are drawn: all of a small layer; of a large one those that weigh most for one output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrograd.explain.network.worked import Worked

WIDEST, FEW = 12, 10  # of a layer with more neurons than WIDEST only FEW are drawn


@dataclass(frozen=True)
class Shown:
    """What is drawn.

    Attributes:
        columns: the inputs, then the neurons of each layer, by number.
        output: the output that decides what is drawn; None if nothing is left out.
    """

    columns: tuple[tuple[int, ...], ...]
    output: int | None

    @property
    def folded(self) -> bool:
        return self.output is not None


def is_folded(sizes: tuple[int, ...]) -> bool:
    """Whether a network of these widths is too large to be drawn whole."""
    return max(sizes) > WIDEST


def shown(worked: Worked, output: int | None = None) -> Shown:
    """What is drawn of a network.

    Args:
        worked: one example through it.
        output: the output in question; by default the one with the largest target, or value where targets are equal.
    """
    sizes = worked.network.sizes
    if not is_folded(sizes):
        return Shown(tuple(tuple(range(n)) for n in sizes), None)
    if output is None:
        output = int(np.lexsort((worked.outs[-1].array, worked.targets))[-1])
    last = np.abs(np.zeros(sizes[-1]) if worked.nets[-1].cotangent is None else worked.nets[-1].cotangent)
    last = np.where(np.arange(len(last)) == output, np.inf, last)
    columns = [_largest(last)]
    focus = [output]
    for n in range(len(sizes) - 2, -1, -1):
        weights = worked.network.layers[n].weights[focus]
        focus = list(_largest(np.abs(weights * worked.before(n)).sum(0)))
        columns.insert(0, tuple(focus))
    return Shown(tuple(columns), output)


def _largest(scores: np.ndarray) -> tuple[int, ...]:
    """All of a few, in their order; of many the largest."""
    if len(scores) <= WIDEST:
        return tuple(range(len(scores)))
    return tuple(sorted(int(k) for k in np.argsort(-scores, kind="stable")[:FEW]))
