"""The trace of a network: what its page shows, as JSON.

A *view* is what does not depend on numbers: the drawing, the steps, the names of the figures. A *snapshot* is all
figures after some rounds. Every figure is read out of the engine's records; see `figures`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from retrograd.explain.network.compute import Rounds
from retrograd.explain.network.description import CROSS_ENTROPY, Network
from retrograd.explain.network.worked import Worked
from retrograd.explain.page.figures import Moment, error_of
from retrograd.explain.page.folding import Shown, is_folded, shown
from retrograd.explain.page.naming import Named
from retrograd.explain.page.picture import Picture
from retrograd.explain.page.steps import Story

ROWS = 16  # of more rows only the first are on a page
NUMBERS = 60_000  # so many, about, in all snapshots of a page
FIRST, MOST = 20, 150  # rounds that follow one by one; snapshots in all
POINTS, ON_THE_WAY = 300, 8  # of the error curve: of a whole training; of one request of a live page


class View:
    """What the page of a network shows, whatever its numbers.

    Args:
        network: the network, with all rows of its data.
        worked: a row of it; decides what is drawn of a large network.
        output: likewise; see `folding.shown`.
    """

    def __init__(self, network: Network, worked: Worked, output: int | None = None) -> None:
        self.network, self.shown, self.key = network, shown(worked, output), key_of(network, worked, output)
        self.named = Named(network)
        self.story = Story(worked, self.shown, self.named, len(network.inputs), network.learning_rate)
        self.picture = Picture(self.story)
        self.weights = [self._weight(w) for w in self.story.weights]
        self.named.whole_error()
        rows = len(network.inputs)
        self.answers = [
            [self.named.answer(r, k) for k in range(network.sizes[-1])] for r in range(min(rows, ROWS)) if rows > 1
        ]

    def _weight(self, w: Any) -> dict[str, Any]:
        """Where a weight is, and its figures."""
        named, layer = self.named, self.network.layers[w.layer]
        size = layer.weights.shape[1]
        flat = w.place[0] * size + w.place[1] if w.source is not None else (w.place or (0,))[0]
        found = {"name": w.name, "array": w.array, "at": flat, "train": w.train, "layer": w.layer}
        found |= {"value": named.weight(w), "gradient": named.gradient(w)}
        if len(self.network.inputs) > 1:
            found["whole"] = named.whole_gradient(w)
        if self.network.learning_rate is not None and w.train:
            found["new"] = named.new(w)
        return found

    def record(self) -> dict[str, Any]:
        """For JSON."""
        net, phases = self.network, list(dict.fromkeys(s.phase for s in self.story.steps))
        return {
            "key": self.key,
            "output": self.shown.output,
            "left_out": self.left_out(),
            "layers": [
                {"name": self.story.layer_name(n), "activation": layer.activation, "custom": layer.function is not None}
                for n, layer in enumerate(net.layers)
            ],
            "inputs": [{"at": i, "figure": self.named.input(i)} for i in self.shown.columns[0]],
            "targets": [{"at": k, "figure": self.named.target(k)} for k in self.shown.columns[-1]],
            "weights": self.weights,
            "picture": self.picture.record(),
            "phases": phases,
            "steps": [{**s.record(), "phase": phases.index(s.phase)} for s in self.story.steps],
            "error": self.named.whole_error(),
            "answers": self.answers,
            "figures": [[f.label, int(f.shared)] for f in self.named.figures.all],
        }

    def left_out(self) -> str:
        """What is not drawn, in a sentence; empty if all is."""
        if not self.shown.folded:
            return ""
        parts = []
        for column, chosen in enumerate(self.shown.columns):
            if self.story.left_out(column):
                name = "inputs" if column == 0 else f"neurons of the {self.story.layer_name(column - 1)}"
                parts.append(f"{len(chosen)} of the {self.network.sizes[column]} {name}")
        output = self.network.outputs[self.shown.output or 0]
        return (
            f"This network is too large to be drawn whole. You see {' and '.join(parts)}: those that contribute most "
            f"to output {output}. What is left out is computed all the same, and stands as “the rest” in the sums. "
            "Biases have no arrows."
        )

    def snapshot(self, number: int, moment: Moment) -> dict[str, Any]:
        """All figures after so many rounds."""
        return {"round": number, **self.named.figures.values(moment)}


def key_of(network: Network, worked: Worked, output: int | None) -> str:
    """What tells one view of a network from another."""
    chosen = shown(worked, output)
    build = [
        [layer.activation for layer in network.layers],
        chosen.columns,
        chosen.output,
        network.learning_rate is None,
        [bool(t) for t in worked.targets] if network.loss == CROSS_ENTROPY else None,
    ]
    return hashlib.sha256(json.dumps(build).encode()).hexdigest()[:16]


def state_of(network: Network) -> dict[str, Any]:
    """The numbers that a reader may change."""
    return {
        "inputs": network.inputs.tolist(),
        "targets": network.targets.tolist(),
        "arrays": [a.ravel().tolist() for a in network.arrays()],
        "learning_rate": network.learning_rate,
        "activations": [layer.activation for layer in network.layers],
    }


def about(network: Network, digits: int | None) -> dict[str, Any]:
    """What is said about the network as a whole."""
    digits = digits or (5 if is_folded(network.sizes) else 9)
    kinds = " and ".join(dict.fromkeys(layer.activation for layer in network.layers))
    published = [p._asdict() for p in network.published if p.update != "sequential"]
    return {
        "name": network.name,
        "about": network.about,
        "kind": f"a {'-'.join(map(str, network.sizes))} network, {kinds}, {network.loss}",
        "legend": network.legend,
        "rows": len(network.inputs),
        "input_names": list(network.input_names) if len(network.inputs) > 1 else [],
        "classes": network.loss == CROSS_ENTROPY,
        "examples": {"inputs": network.inputs[:ROWS].tolist(), "targets": network.targets[:ROWS].tolist()},
        "outputs": list(network.outputs),
        "published": published,
        "digits": digits,
    }


def rows_of(network: Network, row: int, chosen: Shown) -> list[int]:
    """The rows that a page holds: of a network that is drawn in part only the one."""
    if chosen.folded or row >= ROWS:
        return [row]
    return list(range(min(len(network.inputs), ROWS)))


def trace(network: Network, *, row: int = 0, rounds: int | None = None, digits: int | None = None) -> dict[str, Any]:
    """Everything that a page shows by itself.

    Args:
        network: with all its rows.
        row: the one to begin with.
        rounds: how far it is trained, on all rows; by default far enough to see it learn.
        digits: decimals in formulas; by default 9, or 5 for a large network.
    """
    worked = Worked(network.row(row), check=False)
    first = View(network, worked)
    views = [first]
    if first.shown.folded:
        views += [View(network, worked, k) for k in first.shown.columns[-1] if k != first.shown.output]
    rows = rows_of(network, row, first.shown)
    last = 0 if network.learning_rate is None else _enough(network) if rounds is None else rounds
    size = sum(1 if f.shared else len(rows) for v in views for f in v.named.figures.all)
    looks = schedule(last, max(12, min(MOST, NUMBERS // size)))
    snapshots: dict[str, list[Any]] = {v.key: [] for v in views}
    curve = []
    for number, arrays in training(network, sorted({*looks, *schedule(last, POINTS, dense=0)})):
        if number in looks:
            moment = Moment(network, arrays, rows)
            for v in views:
                snapshots[v.key].append(v.snapshot(number, moment))
            curve.append([number, moment.error])
        else:
            curve.append([number, error_of(network, arrays)])
    return plain(
        {
            **about(network, digits),
            "row": row,
            "row_choice": rows,
            "output_choice": sorted(v.shown.output for v in views if v.shown.output is not None),
            "views": [{**v.record(), "snapshots": snapshots[v.key]} for v in views],
            "curve": curve,
        }
    )


def _enough(network: Network) -> int:
    """So many rounds take a moment."""
    work = len(network.inputs) * sum(a.size for a in network.arrays())
    return 10_000 if work <= 20_000 else 100


def training(network: Network, rounds: Sequence[int]) -> list[tuple[int, list[np.ndarray]]]:
    """The weights after so many rounds each."""
    arrays, done, found, run = network.arrays(), 0, [], Rounds(network)
    for number in rounds:
        arrays, done = run(network, arrays, number - done), number
        found.append((number, arrays))
    return found


def errors_along(
    run: Rounds, network: Network, arrays: Sequence[np.ndarray], rounds: int
) -> tuple[list[np.ndarray], list[tuple[int, float]]]:
    """The weights after so many rounds, and the error at a few places on the way: (rounds, error)."""
    done, points, now = 0, [], list(arrays)
    for k in range(1, min(rounds, ON_THE_WAY) + 1):
        upto = rounds * k // min(rounds, ON_THE_WAY)
        now, done = run(network, now, upto - done), upto
        points.append((upto, error_of(network, now)))
    return now, points


def schedule(last: int, count: int, dense: int = FIRST) -> list[int]:
    """When to look: each of the first rounds, then ever more rarely; powers of ten and the last one always."""
    powers = [10**k for k in range(7) if 10**k <= last]
    near = list(range(min(dense, last, max(1, count // 3)) + 1))
    found = {0, last, *powers, *near}
    left = max(0, count - len(found))
    if last > near[-1] and left:
        start = math.log10(max(1, near[-1]))
        found |= {round(10 ** (start + (math.log10(last) - start) * i / left)) for i in range(left + 1)}
    return sorted(n for n in found if n <= last)


def plain(value: Any) -> Any:
    """With words in place of numbers that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else "not a number" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
