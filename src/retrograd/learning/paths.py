"""Derivatives as sums over paths: what backpropagation would cost without remembering.

The derivative of the output with respect to a node is the sum, over all paths between them, of the product of the
derivatives along the path (Bauer 1974; Aggarwal 2018, chapter 3, the path aggregation lemma). There may be
exponentially many paths; the reverse sweep gives the same number in one visit to each node, because it adds up what
arrives at a node before it goes on. These functions follow the paths one by one: to show it, and as an oracle that
shares nothing with the sweep but the local derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from retrograd.core.sweep import Node
from retrograd.errors import RetrogradError
from retrograd.learning.recording import Recording, partials

LIMIT = 100_000  # a path is some microseconds


def path_count(recording: Recording, argument: int = 0) -> int:
    """How many paths lead from an argument to the output; counted without following them."""
    goal = recording.leaf(argument)
    ways: dict[Node, int] = {}
    for node in recording.nodes():  # the oldest first: its arguments are known
        ways[node] = sum(ways.get(p, 0) for p in node.parents or () if p is not None)
        if node is goal:
            ways[node] = 1
    return 0 if recording.output is None else ways[recording.output]


def paths(recording: Recording, argument: int = 0, *, limit: int = LIMIT) -> Iterator[tuple[tuple[Node, ...], float]]:
    """Every path from the output back to an argument, with the product of the derivatives along it.

    Args:
        recording: of a program of scalars.
        argument: which argument.
        limit: refuse more paths than that.

    Raises:
        RetrogradError: for too many paths, or an argument that is not there.
        ShapeError: if an operation on a path is not one of single numbers.
    """
    number = path_count(recording, argument)
    if number > limit:
        raise RetrogradError(f"{number} paths are too many to follow one by one (limit={limit}); the sweep needs none")
    goal = recording.leaf(argument)
    if recording.output is None:
        return
    waiting: list[tuple[tuple[Node, ...], float]] = [((recording.output,), 1.0)]
    while waiting:
        path, product = waiting.pop()
        if path[-1] is goal:
            yield path, product
            continue
        waiting += [((*path, parent), product * derivative) for parent, derivative in partials(path[-1])]


def path_sum(recording: Recording, argument: int = 0, *, limit: int = LIMIT) -> float:
    """The derivative of the output with respect to an argument, path by path; arguments and errors as for `paths`.

    >>> from retrograd.learning import record
    >>> def diamonds(x):
    ...     for _ in range(3):
    ...         x = x + x
    ...     return x
    >>> tape = record(diamonds, 1.0)
    >>> path_count(tape), path_sum(tape)
    (8, 8.0)
    """
    return sum(product for _, product in paths(recording, argument, limit=limit))


class Visits(NamedTuple):
    """How often nodes are entered to get the derivatives of a program.

    Attributes:
        sweep: by the reverse sweep: every node once.
        recursion: by the chain rule applied anew wherever a value is used: once for every path from the output.
    """

    sweep: int
    recursion: int


def visits(recording: Recording, *, limit: int = LIMIT) -> Visits:
    """Sweep, and recurse, and count.

    Raises:
        RetrogradError: if the recursion would take more than `limit` visits.
    """
    swept = 0

    def count(*_: object) -> None:
        nonlocal swept
        swept += 1

    reached = recording.backward(observe=count)
    swept += sum(c is not None for c in reached)  # leaves have no rule to observe
    recursive = 0
    waiting = [recording.output] if recording.output is not None else []
    while waiting:
        node = waiting.pop()
        recursive += 1
        if recursive > limit:
            raise RetrogradError(f"the recursion makes more than {limit} visits; the sweep makes {swept}")
        waiting += [p for p in node.parents or () if p is not None]
    return Visits(swept, recursive)
