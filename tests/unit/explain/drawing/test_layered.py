"""The layered layout: nothing overlaps, arrows point one way, chains hang straight, the same picture every time."""

import itertools

import numpy as np
import pytest

from retrograd.explain.drawing.layered import isotonic, layered, ranks


def random_graph(seed, count, *, labels=True):
    rng = np.random.default_rng(seed)
    sizes = [(rng.uniform(20, 160), rng.uniform(16, 70)) for _ in range(count)]
    edges = [(int(rng.integers(max(0, j - 12), j)), j) for j in range(1, count) for _ in range(rng.integers(4))]
    marks = [(rng.uniform(10, 60), 16.0) if labels and rng.random() < 0.5 else None for _ in edges]
    return sizes, edges, marks


def boxes(sizes, found, marks):
    """(left, top, right, bottom) of nodes and labels."""
    placed = list(zip(found.centres, sizes, strict=True))
    placed += [(p, m) for p, m in zip(found.labels, marks, strict=True) if m]
    return [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in placed]


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("seed, count", [(0, 5), (1, 12), (2, 40), (3, 80), (4, 200)])
def test_boxes_and_labels_do_not_overlap(seed, count, labels):
    sizes, edges, marks = random_graph(seed, count, labels=labels)
    found = layered(sizes, edges, marks)
    placed = boxes(sizes, found, marks)
    for a, b in itertools.combinations(placed, 2):
        apart = a[2] <= b[0] + 1e-6 or b[2] <= a[0] + 1e-6 or a[3] <= b[1] + 1e-6 or b[3] <= a[1] + 1e-6
        assert apart, (a, b)
    assert min(min(b[0], b[1]) for b in placed) >= -1e-6
    assert max(b[2] for b in placed) <= found.size[0] + 1e-6
    assert max(b[3] for b in placed) <= found.size[1] + 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_edges_point_down_and_touch_their_boxes(seed):
    sizes, edges, marks = random_graph(seed, 40)
    found = layered(sizes, edges, marks)
    for (a, b), route in zip(edges, found.routes, strict=True):
        assert found.ranks[a] < found.ranks[b]
        ys = [y for _, y in route]
        assert ys == sorted(ys)
        assert len(route) % 2 == 0
        for end, i, side in ((route[0], a, 1), (route[-1], b, -1)):
            assert end[1] == pytest.approx(found.centres[i][1] + side * sizes[i][1] / 2)
            assert abs(end[0] - found.centres[i][0]) <= sizes[i][0] / 2


def test_edges_pass_by_other_boxes():
    """Where an edge runs straight, across a layer, it keeps out of all boxes."""
    sizes, edges, marks = random_graph(7, 60)
    found = layered(sizes, edges, marks)
    nodes = boxes(sizes, found, [None] * len(edges))
    for route in found.routes:
        for (x, y0), (same, y1) in zip(route[::2], route[1::2], strict=True):
            assert x == same
            for left, top, right, bottom in nodes:
                assert not (left + 1e-6 < x < right - 1e-6 and max(top, y0) < min(bottom, y1) - 1e-6)


def test_the_layout_is_deterministic():
    sizes, edges, marks = random_graph(5, 60)
    assert layered(sizes, edges, marks) == layered(sizes, edges, marks)


def test_a_chain_is_straight():
    found = layered([(50, 20), (120, 30), (30, 10), (80, 40)], [(0, 1), (1, 2), (2, 3)], [(20, 16), None, (90, 16)])
    assert {round(x, 6) for x, _ in found.centres} == {60.0}
    assert {round(x, 6) for route in found.routes for x, _ in route} == {60.0}


def test_parallel_edges_come_apart():
    found = layered([(80, 30), (80, 30)], [(0, 1), (0, 1)], [(30, 16), (30, 16)])
    (a, b) = found.labels
    assert abs(a[0] - b[0]) >= 30
    assert found.routes[0] != found.routes[1]


def test_nothing_at_all():
    assert layered([], []).size == (0.0, 0.0)
    assert layered([(10, 20)], []).size == (10, 20)


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="without cycles"):
        layered([(1, 1)] * 2, [(0, 1), (1, 0)])


def test_what_depends_on_nothing_stands_before_its_first_use():
    assert ranks(4, [(0, 1), (1, 2), (3, 2)]) == [0, 1, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_regression(seed):
    """The conditions of an optimum: rising, and a pool has the weighted mean of what is in it."""
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=30), rng.uniform(0.5, 8, size=30)
    found = np.array(isotonic(list(values), list(weights)))
    assert (np.diff(found) >= -1e-12).all()
    for level in np.unique(found):
        pool = np.isclose(found, level, atol=1e-12)
        assert np.average(values[pool], weights=weights[pool]) == pytest.approx(level)
        totals = np.cumsum((values - found)[pool] * weights[pool])
        assert (totals >= -1e-9).all()  # else its first part would rather lie lower
