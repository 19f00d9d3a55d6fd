"""One call of `fit`: the loop over epochs and steps, and what it has to remember to go on after a crash."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.errors import ModelError, TrainingDiverged
from retrograd.nn.state import zero_grad
from retrograd.ops.random import Generator, permutation
from retrograd.train.callbacks import Callback, Progress, ReduceLROnPlateau
from retrograd.train.door import Rows
from retrograd.train.engine import Engine, engine_of
from retrograd.train.history import History
from retrograd.train.interrupt import Interrupt
from retrograd.train.plan import Plan

if TYPE_CHECKING:
    from retrograd.train.trainer import Trainer


class Run:
    """A run of a trainer, as callbacks see it.

    Attributes:
        trainer: whose run it is; `model`, `optimizer` and `history` are the trainer's.
        plan: what `fit` was asked for.
        epoch: epochs that are finished.
        step: steps of the current epoch that are finished.
        steps: steps that are finished, of all epochs.
        steps_per_epoch: how many an epoch has.
        rows: training rows.
        engine: what makes the steps, in a word: `native` or `eager`; empty before the first callback is called.
        notes: sentences for a person, on what was cast and why the engine is not the native one.
        reason: why the run is to end before its last epoch, or None.
    """

    def __init__(
        self, trainer: "Trainer", plan: Plan, data: Rows, held: Rows | None, callbacks: Sequence[Callback]
    ) -> None:
        self.trainer, self.plan, self.callbacks = trainer, plan, callbacks
        self.model, self.optimizer, self.history = trainer.model, trainer.optimizer, History()
        self.weights: dict[str, Cell] = trainer.weights
        self.notes, self.engine = data.notes, ""
        self.epoch = self.step = self.steps = 0
        self.reason: str | None = None
        self._data, self._held = data, held
        self._loss_sum = 0.0
        self._split_state: np.ndarray | None = None
        self._order_state: np.ndarray | None = None
        self._interrupted = False

    @property
    def rows(self) -> int:
        """The number of training rows."""
        return len(self._data)

    def first_rows(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first training rows, `count` at most: inputs and targets."""
        return self._data.x[:count], self._data.y[:count]

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch has."""
        return -(-len(self._data) // self.plan.batch_size)

    def stop(self, reason: str) -> None:
        """End the run after the current epoch, or at once if one has just ended; `reason` says why."""
        self.reason = reason

    # Going on after a crash -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the run is. Orders of rows are kept as the generator's state before they were drawn."""
        return {
            "batch_size": self.plan.batch_size,
            "validation": self.plan.validation,
            "digest": self.plan.digest,
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.steps,
            "loss_sum": self._loss_sum,
            "split_state": self._split_state,
            "order_state": self._order_state,
            "reason": self.reason,
            "callbacks": [[type(c).__name__, c.state_dict()] for c in self._remembering],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`.

        Raises:
            ModelError: the run was another one: other data, another batch size, other callbacks.
        """
        self.plan.check(state)
        before, now = [name for name, _ in state["callbacks"]], [type(c).__name__ for c in self._remembering]
        if before != now:
            raise ModelError(f"the run to go on with had the callbacks {_listed(before)}, now there are {_listed(now)}")
        self.epoch, self.step, self.steps = state["epoch"], state["step"], state["steps"]
        self._loss_sum, self.reason = state["loss_sum"], state["reason"]
        self._split_state, self._order_state = state["split_state"], state["order_state"]
        for callback, (_, saved) in zip(self._remembering, state["callbacks"], strict=True):
            callback.load_state_dict(saved)

    @property
    def _remembering(self) -> list[Callback]:
        """The callbacks that belong to a run; whether somebody watches may change."""
        return [callback for callback in self.callbacks if not isinstance(callback, Progress)]

    # The loop ---------------------------------------------------------------------------------------------------------

    def go(self) -> History:
        """Run to the end, or to an interrupt; the history."""
        self._hold_out()
        zero_grad([*self.model.parameters(), *(self.optimizer.parameters or ())])  # none from before is to be added
        with np.errstate(all="ignore"):
            engine = self._engine()
        if self.plan.directory is not None:
            self.trainer.save(self.plan.directory)  # from here on there is something to resume
        tell = [c for c in self.callbacks if type(c).on_step_end is not Callback.on_step_end]
        try:
            with Interrupt() as interrupt, np.errstate(all="ignore"):  # the loss says what is not finite
                for callback in self.callbacks:
                    callback.on_fit_begin(self)
                while self.epoch < self.plan.epochs and self.reason is None and not self._interrupted:
                    self._steps(engine, tell, interrupt)
                    if self.step == self.steps_per_epoch:
                        self._end_epoch()
            if self.plan.directory is not None:
                self.trainer.save(self.plan.directory)
            self.history.stopped, self.history.interrupted = self._why(), self._interrupted
        finally:
            self.model.eval()
            for callback in reversed(self.callbacks):
                callback.on_fit_end(self)
        return self.history

    def _hold_out(self) -> None:
        """Draw the validation rows, or draw them again."""
        if not self.plan.validation:
            return
        generator = self.trainer.generator
        order, self._split_state = _drawn(len(self._data), generator, self._split_state)
        held = round(len(order) * self.plan.validation)
        self._held = self._data.take(np.sort(order[:held]))
        self._data = self._data.take(np.sort(order[held:]))

    def _engine(self) -> Engine:
        """What is going to make the steps; a sentence says why if it is not what was hoped for."""
        engine, reason = engine_of(self.trainer.engine, self.trainer, self._data, self.plan.batch_size)
        self.engine = engine.name
        if reason is not None:
            self.notes = (*self.notes, f"The steps run eagerly: {reason}.")
        return engine

    def _steps(self, engine: Engine, tell: Sequence[Callback], interrupt: Interrupt) -> None:
        """The steps of an epoch, or the rest of them."""
        order, self._order_state = _drawn(len(self._data), self.trainer.generator, self._order_state)
        self.model.train()
        engine.shuffle(order)
        one_by_one = any(callback.every_step for callback in tell)
        while self.step < self.steps_per_epoch:
            if interrupt.asked:
                self._interrupted = True
                return
            most = 1 if one_by_one else self._steps_to_save()
            done, loss, self._loss_sum = engine.run(self.step, most, self._loss_sum)
            self.step += done
            self.steps += done
            if not math.isfinite(loss):
                raise self._diverged(loss)
            for callback in tell:
                callback.on_step_end(self, loss)
            if self.plan.save_every is not None and self.steps % self.plan.save_every == 0:
                assert self.plan.directory is not None
                self.trainer.save(self.plan.directory)

    def _steps_to_save(self) -> int:
        """Steps of this epoch before the next checkpoint or its end."""
        left = self.steps_per_epoch - self.step
        every = self.plan.save_every
        return left if every is None else min(left, every - self.steps % every)

    def _end_epoch(self) -> None:
        """Validate, write the history, tell the callbacks."""
        trainer = self.trainer
        values = {"loss": self._loss_sum / len(self._data)}
        if self._held is not None:
            values.update((f"val_{name}", value) for name, value in trainer.measured(self._held).items())
        elif trainer.metrics:
            values.update((name, value) for name, value in trainer.measured(self._data).items() if name != "loss")
        if self.optimizer.scheduled or any(isinstance(c, ReduceLROnPlateau) for c in self.callbacks):
            values["lr"] = float(self.optimizer.settings("lr")[0].at("lr", max(int(self.optimizer.steps) - 1, 0)))
        self.epoch, self.step, self._loss_sum, self._order_state = self.epoch + 1, 0, 0.0, None
        self.history.append(values)
        for callback in self.callbacks:
            callback.on_epoch_end(self, values)
        if self.plan.directory is not None and self.plan.save_every is None:
            trainer.save(self.plan.directory)

    def _why(self) -> str | None:
        """Why the run ended before its last epoch."""
        if self._interrupted:
            return f"interrupted in epoch {self.epoch + 1}, after step {self.step} of {self.steps_per_epoch}"
        return self.reason

    def _diverged(self, loss: float) -> TrainingDiverged:
        """The error for a loss that is no number, with what most likely made it one."""
        where = f"the loss is {loss} in epoch {self.epoch + 1}, step {self.step}"
        for name, array in (("x", self._data.x), ("y", self._data.y)):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                return TrainingDiverged(
                    f"{where}: {name} holds values that are not finite; fill them in or remove them"
                )
        best = self.history.best_epoch
        kept = f" (the model has the weights of epoch {best}, the best so far)" if best else ""
        return TrainingDiverged(
            f"{where}: lower the learning rate, or bring the inputs to a common scale{kept}. The same call inside "
            "`with rg.trace_nan():` names the operation and the line where it began"
        )


def _drawn(n: int, generator: Generator, state: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """An order of n rows and the generator's state before it was drawn; with `state`, the one drawn from there."""
    if state is None:
        assert generator.array is not None
        state = generator.array.copy()
        return np.asarray(permutation(n, generator=generator)), state
    again = Generator()
    again.rebind(state)
    return np.asarray(permutation(n, generator=again)), state


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
