"""The harness counts as it says, and the hand-written NumPy step is right."""

import ctypes

import numpy as np
import pytest

from benchmarks import (
    chain,
    contest,
    derivatives,
    finance,
    first_call,
    harness,
    import_time,
    mlp_step,
    peak,
    processes,
    rows,
)  # fmt: skip
from benchmarks.contest import Row, Work
from benchmarks.harness import Spread


def test_ratio_pairs_the_rounds_of_a_process_and_then_takes_the_median_over_processes():
    processes = [
        {"retrograd": [1.0, 10.0, 3.0], "peer": [2.0, 20.0, 3.0]},  # a slow spell in the second round hits both
        {"retrograd": [1.0], "peer": [4.0]},
        {"retrograd": [3.0], "peer": [2.0]},
    ]
    assert harness.ratio("retrograd", "peer", processes) == Spread(0.25, 0.5, 1.5)


@pytest.mark.parametrize(
    "spread, word",
    [(Spread(0.5, 0.6, 0.99), "won"), (Spread(0.5, 0.6, 1.01), "even"), (Spread(1.01, 2, 3), "lost")],
)
def test_a_row_is_won_only_if_every_process_agrees(spread, word):
    assert harness.verdict(spread) == word


ROW = Row("a row", ("us", 1e6), (), aims={"peer": 1.5}, factor=2.0, seconds={1: 1e-6})


def test_the_table_names_our_best_form_and_shows_losses():
    processes = [{"retrograd, 1 thread": [2e-6], "retrograd, 2 threads": [3e-6], "peer": [1e-6], "floor": [5e-7]}]
    text = "\n".join(harness.report(ROW, processes))
    assert "| peer | 1.00 (1.00 to 1.00) | 2.00 (2.00 to 2.00) | lost | 1.5: missed |" in text
    assert "| floor | 0.500 (0.500 to 0.500) |  |  |  |" in text
    assert "Ours is retrograd, 1 thread." in text
    assert "The best peer is peer: it takes 0.5 times as long (lost); the aim is 2, missed." in text
    assert "Ours takes 4 times the floor." in text
    assert "The aim with 1 thread is 1 us: missed." in text


def test_the_floor_is_the_higher_one_with_as_many_threads_as_ours():
    floors = {"floor: a, 1 thread": [3e-7], "floor: b, 1 thread": [4e-7], "floor: a, 2 threads": [9e-7]}
    text = "\n".join(harness.report(ROW, [{"retrograd, 1 thread": [8e-7], **floors}]))
    assert "Ours takes 2 times the floor: b, 1 thread." in text


def test_what_is_subtracted_is_shown_and_not_compared():
    row = Row("calls", ("us", 1e6), (), differences=(("retrograd, the call", "retrograd", "retrograd, loop"),))
    process = {"retrograd": [5e-6, 5e-6], "retrograd, loop": [1e-6, 2e-6], "peer": [7e-6, 7e-6]}
    text = "\n".join(harness.report(row, [process]))
    assert "| retrograd, the call | 3.50 (3.50 to 3.50) |" in text
    assert "| peer | 7.00 (7.00 to 7.00) | 0.500 (0.500 to 0.500) | won |" in text
    assert "Ours is retrograd, the call." in text


def test_memory_is_compared_with_the_leaner_peer():
    (_, text) = harness.memory([{"retrograd": [10.0, 50.0], "numpy": [1.0, 30.0], "jax": [40.0, 90.0]}])
    assert "retrograd 10.0 (10.0 to 10.0), 50 in all" in text
    assert "Ours takes 0.25 times the leaner peer's; the aim is 1, reached." in text


def test_contestants_that_compute_something_else_are_refused():
    evidence = {"a": [1.0], "floor": [], "b": [1.001]}
    assert contest.disagreement(evidence, 1e-2) is None
    assert contest.disagreement(evidence, 1e-4) == "not the same work:\na: [1.0]\nb: [1.001]"
    assert contest.disagreement({"a": [1.0], "b": [1.0, 1.0]}, 1e-2) is not None
    assert contest.disagreement({"a": [np.nan], "b": [np.nan]}, 1e-2) is not None


def test_a_fingerprint_tells_places_apart_and_does_not_cancel():
    x = np.random.default_rng(0).standard_normal(100_000)
    assert contest.fingerprint(x)[0] == pytest.approx(np.linalg.norm(x), rel=1e-12)
    assert contest.fingerprint(x)[0] == pytest.approx(contest.fingerprint(x[::-1])[0], rel=1e-12)
    assert contest.fingerprint(x)[1] != pytest.approx(contest.fingerprint(x[::-1])[1], rel=1e-6)


def test_rounds_take_turns_and_the_order_rotates():
    order = []
    contestants = {name: lambda name=name: order.append(name) or 1.0 for name in "abc"}
    assert harness.rounds_of(contestants, 3) == {name: [1.0] * 3 for name in "abc"}
    assert "".join(order) == "abcbcacab"


def test_a_round_counts_the_wait_for_what_was_queued():
    done = []
    work = Work(lambda: None, finish=lambda: done.append(1))
    assert harness.seconds_for(work, 3) > 0
    assert done == [1]
    assert harness.repeats(work, 1e-4) >= 1


@pytest.mark.parametrize("name", rows.MODULES)
def test_every_row_has_ours_and_labels_that_differ(name):
    row = rows.find(name)
    labels = [row.label(entry, threads) for entry in row.entries for threads in row.threads]
    assert len(set(labels)) == len(labels)
    assert any(label.startswith("retrograd") for label in labels)
    parts = {part for _, a, b in row.differences for part in (a, b)}
    assert parts <= {entry.name for entry in row.entries}


@pytest.mark.deep
def test_workers_measure():
    measured = processes.measure("chain", rows.find("chain"), processes.Effort(1, 2, 1e-3))
    assert [len(v) for v in measured.seconds[0].values()] == [2] * len(measured.seconds[0])
    assert all(v > 0 for rounds in measured.seconds[0].values() for v in rounds)
    assert "retrograd" in measured.seconds[0]


@pytest.mark.peers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["tiny", "small_iris", "call", "rosenbrock", "hessian", "gmm", "asian"])
def test_everyone_computes_the_same(name):
    """Before it times anything a row stops if contestants disagree."""
    measured = processes.measure(name, rows.find(name), processes.Effort(1, 1, 1e-4, quick=True))
    assert any(label.startswith("jax") for label in measured.seconds[0])


def test_the_first_call_is_compared_with_the_same_cache():
    measured = {
        "retrograd jit, empty cache": [0.2], "retrograd jit, second process": [0.04],
        "jax.jit, empty cache": [0.4], "jax.jit, second process": [0.08], "jax.jit, no cache": [0.1],
    }  # fmt: skip
    text = "\n".join(first_call.table(measured))
    assert "| retrograd jit, empty cache | 200 (200 to 200) |  | 250: reached |" in text
    assert "| retrograd jit, second process | 40.0 (40.0 to 40.0) |  | 30: missed |" in text
    assert "| jax.jit, second process | 80.0 (80.0 to 80.0) | 0.500 (0.500 to 0.500) |  |" in text
    assert "| jax.jit, no cache | 100 (100 to 100) | 2.00 (2.00 to 2.00) |  |" in text


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_peak_and_the_reading_loops_compute_what_they_say(dtype):
    pytest.importorskip("llvmlite")
    lanes = peak.vector_bytes() // np.dtype(dtype).itemsize
    base, suffix = ("float", "f32") if dtype == "float32" else ("double", "f64")
    run = peak.compiled(peak.fma_text(base, suffix, lanes), "peak", ctypes.c_int64)
    assert run(1000) == pytest.approx(peak.CHAINS)  # every chain is x -> x / 2 + 1 / 2
    lanes = peak.vector_bytes() // 8
    x = np.arange(2.0 * peak.SUMS * lanes)
    read = peak.compiled(peak.read_text(lanes), "read", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    assert read(x.ctypes.data, x.size, 3) == pytest.approx(3 * x[::lanes].sum())


@pytest.mark.parametrize("row", [derivatives.ROWS["rosenbrock"], derivatives.ROWS["hessian"], finance.ROWS["asian"]])
def test_ours_agrees_with_what_was_worked_out_on_paper(row):
    ours, by_hand = (next(e for e in row.entries if e.name.startswith(start)) for start in ("retrograd", "NumPy"))
    evidence = {"ours": ours.build().evidence, "by hand": by_hand.build().evidence}
    assert contest.disagreement(evidence, row.tolerance) is None


def test_import_time_is_the_difference_of_pairs():
    text = "\n".join(import_time.table(3, {"numpy": 0.1, "retrograd": 0.25}.get))
    assert "| the difference | 150 (150 to 150) | 100: missed |" in text


def test_the_numpy_step_follows_the_gradient():
    state, x, y = mlp_step.problem()
    state = {name: value.astype(np.float64) for name, value in state.items()}
    x, lr = x.astype(np.float64), 1e-3

    def loss(weights):
        w1, b1, w2, b2 = weights
        z = np.tanh(x @ w1.T + b1) @ w2.T + b2
        return np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y])

    rng = np.random.default_rng(1)
    weights = tuple(state.values())
    direction = [rng.standard_normal(w.shape) for w in weights]
    eps = 1e-5
    slope = loss([w + eps * d for w, d in zip(weights, direction, strict=True)])
    slope = (slope - loss([w - eps * d for w, d in zip(weights, direction, strict=True)])) / (2 * eps)

    changed = tuple(w.copy() for w in weights)
    step = mlp_step.make_step(changed, x, y, lr)
    assert step() == pytest.approx(loss(weights), rel=1e-12)
    stepped = sum(((w - c) * d).sum() for w, c, d in zip(weights, changed, direction, strict=True)) / lr
    assert stepped == pytest.approx(slope, rel=1e-7)


def test_the_chain_neither_dies_out_nor_overflows():
    x = chain.START
    assert np.tanh(chain.FACTOR * np.sin(x)) + chain.SHIFT == pytest.approx(x, rel=1e-15)
    slope = chain.FACTOR * np.cos(x) * (1 - np.tanh(chain.FACTOR * np.sin(x)) ** 2)
    assert slope ** (chain.NODES // 4) == pytest.approx(1)
