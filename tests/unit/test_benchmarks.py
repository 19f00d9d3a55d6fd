"""The harness counts as it says, and the hand-written NumPy step is right."""

import numpy as np
import pytest

from benchmarks import chain, harness, import_time, mlp_step
from benchmarks.harness import Contestant, Spread


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


def test_the_table_names_our_best_form_and_shows_losses():
    processes = [{"retrograd, 1 thread": [2e-6], "retrograd, 2 threads": [3e-6], "peer": [1e-6], "floor": [5e-7]}]
    text = "\n".join(harness.report(processes, ("us", 1e6), {"peer": 1.5}))
    assert "| peer | 1.00 (1.00 to 1.00) | 2.00 (2.00 to 2.00) | lost | 1.5: missed |" in text
    assert "| floor | 0.500 (0.500 to 0.500) |  |  |  |" in text
    assert "Ours is retrograd, 1 thread." in text


def test_contestants_that_compute_something_else_are_refused():
    a, b = Contestant("a", lambda: None, [1.0]), Contestant("b", lambda: None, [1.001])
    harness.agree([a, b], 1e-2)
    with pytest.raises(SystemExit, match="not the same work"):
        harness.agree([a, b], 1e-4)


def test_an_absent_package_is_named_and_the_others_run():
    def absent():
        raise ImportError("No module named 'peer'")

    present, missing = harness.enter([absent, lambda: Contestant("a", lambda: None)])
    assert [c.name for c in present] == ["a"]
    assert missing == ["No module named 'peer'"]


def test_rounds_measure_every_contestant(monkeypatch):
    monkeypatch.setattr(harness, "ROUND_SECONDS", 1e-4)
    monkeypatch.setattr(harness, "SETTLE_SECONDS", 0.0)
    measured = harness.rounds_of([Contestant("a", lambda: None), Contestant("b", lambda: None, scale=0.0)], 3)
    assert all(seconds > 0 for seconds in measured["a"])
    assert measured["b"] == [0, 0, 0]


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
