"""Ctrl-C keeps what was learned; a second one raises."""

import signal
import threading

import pytest

from retrograd.train import Callback
from retrograd.train.interrupt import Interrupt


class Press(Callback):
    """Presses Ctrl-C at a step, so often."""

    def __init__(self, step, times=1):
        self.step, self.times = step, times

    def on_step_end(self, run, loss):
        if run.steps == self.step:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


def test_the_run_ends_at_the_next_step(problem, make):
    trainer = make(callbacks=[Press(8)])
    history = trainer.fit(*problem, 100, batch_size=16, progress=False)
    assert history.epochs == 1 and history.interrupted
    assert history.stopped == "interrupted in epoch 2, after step 2 of 6"
    assert int(trainer.optimizer.steps) == 8
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_best_weights_are_kept(problem, make):
    trainer = make(callbacks=[Press(23)])
    x, y = problem
    validation = (x[60:], y[60:])
    history = trainer.fit(x[:60], y[:60], 100, batch_size=10, validation=validation, early_stopping=50, progress=False)
    assert history.epochs == 3
    assert trainer.evaluate(*validation)["loss"] == min(history["val_loss"])


def test_an_interrupted_run_goes_on(problem, make, everything, tmp_path):
    arguments = {"epochs": 5, "batch_size": 16, "validation": 0.2, "early_stopping": 9, "progress": False}
    whole, first = make(callbacks=[Press(-1)]), make(callbacks=[Press(8)])
    whole.fit(*problem, **arguments)
    assert first.fit(*problem, **arguments, directory=tmp_path).interrupted
    second = make(callbacks=[Press(-1)]).resume(tmp_path)
    second.fit(*problem, **arguments)
    assert everything(second) == everything(whole)


def test_a_second_one_raises(problem, make, everything):
    trainer = make(callbacks=[Press(3, times=2)])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*problem, 100, batch_size=16, progress=False)
    assert int(trainer.optimizer.steps) == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_program_is_left_alone():
    def mine(number, frame):
        heard.append(number)

    heard, before = [], signal.signal(signal.SIGINT, mine)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGINT)
        assert heard == [signal.SIGINT] and not interrupt.asked
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_trains_without_a_handler(problem, make):
    trainer, failed = make(), []

    def work():
        try:
            trainer.fit(*problem, 1, progress=False)
        except Exception as error:  # noqa: BLE001 - any would show
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed and trainer.history.epochs == 1
