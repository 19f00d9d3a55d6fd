"""The recipe behind `retrograd train`."""

import numpy as np
import pytest

from retrograd import nn
from retrograd.data import load, prepare
from retrograd.errors import RetrogradError
from retrograd.ops.random import Generator
from retrograd.train import metrics
from retrograd.train.tabular import ACTIVATIONS, OPTIMIZERS, SCHEDULES, Settings, network, train_table


def trained(name, settings, **options):
    prepared = prepare(load(name), **options)
    return prepared, train_table(prepared, settings, source=name, progress=False)


def test_the_network_is_what_was_asked_for():
    model = network(4, 3, Settings(hidden=(8, 6), activation="tanh", dropout=0.1), Generator(0))
    assert [type(layer) for layer in model] == [
        nn.Linear, nn.Tanh, nn.Dropout, nn.Linear, nn.Tanh, nn.Dropout, nn.Linear,
    ]  # fmt: skip
    assert [tuple(p.shape) for p in model.parameters()] == [(8, 4), (8,), (6, 8), (6,), (3, 6), (3,)]
    assert len(network(4, 3, Settings(dropout=0.0), Generator(0))) == 3
    assert len(network(4, 3, Settings(hidden=()), Generator(0))) == 1


def test_classification():
    prepared, outcome = trained("iris", Settings(epochs=30))
    test = prepared.rows.test
    assert outcome.outputs.shape == (150, 3)
    assert outcome.scores == {"accuracy": metrics.accuracy(outcome.outputs[test], prepared.y[test])}
    assert outcome.confusion.sum() == len(test) and outcome.scores["accuracy"] > 0.8
    assert outcome.baseline == {"accuracy": pytest.approx(1 / 3)}
    assert outcome.model.history.best_epoch is not None


def test_regression_is_measured_in_the_targets_unit():
    prepared, outcome = trained("diabetes", Settings(epochs=30))
    table, test = load("diabetes"), prepared.rows.test
    wanted, found = table.labels.to_numpy()[test], outcome.model.predict(table.features)[test]
    assert outcome.scores["rmse"] == pytest.approx(np.sqrt(np.mean((found - wanted) ** 2)))
    assert outcome.scores["r2"] > 0.3 and outcome.confusion is None
    mean = table.labels.to_numpy()[prepared.rows.train].mean()
    assert outcome.baseline["rmse"] == pytest.approx(np.sqrt(np.mean((mean - wanted) ** 2)))


def test_a_seed_is_a_model():
    outputs = [trained("iris", Settings(epochs=2, seed=seed))[1].outputs for seed in (0, 0, 1)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_choice_learns(activation, optimizer):
    lr = 0.05 if optimizer == "sgd" else 0.01
    settings = Settings(activation=activation, optimizer=optimizer, epochs=25, lr=lr, weight_decay=1e-4)
    assert trained("iris", settings)[1].scores["accuracy"] > 0.8


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_learns(schedule):
    outcome = trained("iris", Settings(schedule=schedule, optimizer="adamw", epochs=25, lr=0.01))[1]
    assert outcome.scores["accuracy"] > 0.8
    assert ("lr" in outcome.model.history) == (schedule != "constant")


def test_a_schedule_that_is_none():
    with pytest.raises(RetrogradError, match="there is no schedule 'step': choose constant or cosine or one-cycle"):
        trained("iris", Settings(schedule="step"))


def test_an_optimizer_that_is_none():
    with pytest.raises(RetrogradError, match="there is no optimizer 'lbfgs': choose adam or adamw or sgd"):
        trained("iris", Settings(optimizer="lbfgs"))


def test_without_validation_and_test_rows():
    _, outcome = trained("iris", Settings(epochs=2), validation=0, test=0)
    assert outcome.scores == outcome.baseline == {} and outcome.confusion is None
    assert outcome.model.history.best_epoch is None and outcome.model.history.epochs == 2
