"""Both engines do the same; which one runs, and why. The compiled loop runs on whatever `rg.jit` runs on."""

import gc
import signal
import weakref

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import RetrogradError, TrainingDiverged
from retrograd.train import Callback, Trainer, engine
from retrograd.train.engine import Compiled

QUIET = {"batch_size": 16, "progress": False}


@pytest.fixture(autouse=True)
def available(monkeypatch):
    """The compiled loop may be chosen on any machine; on the interpreter its results are the eager ones bit for bit."""
    monkeypatch.setenv("RETROGRAD_ENGINE", "interpreter")
    monkeypatch.setattr(engine, "unavailable", lambda: None)


@pytest.fixture
def stretches(monkeypatch):
    """The numbers of steps that were made in one call."""
    made, run = [], Compiled.run

    def watched(self, first, most, total):
        result = run(self, first, most, total)
        made.append(result[0])
        return result

    monkeypatch.setattr(Compiled, "run", watched)
    return made


class Pulse(Callback):
    """Listens between stretches, and does something at the first one that reaches a step."""

    every_step = False

    def __init__(self, at=-1, do=None):
        self.at, self.do, self.heard = at, do, []

    def on_step_end(self, run, loss):
        self.heard.append(run.steps)
        if self.do is not None and run.steps >= self.at > 0:
            self.do(run)
            self.do = None


def sgd(model):
    return rg.optim.SGD(model, lr=0.1)


def momentum(model):
    return rg.optim.SGD(model, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)


def adam(model):
    return rg.optim.Adam(model, lr=0.03, weight_decay=1e-3)


def scheduled(model):
    return rg.optim.Adam(model, lr=lambda step: 0.03 / (1.0 + 0.1 * step))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.0, "optimizer": sgd},
        {"optimizer": momentum},
        {"optimizer": adam, "validation": 0.2, "early_stopping": 1},
        {"optimizer": scheduled},
        {"batch_size": 30},  # no shorter batch
        {"batch_size": 128},  # nothing but a shorter batch
        {"batch_size": 1, "epochs": 1},
    ],
    ids=["default", "sgd", "momentum", "validation", "schedule", "even", "one batch", "single rows"],
)
def test_both_engines_end_alike(problem, make, everything, stretches, options):
    made = {name: options[name] for name in ("dropout", "optimizer") if name in options}
    asked = {"epochs": 4} | QUIET | {name: value for name, value in options.items() if name not in made}
    trainers = [make(engine=name, **made) for name in ("eager", "native")]
    for trainer in trainers:
        trainer.fit(*problem, **asked)
    assert everything(trainers[0]) == everything(trainers[1])
    assert sum(stretches) == int(trainers[1].optimizer.steps)


@pytest.mark.parametrize("seconds", [0.0, float("inf")])
def test_the_length_of_a_stretch_changes_nothing(problem, make, everything, stretches, monkeypatch, seconds):
    eager, compiled = make(engine="eager"), make(engine="native")
    eager.fit(*problem, 4, progress=False, batch_size=4)
    monkeypatch.setattr(engine, "STRETCH", seconds)
    compiled.fit(*problem, 4, progress=False, batch_size=4)
    assert everything(eager) == everything(compiled)
    whole_epochs = [1, 2, 4, 8, 7, 1, 16, 6, 1, 22, 1, 22, 1]
    assert stretches == (whole_epochs if seconds else [1] * 92)


def test_rows_that_lie_across_memory_give_the_same_bits(problem, make, everything):
    x, y = problem
    trainers = [make(engine=name) for name in ("eager", "native")]
    for trainer in trainers:
        trainer.fit(np.asfortranarray(np.repeat(x, 2, axis=0))[::2], y, 2, **QUIET)
    assert everything(trainers[0]) == everything(trainers[1])


class Centred(rg.nn.Module):
    """Subtracts a running mean; has a parameter that nothing uses."""

    def __init__(self):
        draws = rg.random.Generator(0)
        self.first = rg.nn.Linear(2, 6, generator=draws)
        self.last = rg.nn.Linear(6, 3, generator=draws)
        self.mean = rg.Buffer(np.zeros(6, np.float32))
        self.unused = rg.Parameter([1.0])

    def forward(self, x):
        hidden = rg.tanh(self.first(x))
        if self.training:
            self.mean = self.mean * 0.9 + rg.mean(hidden, axis=0) * 0.1
        return self.last(hidden - self.mean)


@pytest.mark.parametrize("frozen", [False, True])
def test_buffers_and_parameters_that_are_not_trained(problem, frozen):
    states = []
    for name in ("eager", "native"):
        model = Centred()
        optimizer = adam(model.last if frozen else model)
        trainer = Trainer(model, rg.nn.cross_entropy, optimizer, generator=rg.random.Generator(1), engine=name)
        for _ in range(2):
            trainer.fit(*problem, 3, **QUIET)
        gradients = {name: None if p.grad is None else p.grad.numpy() for name, p in model.named_parameters()}
        states.append((model.state_dict(), gradients))
    (eager, of_eager), (native, of_native) = states
    for name, array in eager.items():
        np.testing.assert_array_equal(native[name], array)
    for name, gradient in of_eager.items():
        assert (gradient is None) == (of_native[name] is None) == (not (frozen and name.startswith("first")))
        if gradient is not None:  # nobody clears what the optimiser does not have: it adds up, as in a loop by hand
            np.testing.assert_array_equal(of_native[name], gradient)


def test_a_gradient_from_before_is_not_used(problem, make, everything):
    trainers = [make(engine=name) for name in ("eager", "eager", "native")]
    for trainer in trainers[1:]:
        rg.nn.cross_entropy(trainer.model.eval()(rg.tensor(problem[0])), rg.tensor(problem[1])).backward()
    for trainer in trainers:
        trainer.fit(*problem, 1, **QUIET)
    assert everything(trainers[0]) == everything(trainers[1]) == everything(trainers[2])


# Callbacks, checkpoints, Ctrl-C --------------------------------------------------------------------------------------


def test_who_wants_every_step_hears_every_step(problem, make, steps, stretches):
    eager, compiled = make(engine="eager", callbacks=[steps()]), make(engine="native", callbacks=[steps(), Pulse()])
    for trainer in (eager, compiled):
        trainer.fit(*problem, 3, **QUIET)
    assert eager.callbacks[0].losses == compiled.callbacks[0].losses
    assert compiled.callbacks[1].heard == list(range(1, 19)) and stretches == [1] * 18


def test_the_others_hear_the_ends_of_stretches(problem, make, stretches, monkeypatch):
    monkeypatch.setattr(engine, "STRETCH", float("inf"))
    trainer = make(callbacks=[Pulse()])
    trainer.fit(*problem, 3, **QUIET)
    assert stretches == [1, 2, 2, 1, 4, 1, 1, 5, 1] and trainer.callbacks[0].heard == list(np.cumsum(stretches))


def test_settings_may_change_between_steps(problem, make, everything):
    class Cool(Callback):
        def on_step_end(self, run, loss):
            run.optimizer.lr = run.optimizer.lr * 0.9

    trainers = [make(engine=name, callbacks=[Cool()]) for name in ("eager", "native")]
    for trainer in trainers:
        trainer.fit(*problem, 2, **QUIET)
    assert everything(trainers[0]) == everything(trainers[1])


ARGUMENTS = {"epochs": 5, "validation": 0.25, "early_stopping": 2, **QUIET}


def stop(run):
    raise ZeroDivisionError


@pytest.mark.parametrize("engines", [("native", "native"), ("eager", "native"), ("native", "eager")], ids="-".join)
@pytest.mark.parametrize("save_every, saved", [(3, 6), (4, 4), (None, 5)])
def test_a_run_goes_on_under_either_engine(problem, make, everything, tmp_path, engines, save_every, saved):
    first, second = engines
    whole = make(callbacks=[Pulse()], engine="eager")
    whole.fit(*problem, **ARGUMENTS)
    with pytest.raises(ZeroDivisionError):
        cut = make(callbacks=[Pulse(8, stop)], engine=first)
        cut.fit(*problem, **ARGUMENTS, directory=tmp_path, save_every=save_every)
    again = make(callbacks=[Pulse()], engine=second).resume(tmp_path)
    assert again._saved_run["run"]["steps"] == saved
    again.fit(*problem, **ARGUMENTS, directory=tmp_path, save_every=save_every)
    assert everything(again) == everything(whole)


def test_ctrl_c_ends_the_run_after_the_stretch(problem, make, everything, tmp_path):
    asked = {"epochs": 3, "batch_size": 2, "progress": False}
    whole, cut = make(callbacks=[Pulse()]), make(callbacks=[Pulse(60, lambda _: signal.raise_signal(signal.SIGINT))])
    whole.fit(*problem, **asked)
    history = cut.fit(*problem, **asked, directory=tmp_path)
    assert history.interrupted and int(cut.optimizer.steps) == cut.callbacks[0].heard[-1] < 135
    again = make(callbacks=[Pulse()]).resume(tmp_path)
    again.fit(*problem, **asked)
    assert everything(again) == everything(whole)


@pytest.mark.parametrize("asked", ["eager", "native"])
def test_a_loss_that_explodes_ends_at_its_step(problem, make, asked, stretches, monkeypatch):
    monkeypatch.setattr(engine, "STRETCH", float("inf"))
    first = make(engine="eager", dropout=0.0, optimizer=lambda m: rg.optim.SGD(m, lr=1e300))
    with pytest.raises(TrainingDiverged) as expected:
        first.fit(*problem, 2, progress=False, batch_size=4)
    trainer = make(engine=asked, dropout=0.0, optimizer=lambda m: rg.optim.SGD(m, lr=1e300))
    with pytest.raises(TrainingDiverged) as found:
        trainer.fit(*problem, 2, progress=False, batch_size=4)
    assert str(found.value) == str(expected.value) and "in epoch 1, step " in str(found.value)
    assert int(trainer.optimizer.steps) == int(first.optimizer.steps)
    for name, array in first.model.state_dict().items():
        np.testing.assert_array_equal(trainer.model.state_dict()[name], array)


# Which engine --------------------------------------------------------------------------------------------------------


class Told(Callback):
    """What a run says of its engine."""

    def on_fit_begin(self, run):
        self.engine, self.notes = run.engine, run.notes


def told(trainer, problem):
    """The engine of a run of one epoch, and what is said of it."""
    listener = Told()
    trainer.callbacks = (listener,)
    trainer.fit(*problem, 1, **QUIET)
    return listener.engine, *listener.notes


def branching(outputs, y):
    loss = rg.nn.cross_entropy(outputs, y)
    return loss if float(loss) > 0 else loss * 2


def test_auto_takes_the_compiled_loop_where_it_can(problem, make, monkeypatch):
    assert told(make(), problem) == ("native",)
    assert told(make(engine="eager"), problem) == ("eager",)
    monkeypatch.setattr(engine, "unavailable", lambda: "llvmlite is not installed")
    assert told(make(), problem) == ("eager", "The steps run eagerly: llvmlite is not installed.")
    assert told(make(engine="eager"), problem) == ("eager",)


def test_without_the_native_engine_native_is_refused(problem, make, everything, monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "unavailable", lambda: "llvmlite is not installed")
    trainer = make(engine="native")
    before = everything(trainer)
    with pytest.raises(RetrogradError, match=r"^engine='native': llvmlite is not installed$"):
        trainer.fit(*problem, 1, **QUIET, directory=tmp_path)
    assert everything(trainer) == before and not list(tmp_path.iterdir())


def test_a_loss_that_looks_at_values_runs_eagerly(problem, make, everything):
    plain, trainer = make(engine="eager"), make()
    trainer = Trainer(trainer.model, branching, trainer.optimizer, metrics=trainer.metrics, generator=trainer.generator)
    plain.fit(*problem, 1, **QUIET)
    name, note = told(trainer, problem)
    assert name == "eager" and note.startswith("The steps run eagerly: the step cannot be compiled: ")
    assert "\n" not in note and everything(trainer) == everything(plain)


def test_native_refuses_a_loss_that_looks_at_values(problem, make, everything):
    trainer = make()
    trainer = Trainer(trainer.model, branching, trainer.optimizer, generator=trainer.generator, engine="native")
    before = everything(trainer)
    with pytest.raises(RetrogradError, match="engine='native': the step cannot be compiled: ") as found:
        trainer.fit(*problem, 1, **QUIET)
    assert everything(trainer) == before and found.value.__cause__ is not None


def test_an_unknown_engine_is_refused(make):
    with pytest.raises(RetrogradError, match=r"engine is 'auto', 'native', 'eager', not 'fast'"):
        make(engine="fast")


# Programs ------------------------------------------------------------------------------------------------------------


def test_two_programs_serve_all_runs(problem, make):
    trainer = make(engine="native")
    for lr in (0.1, 0.2):
        trainer.optimizer.lr = lr
        trainer.fit(*problem, 3, **QUIET)
    assert len(trainer.programs.programs) == 2  # one for full batches, one for the shorter one


def test_a_trainer_that_is_gone_holds_no_model(problem, make):
    trainer = make(engine="native")
    trainer.fit(*problem, 1, **QUIET)
    model = weakref.ref(trainer.model)
    del trainer
    gc.collect()
    assert model() is None
