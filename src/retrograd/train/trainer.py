"""`Trainer`: a model, a loss and an optimiser become a run over data that can be watched, ended and resumed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.errors import DataError, ModelError, RetrogradError
from retrograd.jit.jitted import Shelf
from retrograd.nn.stacked import Stacked
from retrograd.ops.inputs import face
from retrograd.ops.random import Generator, default_generator
from retrograd.optim import Adam, Optimizer
from retrograd.train.callbacks import Callback, EarlyStopping, Progress
from retrograd.train.door import Rows, admit, admit_inputs
from retrograd.train.engine import ENGINES
from retrograd.train.forward import outputs_of
from retrograd.train.history import History
from retrograd.train.plan import is_share, plan_of
from retrograd.train.run import Run
from retrograd.train.state import cells_of, check_fit, generators_of, put, slots_of, snapshot, weights_of
from retrograd.train.step import make_step
from retrograd.train.tree_file import read_tree, write_tree
from retrograd.transforms.gradients import no_grad

Metric = Callable[[np.ndarray, np.ndarray], float]

CHECKPOINT = "checkpoint.safetensors"
FORMAT, VERSION = "retrograd.checkpoint", 1


class Trainer:
    """Fits a model to arrays in memory.

    Args:
        model: a module.
        loss: a function of the model's outputs and the targets that gives one number, a mean over the rows.
        optimizer: over the model's parameters; by default ``rg.optim.Adam(model)``.
        metrics: functions of outputs and targets (ndarrays) that give a number, as in `rg.train.metrics`; they are
            called by their own names, or by the keys of a mapping.
        callbacks: told of every event of a run.
        generator: draws the validation rows and the order of rows; by default ``rg.random.default_generator``.
        engine: `native` compiles the loop over steps (the model and the loss are traced once, as by `rg.jit`), `eager`
            makes every step from Python, `auto` is native where that can be, and says in a line why if it is not.
        clip_norm: the largest norm of a step's gradient; a longer one is scaled down, see `rg.optim.clip_grad_norm_`.

    Attributes:
        history: of the last run.
        programs: those that were compiled for its runs.
    """

    losses: tuple[int, ...] = ()  # the shape of a step's loss

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer | None = None,
        *,
        metrics: Sequence[Metric] | Mapping[str, Metric] = (),
        callbacks: Sequence[Callback] = (),
        generator: Generator | None = None,
        engine: str = "auto",
        clip_norm: float | None = None,
    ) -> None:
        if isinstance(model, Stacked):
            raise RetrogradError("a Trainer trains one model; rg.train.fit_many trains a stack of them")
        if engine not in ENGINES:
            raise RetrogradError(f"engine is {', '.join(map(repr, ENGINES))}, not {engine!r}")
        if optimizer is None:
            optimizer = Adam(model)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = dict(metrics) if isinstance(metrics, Mapping) else {_name(m): m for m in metrics}
        self.callbacks = tuple(callbacks)
        self.generator = default_generator if generator is None else generator
        self.engine = engine
        self.train_step = make_step(model, loss, optimizer, clip_norm)
        self.programs = Shelf()
        self.history = History()
        self._run: Run | None = None
        self._saved_run: dict[str, Any] | None = None

    @property
    def weights(self) -> dict[str, Cell]:
        """The model's parameters and buffers by name."""
        return weights_of(self.model)

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int,
        *,
        batch_size: int = 32,
        validation: float | tuple[Any, Any] | None = None,
        early_stopping: int | EarlyStopping | None = None,
        directory: str | Path | None = None,
        save_every: int | None = None,
        progress: bool = True,
    ) -> History:
        """Train.

        Afterwards the model is in evaluation mode. Ctrl-C ends the run within a twentieth of a second, after a whole
        step, and what was learned so far is kept; a second one raises.

        Args:
            x: n rows of inputs, anything NumPy takes for an array; cast to the model's dtype once, which is said.
            y: n targets.
            epochs: how often to go through the rows, in an order drawn anew each time.
            batch_size: rows in a step; the last step of an epoch takes what is left.
            validation: a share of the rows to hold out, or (x, y) of its own.
            early_stopping: so many epochs may pass without a better validation loss; the model gets the weights of the
                best epoch. For another quantity give an `EarlyStopping`.
            directory: where to keep a checkpoint of everything, for `resume`.
            save_every: steps between checkpoints; without it there is one after each epoch.
            progress: show epoch, loss, speed and time left: live on a terminal, else as lines.

        Returns:
            The history of the run: after `resume`, of the whole run.

        Raises:
            DataError, ShapeError: the arrays do not fit; one line, before anything is trained.
            RetrogradError: the engine is `native`, and the steps cannot be compiled.
            TrainingDiverged: the loss became infinite or NaN.
        """
        data = admit(self.model, self.loss, x, y)
        held = None if validation is None or is_share(validation) else self._held(validation)
        plan = plan_of(
            data,
            held,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            directory=directory,
            save_every=save_every,
            resumed=self._saved_run is not None,
        )
        run = Run(self, plan, data, held, self._watchers(early_stopping, progress))
        if self._saved_run is not None:
            self._go_on(run, self._saved_run)
            self._saved_run = None
        elif plan.directory is not None and (plan.directory / CHECKPOINT).exists():
            name = repr(str(plan.directory))
            raise RetrogradError(
                f"{name} holds the checkpoint of a run: trainer.resume({name}) goes on with it; to begin anew give "
                "another directory"
            )
        self._run, self.history = run, run.history
        try:
            return run.go()
        finally:
            self._run = None

    def evaluate(self, x: Any, y: Any) -> dict[str, float]:
        """The loss and the metrics on rows, with the model in evaluation mode."""
        return self.measured(admit(self.model, self.loss, x, y))

    def predict(self, x: Any) -> np.ndarray:
        """The model's outputs for n rows, in evaluation mode: the same bits for the same rows in the same order.

        Rows that are appended change nothing in the outputs of those before them.
        """
        return outputs_of(self.model, admit_inputs(self.model, x)[0])

    def measured(self, rows: Rows) -> dict[str, float]:
        """As `evaluate`, for rows that are past the door."""
        outputs = outputs_of(self.model, rows.x)
        with no_grad():
            loss = float(self.loss(face(outputs), face(rows.y)))
        return {"loss": loss, **{name: float(metric(outputs, rows.y)) for name, metric in self.metrics.items()}}

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def save(self, directory: str | Path) -> None:
        """Keep everything that a run changes in `directory`, in one file that is whole or not there.

        That is parameters, buffers, the optimiser's slots and settings, generators, the history and, within `fit`, the
        place in the run, the sums of its current epoch and what the callbacks remember.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        write_tree(folder / CHECKPOINT, self._saved_run or self._state())

    def resume(self, directory: str | Path) -> "Trainer":
        """Take up what `save`, or a `fit` that was killed, left in `directory`.

        The trainer has to be made as the one that saved. A call of `fit` with the same data and arguments then goes on
        with the run from there, and ends with the same bits as one that was never interrupted.

        Returns:
            The trainer itself.

        Raises:
            ModelError: there is no checkpoint, it is damaged, or it is one of another model or optimiser.
        """
        path = Path(directory) / CHECKPOINT
        if not path.exists():
            raise ModelError(f"there is no {CHECKPOINT} in {str(directory)!r}: nothing was saved there")
        state = read_tree(path)
        if (state.get("format"), state.get("version")) != (FORMAT, VERSION):
            raise ModelError(f"{str(path)!r} is no checkpoint that this version can read")
        try:
            self._put(state["cells"])
            self.history, self._saved_run = History.from_json(state["history"]), None
            if state["run"] is not None:
                self._saved_run = state
                self._show_best(state["run"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{str(path)!r} is damaged") from error
        return self

    def _state(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "cells": {name: snapshot(cells) for name, cells in self._cells().items()},
            "history": self.history.to_json(),
            "run": None if self._run is None else self._run.state_dict(),
        }

    def _cells(self) -> dict[str, dict[str, Cell]]:
        return {
            "model": cells_of(self.model),
            "optimizer": slots_of(self.optimizer),
            "generators": generators_of(self.generator),
        }

    def _put(self, saved: Mapping[str, Any]) -> None:
        """Give every cell its saved array, after a look at all of them."""
        what = {"model": "the model", "optimizer": "the optimiser", "generators": "the trainer"}
        for name, cells in self._cells().items():
            check_fit(cells, saved[name], what[name])
        put(cells_of(self.model), saved["model"])
        put(generators_of(self.generator), saved["generators"])
        self.optimizer.load_state_dict(saved["optimizer"])

    def _go_on(self, run: Run, saved: Mapping[str, Any]) -> None:
        """Bring everything to where the saved run was; trying out rows at the door has left no trace."""
        self._put(saved["cells"])
        run.history = History.from_json(saved["history"])
        run.load_state_dict(saved["run"])

    def _show_best(self, run: Mapping[str, Any]) -> None:
        """Between `resume` and `fit` the model has the best weights so far, where the run keeps them."""
        for name, remembered in run["callbacks"]:
            if name == EarlyStopping.__name__ and remembered["weights"]:
                put(self.weights, remembered["weights"])

    # What fit was asked for -------------------------------------------------------------------------------------------

    def _held(self, validation: Any) -> Rows:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise DataError("validation is a share of the rows, such as 0.2, or a pair (x, y)")
        x, y = validation
        return admit(self.model, self.loss, x, y, what="validation ")

    def _watchers(self, early_stopping: int | EarlyStopping | None, progress: bool) -> list[Callback]:
        """The callbacks of a run; the one that shows comes last, when the others have had their say."""
        stopping = EarlyStopping(early_stopping) if isinstance(early_stopping, int) else early_stopping
        return [*self.callbacks, *([stopping] if stopping else []), *([Progress()] if progress else [])]


def _name(metric: Metric) -> str:
    name = getattr(metric, "__name__", None)
    if name is None or name == "<lambda>":
        raise RetrogradError("a metric without a name: give metrics={'name': function}")
    return str(name)
