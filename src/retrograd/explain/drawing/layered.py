"""A layered layout: every arrow points to a later layer, few cross, and boxes do not overlap.

The steps are those of Sugiyama, Tagawa and Toda (1981): layers by the longest path; arrows that skip layers, and
labels, get places of their own in between; the order within a layer by barycentres, swept down and up; then
coordinates. For these every place wants to be where its neighbours are, and least squares under the wish to keep apart
is isotonic regression, solved exactly by pooling adjacent violators (Ayer et al., 1955). Everything is deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 8  # over the layers, for the order
ROUNDS = 11  # over the layers, for the coordinates; the last goes down, so that chains hang straight

Point = tuple[float, float]
Size = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie; x to the right, y down, nothing below zero.

    Attributes:
        centres: of each node.
        ranks: the layer of each node.
        routes: of each edge, pairs of points; it runs straight from the first to the second of a pair, which is across
            a layer (or what of it the node at an end leaves), and in a curve from one pair to the next.
        labels: the centre of each edge's label; None without one.
        size: width and height of the whole.
    """

    centres: list[Point]
    ranks: list[int]
    routes: list[list[Point]]
    labels: list[Point | None]
    size: Size


def layered(
    sizes: Sequence[Size],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[Size | None] | None = None,
    *,
    gap: Size = (22.0, 34.0),
) -> Layout:
    """Places for nodes of these sizes, joined by these edges (source, target); `edges` must have no cycle.

    Args:
        sizes: width and height of each node.
        edges: pairs of places in `sizes`.
        labels: the size of each edge's label, or None for none.
        gap: the least distance between neighbours in a layer, and between layers.

    Raises:
        ValueError: the edges form a cycle.
    """
    return _Layered(sizes, edges, labels or [None] * len(edges), gap).layout()


class _Layered:
    """The places are numbered: nodes first, then those that edges take in layers between, and labels."""

    def __init__(
        self, sizes: Sequence[Size], edges: Sequence[tuple[int, int]], labels: Sequence[Size | None], gap: Size
    ) -> None:
        self.count, self.edges, self.gap = len(sizes), list(edges), gap
        self.sizes: list[Size] = list(sizes)
        self.rank = ranks(len(sizes), self.edges)
        if any(labels):  # labels stand in layers of their own
            self.rank = [2 * r for r in self.rank]
        self.chains: list[list[int]] = []
        self.label_of: list[int | None] = []
        for (source, target), label in zip(self.edges, labels, strict=True):
            self._chain(source, target, label)
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank, default=-1) + 1)]
        for i, r in enumerate(self.rank):
            self.layers[r].append(i)
        self.above: list[list[int]] = [[] for _ in self.sizes]
        self.below: list[list[int]] = [[] for _ in self.sizes]
        for chain in self.chains:
            for a, b in pairwise(chain):
                self.below[a].append(b)
                self.above[b].append(a)

    def _chain(self, source: int, target: int, label: Size | None) -> None:
        """The places of an edge, one in every layer it crosses."""
        chain, own = [source], None
        start, end = self.rank[source], self.rank[target]
        at = end - 1 if label else None  # beside the node that it belongs to, where the edges have parted
        for r in range(start + 1, end):
            chain.append(len(self.sizes))
            self.rank.append(r)
            self.sizes.append(label if label and r == at else (6.0, 0.0))
            own = chain[-1] if r == at else own
        self.chains.append([*chain, target])
        self.label_of.append(own)

    def layout(self) -> Layout:
        self._order()
        x = self._coordinates()
        left = min((x[i] - self.sizes[i][0] / 2 for i in range(len(x))), default=0.0)
        x = [v - left for v in x]
        heights = self.heights = [max((self.sizes[i][1] for i in layer), default=0.0) for layer in self.layers]
        tops, y = [], 0.0
        labelled = any(own is not None for own in self.label_of)
        for height in heights:
            tops.append(y)
            y += height + (0.65 if labelled else 1.0) * self.gap[1]
        bottom = (tops[-1] + heights[-1]) if tops else 0.0
        middle = [tops[r] + heights[r] / 2 for r in self.rank]
        centres = [(x[i], middle[i]) for i in range(self.count)]
        right = max((x[i] + self.sizes[i][0] / 2 for i in range(len(x))), default=0.0)
        places = [None if own is None else (x[own], middle[own]) for own in self.label_of]
        return Layout(centres, self.rank[: self.count], self._routes(x, middle), places, (right, bottom))

    # Order ------------------------------------------------------------------------------------------------------------

    def _order(self) -> None:
        """Put the layers into an order with few crossings: the best that the sweeps met."""
        best, fewest = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            down = sweep % 2 == 0
            order = range(1, len(self.layers)) if down else range(len(self.layers) - 2, -1, -1)
            for r in order:
                neighbours = self.above if down else self.below
                place = {i: k for k, i in enumerate(self.layers[r - 1 if down else r + 1])}
                own = {i: k for k, i in enumerate(self.layers[r])}
                self.layers[r].sort(key=lambda i: (_mean([place[n] for n in neighbours[i]], own[i]), own[i]))
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.layers], crossings
        self.layers = best

    def _crossings(self) -> int:
        """How many pairs of edges between neighbouring layers cross."""
        total = 0
        for upper, lower in pairwise(self.layers):
            place = {i: k for k, i in enumerate(lower)}
            ends = [k for i in upper for k in sorted(place[n] for n in self.below[i])]
            tree = [0] * (len(lower) + 1)  # a Fenwick tree: how many ends so far lie at a place or before it
            for seen, end in enumerate(ends):
                k, before = end + 1, 0
                while k:
                    before += tree[k]
                    k -= k & -k
                total += seen - before
                k = end + 1
                while k <= len(lower):
                    tree[k] += 1
                    k += k & -k
        return total

    # Coordinates ------------------------------------------------------------------------------------------------------

    def _coordinates(self) -> list[float]:
        x = [0.0] * len(self.sizes)
        for layer in self.layers:
            self._place(layer, [0.0] * len(layer), [1.0] * len(layer), x)
        for sweep in range(ROUNDS):
            order = range(len(self.layers)) if sweep % 2 == 0 else range(len(self.layers) - 1, -1, -1)
            for r in order:
                layer = self.layers[r]
                wanted, weights = [], []
                for i in layer:
                    near = (self.above[i] if sweep % 2 == 0 else self.below[i]) or [*self.above[i], *self.below[i]]
                    pull = [self._weight(i, n) for n in near]
                    total = sum(pull)
                    wanted.append(sum(p * x[n] for p, n in zip(pull, near, strict=True)) / total if near else x[i])
                    weights.append(total or 0.5)
                self._place(layer, wanted, weights, x)
        return x

    def _weight(self, i: int, n: int) -> float:
        """How straight the edge between two places should be: most where it only passes."""
        return (1.0, 2.0, 8.0)[(i >= self.count) + (n >= self.count)]

    def _place(self, layer: Sequence[int], wanted: Sequence[float], weights: Sequence[float], x: list[float]) -> None:
        """Coordinates nearest to what is wanted, in order and apart."""
        offsets, at = [], 0.0
        for k, i in enumerate(layer):
            if k:
                at += (self.sizes[layer[k - 1]][0] + self.sizes[i][0]) / 2 + self.gap[0]
            offsets.append(at)
        pooled = isotonic([w - o for w, o in zip(wanted, offsets, strict=True)], weights)
        for i, p, o in zip(layer, pooled, offsets, strict=True):
            x[i] = p + o

    # Edges ------------------------------------------------------------------------------------------------------------

    def _routes(self, x: Sequence[float], middle: Sequence[float]) -> list[list[Point]]:
        leaves = self._ports(x, [c[0] for c in self.chains], [c[1] for c in self.chains])
        enters = self._ports(x, [c[-1] for c in self.chains], [c[-2] for c in self.chains])
        found = []
        for chain, out, into in zip(self.chains, leaves, enters, strict=True):
            points = self._leaving(out, chain[0], middle, 1)
            for i in chain[1:-1]:
                half = max(self._height(i) / 2, 0.5)
                points += [(x[i], middle[i] - half), (x[i], middle[i] + half)]
            points += reversed(self._leaving(into, chain[-1], middle, -1))
            found.append(points)
        return found

    def _leaving(self, x: float, i: int, middle: Sequence[float], side: int) -> list[Point]:
        """From the border of a node straight to that of its layer, past the higher nodes beside it."""
        return [(x, middle[i] + side * self.sizes[i][1] / 2), (x, middle[i] + side * self._height(i) / 2)]

    def _height(self, i: int) -> float:
        """The height of the layer of a place: an edge crosses it straight."""
        return self.heights[self.rank[i]]

    def _ports(self, x: Sequence[float], nodes: Sequence[int], others: Sequence[int]) -> list[float]:
        """Where edges touch a node: side by side, in the order of where they go."""
        found = [x[n] for n in nodes]
        by_node: dict[int, list[int]] = {}
        for e, n in enumerate(nodes):
            by_node.setdefault(n, []).append(e)
        for n, own in by_node.items():
            own.sort(key=lambda e: (x[others[e]], e))
            step = min(16.0, 0.7 * self.sizes[n][0] / len(own))
            for k, e in enumerate(own):
                found[e] = x[n] + (k - (len(own) - 1) / 2) * step
        return found


def ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each node: after all it depends on; what depends on nothing stands right before its first use."""
    waiting = [0] * count
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    sources = [i for i in range(count) if not waiting[i]]
    ready, found, done = list(sources), [0] * count, 0
    while ready:
        i = ready.pop()
        done += 1
        for n in after[i]:
            found[n] = max(found[n], found[i] + 1)
            waiting[n] -= 1
            if not waiting[n]:
                ready.append(n)
    if done < count:
        raise ValueError("a layered layout needs a graph without cycles")
    for i in sources:
        if after[i]:
            found[i] = min(found[n] for n in after[i]) - 1
    return found


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The rising sequence that is nearest to `values`, in weighted least squares: pool adjacent violators."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values, weights, strict=True):
        mean, total, n = value, weight, 1
        while pools and pools[-1][0] > mean:
            before, w, k = pools.pop()
            mean, total, n = (before * w + mean * total) / (w + total), w + total, n + k
        pools.append((mean, total, n))
    return [mean for mean, _, n in pools for _ in range(n)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
