"""`rg.train.fit_many`: a stack of n models is n separate trainings."""

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.errors import DataError, RetrogradError
from retrograd.train import Trainer, fit_many

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
Y = np.sin(X.sum(axis=1, keepdims=True)) + 0.1 * RNG.normal(size=(50, 1))
LABELS = (Y[:, 0] > 0).astype(int) + (Y[:, 0] > 0.7)
RATES = [0.003, 0.05, 0.3]
engines = pytest.mark.parametrize("engine", ["eager", "auto"])


def network(seed, outputs=1):
    g = rg.random.Generator(seed)
    return nn.Sequential(
        nn.Linear(3, 6, generator=g, dtype="float64"),
        nn.Tanh(),
        nn.Dropout(0.1, generator=rg.random.Generator(seed + 100)),
        nn.Linear(6, outputs, generator=g, dtype="float64"),
    )


def draws():
    return rg.random.Generator(7)


def assert_one_training_each(many, histories, alone, tolerance=1e-9):
    """Each model and its history are those of `alone(i)`, which gives a trainer that has trained."""
    for i, (model, history) in enumerate(zip(many, histories, strict=True)):
        trainer = alone(i)
        expected = trainer.history
        assert list(history) == list(expected)
        assert (history.epochs, history.best_epoch, history.stopped) == (
            expected.epochs, expected.best_epoch, expected.stopped,
        )  # fmt: skip
        for name in expected:
            np.testing.assert_allclose(history[name], expected[name], rtol=tolerance)
        for name, value in trainer.model.state_dict().items():
            np.testing.assert_allclose(model.state_dict()[name], value, rtol=tolerance, atol=tolerance)


@engines
def test_a_stack_is_so_many_trainings(engine):
    """With a rate each, shuffled rows, a shorter last batch, dropout, early stopping and the best weights."""
    models = [network(seed) for seed in range(3)]
    many = nn.stack(models)
    options = {"batch_size": 12, "validation": 0.2}
    histories = fit_many(
        many, nn.mse_loss, X, Y, 25, optimizer=optim.Adam(many, lr=RATES), early_stopping=3, generator=draws(),
        engine=engine, progress=False, **options,
    )  # fmt: skip

    def alone(i):
        optimizer = optim.Adam(models[i], lr=RATES[i])
        trainer = Trainer(models[i], nn.mse_loss, optimizer, generator=draws(), engine="eager")
        trainer.fit(X, Y, 25, early_stopping=3, progress=False, **options)
        return trainer

    assert_one_training_each(many, histories, alone)
    assert len({history.epochs for history in histories}) > 1  # they ended at different times
    assert not many.training


@engines
def test_cross_validation(engine):
    models = [network(seed, 3) for seed in (0, 0, 0, 1)]
    many = nn.stack(models)
    histories = fit_many(
        many, nn.cross_entropy, X, LABELS, 4, optimizer=optim.SGD(many, lr=0.3, momentum=0.9), batch_size=12, folds=3,
        generator=draws(), engine=engine, progress=False,
    )  # fmt: skip
    order = np.asarray(rg.random.permutation(50, generator=draws()))

    def alone(i):
        held = np.sort(order[16 * (i % 3) : 16 * (i % 3 + 1)])
        kept = np.setdiff1d(np.arange(50), held)
        generator = draws()
        rg.random.permutation(50, generator=generator)  # the one that drew the folds
        optimizer = optim.SGD(models[i], lr=0.3, momentum=0.9)
        trainer = Trainer(models[i], nn.cross_entropy, optimizer, generator=generator, engine="eager")
        held_rows = X[held], LABELS[held]
        trainer.fit(X[kept], LABELS[kept], 4, batch_size=12, validation=held_rows, progress=False)
        return trainer

    assert_one_training_each(many, histories, alone)


@engines
def test_clipping_is_for_each_model(engine):
    models = [network(seed) for seed in range(2)]
    many = nn.stack(models)
    optimizer = optim.SGD(many, lr=0.5)
    histories = fit_many(
        many,
        nn.mse_loss,
        X,
        Y,
        2,
        optimizer=optimizer,
        clip_norm=0.05,
        generator=draws(),
        engine=engine,
        progress=False,
    )

    def alone(i):
        single = optim.SGD(models[i], lr=0.5)
        trainer = Trainer(models[i], nn.mse_loss, single, generator=draws(), engine="eager", clip_norm=0.05)
        trainer.fit(X, Y, 2, progress=False)
        return trainer

    assert_one_training_each(many, histories, alone)


@engines
def test_a_model_that_diverges_leaves_the_others_alone(engine):
    models = [nn.Linear(3, 1, dtype="float64", generator=rg.random.Generator(0)) for _ in range(3)]
    many = nn.stack(models)
    optimizer = optim.SGD(many, lr=[0.05, 1e12, 0.1])
    histories = fit_many(
        many, nn.mse_loss, X, Y, 40, optimizer=optimizer, validation=0.2, early_stopping=50, generator=draws(),
        engine=engine, progress=False,
    )  # fmt: skip
    assert [history.epochs for history in histories][::2] == [40, 40]
    assert histories[1].stopped == f"the loss is not finite in epoch {histories[1].epochs}"
    assert histories[1].epochs < 40
    assert all(np.isfinite(value).all() for value in many.state_dict().values())  # the best weights, also of that one
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]


def test_when_all_have_ended_the_run_ends():
    many = nn.stack([network(seed) for seed in range(2)])
    histories = fit_many(
        many, nn.mse_loss, X, Y, 10_000, optimizer=optim.Adam(many, lr=0.1), validation=(X, Y), early_stopping=1,
        engine="eager", progress=False,
    )  # fmt: skip
    assert all(h.stopped == "val_loss has not improved for 1 epochs" for h in histories)


def test_frozen_parameters_stay():
    models = [network(seed) for seed in range(2)]
    for model in models:
        model[0].requires_grad_(False)
    many = nn.stack(models)
    fit_many(many, nn.mse_loss, X, Y, 1, engine="eager", progress=False)
    for got, model in zip(many, models, strict=True):
        np.testing.assert_array_equal(got[0].weight.numpy(), model[0].weight.numpy())
        assert not np.array_equal(got[3].weight.numpy(), model[3].weight.numpy())
        assert not got[0].weight.requires_grad


def test_what_is_shown(capfd):
    many = nn.stack([network(seed) for seed in range(2)])
    fit_many(many, nn.mse_loss, X.astype(np.float32), Y, 2, engine="eager")
    said = capfd.readouterr().err
    assert "x is cast from float32 to float64" in said
    assert "training 2" in said
    assert "Trained 2 epochs, 4 steps" in said


def test_what_does_not_fit_is_refused():
    model = network(0)
    many = nn.stack([model] * 2)
    before = many.state_dict()
    for options, kind, message in (
        ({"many": model}, RetrogradError, "trains a rg.nn.stack of models, not a Sequential"),
        ({"optimizer": optim.Adam(model)}, RetrogradError, "not one over the parameters of the stack"),
        ({"early_stopping": 3}, RetrogradError, "give validation= or folds="),
        ({"early_stopping": 0, "folds": 2}, RetrogradError, "at least 1, not 0"),
        ({"folds": 2, "validation": 0.2}, RetrogradError, "either folds= or validation="),
        ({"folds": 51}, DataError, "from 2 to the number of rows, 50, not 51"),
        ({"engine": "fast"}, RetrogradError, "not 'fast'"),
        ({"x": X[:, :2]}, RetrogradError, "last axis of the input must have length 3"),
        ({"y": Y[:-1]}, DataError, "x has 50 rows, y has 49 rows"),
        ({"clip_norm": 0.0}, RetrogradError, "clip_norm is above 0, not 0.0"),
        ({"batch_size": 0}, RetrogradError, "batch_size is a whole number from 1 up"),
        ({"validation": 1.5}, DataError, "share of the rows below 1"),
    ):
        arguments = {"many": many, "loss": nn.mse_loss, "x": X, "y": Y, "epochs": 1, "progress": False, **options}
        with pytest.raises(kind, match=message):
            fit_many(**arguments)
    assert all(np.array_equal(before[name], value) for name, value in many.state_dict().items())
    with pytest.raises(RetrogradError, match=r"rg\.train\.fit_many trains a stack"):
        Trainer(many, nn.mse_loss)
