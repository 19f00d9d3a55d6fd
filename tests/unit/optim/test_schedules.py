"""Schedules: functions of the step. That they are PyTorch's figures is tested in tests/peers."""

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import RetrogradError
from retrograd.optim import schedules
from retrograd.train import ReduceLROnPlateau, Trainer

SCHEDULES = {
    "constant": schedules.constant(0.5),
    "step": schedules.step(0.5, 3),
    "multistep": schedules.multistep(0.5, [2, 5]),
    "piecewise_constant": schedules.piecewise_constant([0.5, 0.1, 0.3], [2, 5]),
    "exponential": schedules.exponential(0.5, 0.9),
    "polynomial": schedules.polynomial(0.5, 8, 2.0),
    "linear": schedules.linear(0.5, 0.1, 1.0, 6),
    "inverse_sqrt": schedules.inverse_sqrt(0.5, 4),
    "cosine_annealing": schedules.cosine_annealing(0.5, 8),
    "cosine_warm_restarts": schedules.cosine_warm_restarts(0.5, 3),
    "cosine_warm_restarts, longer": schedules.cosine_warm_restarts(0.5, 2, 2),
    "one_cycle": schedules.one_cycle(0.5, 10),
    "warmup": schedules.warmup(schedules.exponential(0.5, 0.9), 3),
    "sequential": schedules.sequential([schedules.constant(0.1), schedules.exponential(0.5, 0.5)], [4]),
}
every = pytest.mark.parametrize("name", SCHEDULES)


def rates(schedule, steps=12):
    return [float(schedule(float(t))) for t in range(steps)]


@every
def test_the_same_rates_eagerly_compiled_and_in_a_loop(name):
    schedule, steps = SCHEDULES[name], 12
    expected = rates(schedule)
    assert all(rate >= 0.0 for rate in expected)
    moved = []
    for way in (lambda f: f, rg.jit):
        p = rg.Parameter(np.zeros(steps))
        optimizer = optim.SGD([p], lr=schedule)
        step = way(lambda p=p, o=optimizer: o.step([rg.where(rg.arange(steps) == o.steps.value, -1.0, 0.0)]))
        for _ in range(steps):
            step()
        moved.append(p.numpy())
    p = rg.Parameter(np.zeros(steps))
    optimizer = optim.SGD([p], lr=schedule)

    def body(i, carry):
        optimizer.step([rg.where(rg.arange(steps) == i, -1.0, 0.0).astype("float64")])
        return carry

    rg.jit(lambda: rg.fori_loop(0, steps, body, rg.tensor(0.0)))()
    for got in (*moved, p.numpy()):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)


def test_by_hand():
    np.testing.assert_allclose(
        rates(SCHEDULES["piecewise_constant"], 7), [0.5, 0.5, 0.1, 0.1, 0.1, 0.3, 0.3], rtol=1e-15
    )
    np.testing.assert_allclose(
        rates(SCHEDULES["inverse_sqrt"], 6), [0.125, 0.25, 0.375, 0.5, 0.5 * math.sqrt(0.8), 0.5 * math.sqrt(4 / 6)]
    )
    np.testing.assert_allclose(rates(SCHEDULES["warmup"], 5), [0.0, 0.5 / 3, 1.0 / 3, 0.5, 0.45])
    np.testing.assert_allclose(rates(SCHEDULES["sequential"], 6), [0.1, 0.1, 0.1, 0.1, 0.5, 0.25])
    np.testing.assert_allclose(rates(schedules.warmup(0.5, 2, 0.5), 4), [0.25, 0.375, 0.5, 0.5])
    long = schedules.cosine_warm_restarts(1.0, 3, 3)
    begins = [0, 3, 12, 39, 120, 363, 1092, 3279, 9840]
    assert [float(long(float(t))) for t in begins] == [1.0] * 9
    assert all(float(long(float(t - 1))) < 0.5 for t in begins[1:])


def test_what_makes_no_sense_is_refused():
    for make, message in (
        (lambda: schedules.step(0.1, 0), "step: step_size is a whole number from 1 up, not 0"),
        (lambda: schedules.multistep(0.1, [5, 2]), r"multistep: milestones rise, which \[5, 2\] do not"),
        (lambda: schedules.cosine_annealing(0.1, 2.5), "T_max is a whole number from 1 up, not 2.5"),
        (lambda: schedules.one_cycle(0.1, 2), "leaves none to go up"),
        (lambda: schedules.one_cycle(0.1, 20, anneal_strategy="wave"), "'cos' or 'linear', not 'wave'"),
        (lambda: schedules.sequential([schedules.constant(0.1)], [3]), "1 milestones part 2 schedules, not 1"),
        (lambda: schedules.piecewise_constant([0.1], [3]), "1 milestones part 2 values, not 1"),
    ):
        with pytest.raises(RetrogradError, match=message):
            make()


# In a trainer ---------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(32, 3))
Y = np.random.default_rng(1).normal(size=(32, 1))


def trainer(engine="auto", lr=None, **options):
    g = rg.random.Generator(0)
    model = nn.Sequential(nn.Linear(3, 4, generator=g), nn.Tanh(), nn.Linear(4, 1, generator=g))
    lr = schedules.warmup(schedules.cosine_annealing(0.1, 20), 4) if lr is None else lr
    return Trainer(model, nn.mse_loss, optim.AdamW(model, lr=lr), generator=g, engine=engine, **options)


def test_the_history_has_the_rate_of_the_last_step_of_each_epoch(tmp_path):
    schedule = schedules.warmup(schedules.cosine_annealing(0.1, 20), 4)
    expected = rates(schedule, 24)[3::4]
    for engine in ("eager", "auto"):
        history = trainer(engine).fit(X, Y, 6, batch_size=8, progress=False)
        np.testing.assert_allclose(history["lr"], expected, rtol=1e-12)
    trainer("eager").fit(X, Y, 3, batch_size=8, directory=tmp_path, progress=False)
    again = trainer("eager").resume(tmp_path)
    assert again.fit(X, Y, 6, batch_size=8, progress=False) == trainer("eager").fit(
        X, Y, 6, batch_size=8, progress=False
    )
    assert "lr" not in trainer(lr=0.1).fit(X, Y, 1, progress=False)


def test_a_rate_that_is_reduced_on_a_plateau():
    callback = ReduceLROnPlateau("loss", factor=0.5, patience=1, threshold=0.5, cooldown=1, min_lr=0.02)
    history = trainer(lr=0.1, callbacks=[callback]).fit(X, Y, 12, batch_size=8, progress=False)
    assert history["lr"][:3] == [0.1, 0.1, 0.1]
    assert history["lr"][-1] == 0.02
    assert history["lr"] == sorted(history["lr"], reverse=True)
    state = callback.state_dict()
    other = ReduceLROnPlateau("loss")
    other.load_state_dict(state)
    assert other.state_dict() == state


def test_a_plateau_reduces_every_group():
    class Run:
        steps = 1

    weight, bias = rg.Parameter([1.0]), rg.Parameter([1.0])
    Run.optimizer = optim.SGD([{"params": [weight], "lr": 0.4}, {"params": [bias]}], lr=0.2)
    callback = ReduceLROnPlateau("loss", factor=0.5, patience=0)
    for value in (1.0, 2.0):
        callback.on_epoch_end(Run, {"loss": value})
    assert [float(g["lr"]) for g in Run.optimizer.param_groups] == [0.2, 0.1]


def test_a_plateau_refuses_what_it_cannot_do():
    with pytest.raises(RetrogradError, match="changes lr, which is a schedule here"):
        trainer(callbacks=[ReduceLROnPlateau("loss")]).fit(X, Y, 1, progress=False)
    with pytest.raises(RetrogradError, match="'val_loss', which is none of loss, lr; it needs validation="):
        trainer(lr=0.1, callbacks=[ReduceLROnPlateau()]).fit(X, Y, 1, progress=False)
    for options in ({"factor": 1.0}, {"mode": "least"}, {"patience": -1}, {"threshold_mode": "share"}):
        with pytest.raises(RetrogradError):
            ReduceLROnPlateau(**options)
