"""`Trainer` learns from arrays, measures, validates and says what it did."""

from types import SimpleNamespace

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import DataError, RetrogradError, TrainingDiverged
from retrograd.train import Callback, EarlyStopping, History, Trainer, metrics


def quiet(trainer, *args, **options):
    return trainer.fit(*args, **{"progress": False, "batch_size": 16} | options)


def test_it_learns(problem, make):
    trainer = make()
    before = trainer.evaluate(*problem)
    history = quiet(trainer, *problem, 15, validation=0.2)
    after = trainer.evaluate(*problem)
    assert after["loss"] < 0.4 < before["loss"] and after["accuracy"] > 0.9
    assert list(history) == ["loss", "val_loss", "val_accuracy"] and history.epochs == 15
    assert history is trainer.history and history.stopped is None and not history.interrupted
    assert not trainer.model.training


def test_the_same_seed_gives_the_same_bits(problem, make, everything):
    one, two = make(), make()
    for trainer in (one, two):
        quiet(trainer, *problem, 3, validation=0.2, early_stopping=1)
    assert everything(one) == everything(two)


def test_an_epoch_takes_every_row_once(problem, make, steps):
    x, y = problem
    seen = []

    class Identity(rg.nn.Module):
        def __init__(self):
            self.inner = make().model

        def forward(self, x):
            if self.training:
                seen.append(np.asarray(x).copy())
            return self.inner(x)

    model = Identity()
    quiet(Trainer(model, rg.nn.cross_entropy), x, y, 2)
    assert [len(batch) for batch in seen] == [16, 16, 16, 16, 16, 10] * 2
    first, second = np.concatenate(seen[:6]), np.concatenate(seen[6:])
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(x, axis=0))
    assert not np.array_equal(first, second)


def test_a_step_is_the_loop_that_one_would_write(problem, make):
    x, y = problem
    trainer, hand = make(dropout=0.0), make(dropout=0.0)
    quiet(trainer, x, y, 2, batch_size=40)
    for _ in range(2):
        order = rg.random.permutation(90, generator=hand.generator).numpy()
        for at in (0, 40, 80):
            rows = order[at : at + 40]
            hand.optimizer.zero_grad()
            rg.nn.cross_entropy(hand.model(rg.tensor(x[rows])), rg.tensor(y[rows])).backward()
            hand.optimizer.step()
    for name, array in hand.model.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], array, rtol=1e-5, atol=1e-6)


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(problem, make, steps):
    watch = steps()
    trainer = make(callbacks=[watch], dropout=0.0)
    history = quiet(trainer, *problem, 1)
    weights = np.array([16, 16, 16, 16, 16, 10])
    assert history["loss"] == [pytest.approx(np.sum(weights * watch.losses) / 90, rel=1e-12)]


def test_without_validation_the_metrics_are_those_of_the_training_rows(problem, make):
    trainer = make()
    history = quiet(trainer, *problem, 2)
    assert list(history) == ["loss", "accuracy"]
    assert history["accuracy"][-1] == trainer.evaluate(*problem)["accuracy"]


def test_a_set_of_its_own_validates(problem, make):
    x, y = problem
    trainer = make()
    history = quiet(trainer, x[:60], y[:60], 3, validation=(x[60:], y[60:]))
    assert trainer.evaluate(x[60:], y[60:])["loss"] == history["val_loss"][-1]
    assert len(trainer.predict(x)) == 90


def test_gradients_are_gone_afterwards(problem, make):
    trainer = make()
    quiet(trainer, *problem, 1)
    assert all(p.grad is None for p in trainer.model.parameters())


def test_adam_and_the_default_generator_are_what_one_gets(problem):
    trainer = Trainer(rg.nn.Linear(2, 3), rg.nn.cross_entropy)
    assert isinstance(trainer.optimizer, rg.optim.Adam)
    assert trainer.generator is rg.random.default_generator
    quiet(trainer, *problem, 1)


def test_metrics_by_name(problem, make):
    trainer = make(metrics={"right": metrics.accuracy})
    assert set(trainer.evaluate(*problem)) == {"loss", "right"}
    with pytest.raises(RetrogradError, match="a metric without a name"):
        make(metrics=[lambda *_: 0.0])


def test_regression_in_float64():
    x = np.linspace(-1, 1, 64)[:, None]
    y = 3 * x + 1
    model = rg.nn.Linear(1, 1, dtype="float64")
    trainer = Trainer(model, rg.nn.mse_loss, rg.optim.SGD(model, lr=0.5), metrics=[metrics.r2, metrics.rmse])
    history = quiet(trainer, x, y, 60, validation=0.25)
    assert history["val_r2"][-1] > 0.999999 and history["val_rmse"][-1] < 1e-3
    assert trainer.predict([[0.0]]).dtype == np.float64


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"epochs": 0}, RetrogradError, "epochs is a whole number from 1 up, not 0"),
        ({"epochs": 2.0}, RetrogradError, "epochs is a whole number from 1 up, not 2.0"),
        ({"batch_size": -1}, RetrogradError, "batch_size"),
        ({"batch_size": True}, RetrogradError, "batch_size"),
        ({"save_every": 10}, RetrogradError, "save_every needs directory="),
        ({"validation": 1.0}, DataError, "a share of the rows below 1"),
        ({"validation": -0.5}, DataError, "a share of the rows below 1"),
        ({"validation": 0.001}, DataError, "leaves no rows to train or none to validate"),
        ({"validation": "some"}, DataError, r"or a pair \(x, y\)"),
        ({"validation": ([[1.0, 2.0, 3.0]], [0])}, rg.errors.ShapeError, "3"),
        ({"validation": ([[1.0, 2.0]], [7])}, DataError, "validation y has label 7 in row 0"),
        ({"early_stopping": 0}, RetrogradError, "patience"),
        ({"early_stopping": 3}, RetrogradError, "'val_loss', which is none of loss, accuracy; it needs validation="),
    ],
)
def test_arguments_that_make_no_sense(problem, make, options, error, message):
    trainer = make()
    with pytest.raises(error, match=message):
        quiet(trainer, *problem, **{"epochs": 1} | options)


def test_nothing_is_trained_where_the_data_is_refused(problem, make, everything):
    trainer = make()
    before = everything(trainer)
    with pytest.raises(DataError):
        quiet(trainer, problem[0], problem[1] + 1, 1)
    assert everything(trainer) == before


def test_a_loss_that_explodes_is_an_error(problem, make):
    trainer = make(optimizer=lambda m: rg.optim.SGD(m, lr=1e300))
    with pytest.raises(TrainingDiverged, match=r"the loss is .* in epoch 1, step \d+: lower"):
        quiet(trainer, *problem, 5)


def test_a_loss_of_nan_inputs_names_them(problem, make):
    x, y = problem
    x = x.copy()
    x[70, 1] = np.nan
    with pytest.raises(TrainingDiverged, match="x holds values that are not finite"):
        quiet(make(), x, y, 1)


def test_after_an_explosion_the_best_weights_are_back(problem, make):
    class Explode(Callback):
        def on_epoch_end(self, run, values):
            if run.epoch == 2:
                run.optimizer.lr = 1e300

    trainer = make(optimizer=lambda m: rg.optim.SGD(m, lr=0.1), callbacks=[Explode()])
    message = r"the weights of epoch [12], the best so far"
    with pytest.raises(TrainingDiverged, match=message):
        quiet(trainer, *problem, 9, validation=0.2, early_stopping=5)
    assert trainer.evaluate(*problem)["loss"] < 1.2


def test_callbacks_hear_everything_in_order(problem, make):
    heard = []

    class Listener(Callback):
        def on_fit_begin(self, run):
            heard.append(("begin", run.rows, run.steps_per_epoch))

        def on_step_end(self, run, loss):
            heard.append(("step", run.epoch, run.step, run.steps))

        def on_epoch_end(self, run, values):
            heard.append(("epoch", run.epoch, run.history.at(run.epoch) == values))

        def on_fit_end(self, run):
            heard.append(("end", run.epoch))

    quiet(make(callbacks=[Listener()]), *problem, 2, batch_size=50)
    assert heard == [
        ("begin", 90, 2),
        *[("step", 0, 1, 1), ("step", 0, 2, 2), ("epoch", 1, True)],
        *[("step", 1, 1, 3), ("step", 1, 2, 4), ("epoch", 2, True)],
        ("end", 2),
    ]


def test_a_callback_ends_a_run(problem, make):
    class Enough(Callback):
        def on_epoch_end(self, run, values):
            if run.epoch == 2:
                run.stop("that is enough")

    history = quiet(make(callbacks=[Enough()]), *problem, 9)
    assert history.epochs == 2 and history.stopped == "that is enough"


def test_a_callback_changes_the_learning_rate(problem, make):
    class Halve(Callback):
        def on_epoch_end(self, run, values):
            run.optimizer.lr = run.optimizer.lr / 2

    trainer = make(callbacks=[Halve()])
    quiet(trainer, *problem, 3)
    assert float(trainer.optimizer.lr) == 0.03 / 8


def test_a_callback_that_fails_is_heard_and_others_are_told(problem, make):
    ended = []

    class Fails(Callback):
        def on_step_end(self, run, loss):
            raise KeyError("mine")

    class Last(Callback):
        def on_fit_end(self, run):
            ended.append(True)

    with pytest.raises(KeyError, match="mine"):
        quiet(make(callbacks=[Fails(), Last()]), *problem, 1)
    assert ended == [True]


def test_early_stopping_keeps_the_best_weights(problem, make):
    trainer = make(optimizer=lambda m: rg.optim.Adam(m, lr=0.5))
    x, y = problem
    history = quiet(trainer, x[:60], y[:60], 200, validation=(x[60:], y[60:]), early_stopping=4)
    best = int(np.argmin(history["val_loss"])) + 1
    assert history.best_epoch == best == history.epochs - 4 and history.epochs < 200
    assert history.stopped == "val_loss has not improved for 4 epochs"
    assert trainer.evaluate(x[60:], y[60:])["loss"] == history["val_loss"][best - 1]


def test_early_stopping_watches_what_it_is_told(problem, make):
    stopping = EarlyStopping(3, monitor="val_accuracy")
    assert stopping.mode == "max" and EarlyStopping(1, monitor="val_rmse").mode == "min"
    trainer = make()
    history = quiet(trainer, *problem, 60, validation=0.3, early_stopping=stopping)
    assert history.best_epoch == int(np.argmax(history["val_accuracy"])) + 1
    first = history.epochs
    assert first == history.best_epoch + 3
    again = quiet(trainer, *problem, 60, validation=0.3, early_stopping=stopping)  # an earlier run is forgotten
    assert again.best_epoch <= again.epochs and again.epochs != 0


@pytest.mark.parametrize(
    "values, min_delta, best",
    [([3, 2, 2.5], 0.0, 2), ([3, 2.95, 2], 0.1, 3), ([np.nan, 5, 6], 0.0, 2), ([3, 3], 0.0, 1)],
)
def test_what_counts_as_better(values, min_delta, best):
    stopping = EarlyStopping(9, monitor="v", mode="min", min_delta=min_delta)
    run = SimpleNamespace(weights={"p": rg.Parameter([0.0])}, history=History())
    for run.epoch, value in enumerate(values, 1):
        stopping.on_epoch_end(run, {"v": value})
    assert stopping.best_epoch == best == run.history.best_epoch


def test_options_of_early_stopping_are_checked():
    with pytest.raises(RetrogradError, match="patience is a number of epochs, at least 1, not 0"):
        EarlyStopping(0)
    with pytest.raises(RetrogradError, match="mode is 'min' or 'max', not 'best'"):
        EarlyStopping(1, mode="best")


def test_a_second_fit_goes_on_from_the_weights(problem, make):
    trainer = make()
    first = quiet(trainer, *problem, 10)
    second = quiet(trainer, *problem, 2)
    assert second.epochs == 2 and first.epochs == 10
    assert second["loss"][0] < first["loss"][0]
