"""The resume law within one process: a run that was cut anywhere ends as the one that was not.

In `tests/integration/test_train_resume.py` runs are killed.
"""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import ModelError, RetrogradError
from retrograd.train import Callback, EarlyStopping
from retrograd.train.trainer import CHECKPOINT


class Cut(Exception):
    """Ends a run as a power cut would."""


class CutAt(Callback):
    def __init__(self, steps):
        self.at = steps

    def on_step_end(self, run, loss):
        if run.steps == self.at:
            raise Cut

    def on_epoch_end(self, run, values):
        if run.steps == -self.at:
            raise Cut


ARGUMENTS = {"epochs": 5, "batch_size": 16, "validation": 0.25, "early_stopping": 2, "progress": False}


def trainer_of(make, steps, cut=0):
    """A trainer whose callback has a state; with `cut` it ends after so many steps (negative: in on_epoch_end)."""
    return make(callbacks=[steps(), CutAt(cut)], optimizer=lambda m: rg.optim.Adam(m, lr=0.2))


@pytest.fixture
def whole(problem, make, steps, everything, tmp_path):
    """What the uninterrupted run ends with."""
    trainer = trainer_of(make, steps)
    trainer.fit(*problem, **ARGUMENTS)
    return everything(trainer), trainer.callbacks[0].losses


deep = pytest.mark.deep


@pytest.mark.parametrize("cut", [1, 4, 6, 12, -5, -10, *(pytest.param(n, marks=deep) for n in range(13, 26))])
@pytest.mark.parametrize("save_every", [1, 3, None])
def test_a_cut_run_ends_as_the_whole_one(problem, make, steps, everything, whole, tmp_path, cut, save_every):
    first = trainer_of(make, steps, cut)
    try:
        first.fit(*problem, **ARGUMENTS, directory=tmp_path, save_every=save_every)
    except Cut:
        second = trainer_of(make, steps).resume(tmp_path)
        done = len(second._saved_run["run"]["callbacks"][0][1]["losses"])
        assert abs(cut) - (save_every or 5) <= done <= abs(cut)
        second.fit(*problem, **ARGUMENTS, directory=tmp_path, save_every=save_every)
        assert (everything(second), second.callbacks[0].losses) == whole
    else:
        assert (everything(first), first.callbacks[0].losses) == whole


def test_a_run_may_be_cut_many_times(problem, make, steps, everything, whole, tmp_path):
    for cut in (2, 3, 9, 17):
        trainer = trainer_of(make, steps, cut)
        if (tmp_path / CHECKPOINT).exists():
            trainer.resume(tmp_path)
        try:
            trainer.fit(*problem, **ARGUMENTS, directory=tmp_path, save_every=1)
        except Cut:
            continue
        break
    last = trainer_of(make, steps).resume(tmp_path)
    last.fit(*problem, **ARGUMENTS)  # without a directory nothing is saved from here on
    assert (everything(last), last.callbacks[0].losses) == whole


def test_a_finished_run_is_prolonged(problem, make, everything, tmp_path):
    arguments = ARGUMENTS | {"early_stopping": 50}
    long, short = make(), make()
    long.fit(*problem, **arguments | {"epochs": 9})
    short.fit(*problem, **arguments, directory=tmp_path)
    again = make().resume(tmp_path)
    assert again.history.epochs == 5
    again.fit(*problem, **arguments | {"epochs": 9}, directory=tmp_path)
    assert everything(again) == everything(long)


def test_a_finished_run_is_not_run_again(problem, make, everything, tmp_path):
    first, again = make(), make()
    first.fit(*problem, **ARGUMENTS, directory=tmp_path)
    again.resume(tmp_path)
    assert {k: v.tobytes() for k, v in again.model.state_dict().items()} == {
        k: v.tobytes() for k, v in first.model.state_dict().items()
    }, "the best weights are there at once"
    again.fit(*problem, **ARGUMENTS)
    assert everything(again) == everything(first)


def test_a_trainer_is_saved_between_runs(problem, make, everything, tmp_path):
    one = make()
    one.fit(*problem, **ARGUMENTS)
    one.save(tmp_path)
    two = make().resume(tmp_path)
    assert everything(two) == everything(one)
    for trainer in (one, two):
        trainer.fit(*problem, **ARGUMENTS)
    assert everything(two) == everything(one)


def test_a_resumed_trainer_that_is_saved_again_keeps_its_place(problem, make, steps, everything, whole, tmp_path):
    with pytest.raises(Cut):
        trainer_of(make, steps, 7).fit(*problem, **ARGUMENTS, directory=tmp_path / "a", save_every=1)
    trainer_of(make, steps).resume(tmp_path / "a").save(tmp_path / "b")
    last = trainer_of(make, steps).resume(tmp_path / "b")
    last.fit(*problem, **ARGUMENTS)
    assert (everything(last), last.callbacks[0].losses) == whole


def test_a_learning_rate_that_a_callback_changed_is_kept(problem, make, everything, tmp_path):
    class Halve(Callback):
        def on_epoch_end(self, run, values):
            run.optimizer.lr = run.optimizer.lr / 2

    whole, first = (make(callbacks=[Halve()]) for _ in range(2))
    whole.fit(*problem, 4, progress=False)
    first.fit(*problem, 2, progress=False, directory=tmp_path)
    second = make(callbacks=[Halve()]).resume(tmp_path)
    second.fit(*problem, 4, progress=False)
    assert everything(second) == everything(whole) and float(second.optimizer.lr) == 0.03 / 16


def test_the_default_generator_is_kept(problem, tmp_path):
    def trainer():
        rg.random.manual_seed(5)
        model = rg.nn.Sequential(rg.nn.Linear(2, 8), rg.nn.Dropout(0.5), rg.nn.Linear(8, 3))
        return rg.train.Trainer(model, rg.nn.cross_entropy)

    whole = trainer()
    whole.fit(*problem, 3, progress=False)
    first = trainer()
    first.fit(*problem, 1, progress=False, directory=tmp_path)
    second = trainer()
    rg.random.uniform(1000)
    second.resume(tmp_path).fit(*problem, 3, progress=False)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(second.model.state_dict()[name], array)


def test_a_model_that_changes_in_evaluation_resumes_too(problem, tmp_path):
    """Trying rows at the door, which a resumed run does once more, leaves no trace."""

    class Noisy(rg.nn.Module):
        def __init__(self):
            self.line = rg.nn.Linear(2, 3, generator=rg.random.Generator(0))
            self.calls = rg.Buffer([0])
            self.generator = rg.random.Generator(1)

        def forward(self, x):
            self.calls = self.calls + 1
            return self.line(x) + rg.random.uniform((3,), generator=self.generator)

    def trainer():
        return rg.train.Trainer(Noisy(), rg.nn.cross_entropy, generator=rg.random.Generator(2))

    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(*problem, 4, progress=False, validation=0.2)
    first.fit(*problem, 2, progress=False, validation=0.2, directory=tmp_path)
    second.resume(tmp_path).fit(*problem, 4, progress=False, validation=0.2)
    assert second.history == whole.history
    assert second.model.calls.numpy() == whole.model.calls.numpy()


def test_a_fit_does_not_write_over_a_checkpoint(problem, make, tmp_path):
    make().fit(*problem, 1, progress=False, directory=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(RetrogradError, match=r"holds the checkpoint of a run: trainer.resume\('.*'\) goes on with it"):
        make().fit(*problem, 1, progress=False, directory=tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch_size": 8}, "had batch_size=16, not 8"),
        ({"validation": 0.5}, "had validation=0.25, not 0.5"),
        ({"validation": None, "early_stopping": None}, "had validation=0.25, not 0.0"),
        ({"early_stopping": None}, "had the callbacks EarlyStopping, now there are none"),
    ],
)
def test_another_run_is_refused_and_the_right_one_still_goes_on(problem, make, everything, tmp_path, change, message):
    whole = make()
    whole.fit(*problem, **ARGUMENTS)
    make().fit(*problem, **ARGUMENTS | {"epochs": 2}, directory=tmp_path)
    second = make().resume(tmp_path)
    with pytest.raises(ModelError, match=message):
        second.fit(*problem, **ARGUMENTS | change)
    second.fit(*problem, **ARGUMENTS | {"early_stopping": EarlyStopping(2)})
    assert everything(second) == everything(whole)


def test_other_data_is_refused(problem, make, tmp_path):
    x, y = problem
    make().fit(x, y, **ARGUMENTS | {"epochs": 1}, directory=tmp_path)
    other = x.copy()
    other[3, 1] += 1e-3
    for changed in ((other, y), (x, (y + 1) % 3), (x[::-1], y)):
        with pytest.raises(ModelError, match="had other data"):
            make().resume(tmp_path).fit(*changed, **ARGUMENTS)


@pytest.mark.parametrize(
    "other, message",
    [
        (
            lambda: rg.nn.Linear(2, 4),
            r"'weight' of the model is float32 \[4, 2\], in the checkpoint it is float32 \[3, 2\]",
        ),
        (lambda: rg.nn.Linear(2, 3, bias=False), "it has 'bias', which the model lacks"),
        (lambda: rg.nn.Sequential(rg.nn.Linear(2, 3)), "it lacks '0.weight', which the model has"),
        (lambda: rg.nn.Linear(2, 3, dtype="float64"), r"is float64 \[3, 2\], in the checkpoint it is float32"),
    ],
)
def test_another_model_is_refused_and_left_as_it_is(tmp_path, other, message):
    model = rg.nn.Linear(2, 3)
    rg.train.Trainer(model, rg.nn.cross_entropy).save(tmp_path)
    trainer = rg.train.Trainer(other(), rg.nn.cross_entropy)
    before = trainer.model.state_dict()
    with pytest.raises(ModelError, match=message):
        trainer.resume(tmp_path)
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_another_optimiser_is_refused(tmp_path):
    model = rg.nn.Linear(2, 3)
    rg.train.Trainer(model, rg.nn.cross_entropy, rg.optim.SGD(model, lr=0.1, momentum=0.5)).save(tmp_path)
    with pytest.raises(ModelError, match="the optimiser"):
        rg.train.Trainer(model, rg.nn.cross_entropy, rg.optim.Adam(model)).resume(tmp_path)


def test_where_nothing_was_saved(make, tmp_path):
    with pytest.raises(ModelError, match=r"there is no checkpoint\.safetensors in .*nowhere': nothing was saved there"):
        make().resume(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "tree, message",
    [
        ({}, "no checkpoint that this version can read"),
        ({"format": "retrograd.checkpoint", "version": 2}, "no checkpoint that this version can read"),
        ({"format": "retrograd.checkpoint", "version": 1}, "is damaged"),
        ({"format": "retrograd.checkpoint", "version": 1, "cells": {"model": 3}}, "is damaged"),
        ({"format": "retrograd.checkpoint", "version": 1, "cells": {"model": {"0.weight": "x"}}}, "does not fit"),
    ],
)
def test_what_is_no_checkpoint(make, tmp_path, tree, message):
    from retrograd.train.tree_file import write_tree

    write_tree(tmp_path / CHECKPOINT, tree)
    with pytest.raises(ModelError, match=message):
        make().resume(tmp_path)
