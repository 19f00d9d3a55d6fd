"""`fit_many`: the models of a `rg.nn.stack` trained in one go, each as if it were alone."""

from collections.abc import Callable
from typing import Any

import numpy as np

from retrograd.config import FLOAT64, INT
from retrograd.core.cells import Cell
from retrograd.errors import DataError, RetrogradError
from retrograd.jit.jitted import Shelf
from retrograd.nn.stacked import Stacked
from retrograd.nn.state import zero_grad
from retrograd.ops import reductions
from retrograd.ops.indexing import take
from retrograd.ops.inputs import face
from retrograd.ops.random import Generator, default_generator, permutation
from retrograd.optim import Adam, Optimizer, clip_grad_norm_
from retrograd.train.callbacks import Progress
from retrograd.train.door import Rows, admit
from retrograd.train.engine import ENGINES, Engine, engine_of
from retrograd.train.forward import evaluating, in_batches
from retrograd.train.history import History
from retrograd.train.interrupt import Interrupt
from retrograd.train.plan import is_share, plan_of
from retrograd.train.state import put, weights_of
from retrograd.train.step import Step, check_clip_norm
from retrograd.transforms.gradients import no_grad
from retrograd.transforms.vectorise import vmap

Loss = Callable[[Any, Any], Any]


def fit_many(
    many: Stacked,
    loss: Loss,
    x: Any,
    y: Any,
    epochs: int,
    *,
    optimizer: Optimizer | None = None,
    batch_size: int = 32,
    validation: float | tuple[Any, Any] | None = None,
    folds: int | None = None,
    early_stopping: int | None = None,
    clip_norm: float | None = None,
    generator: Generator | None = None,
    engine: str = "auto",
    progress: bool = True,
) -> list[History]:
    """Train every model of a stack on the same rows, in one loop.

    Each gets the training that a `Trainer` would give it alone with the same order of rows: its own gradients, its own
    learning rate if the optimiser has an array of them, its own early stopping. A model whose loss becomes infinite or
    NaN ends there, and leaves the others alone. Afterwards the stack is in evaluation mode; ``many[i]`` is a model.

    Args:
        many: from `rg.nn.stack`.
        loss: a function of one model's outputs and the targets that gives one number, a mean over the rows.
        x: n rows of inputs.
        y: n targets.
        epochs: the most passes over the rows, in an order drawn anew each time and the same for all models.
        optimizer: over the parameters of the stack; by default ``rg.optim.Adam(many)``.
        batch_size: rows in a step; the last step of an epoch takes what is left.
        validation: a share of the rows to hold out from all models, or (x, y) of its own.
        folds: part the rows into so many folds of equal size; model i is trained without fold ``i % folds``, which is
            its validation set. Rows that are left over belong to every model's training set.
        early_stopping: so many epochs may pass without a better validation loss. The model then gets the weights of its
            best epoch, and its history ends.
        clip_norm: the largest norm of a model's gradient; see `rg.optim.clip_grad_norm_`.
        generator: draws folds, validation rows and the order of rows; by default ``rg.random.default_generator``.
        engine: as for `Trainer`.
        progress: show epochs, the mean loss over the models that are still in training, and how many they are.

    Returns:
        The history of each model.

    Raises:
        DataError, ShapeError: the arrays do not fit; one line, before anything is trained.
        RetrogradError: the stack, the optimiser or an argument does not fit.

    >>> import retrograd as rg
    >>> x, y = np.linspace(-1, 1, 32)[:, None], np.linspace(-1, 1, 32)[:, None] * 2
    >>> many = rg.nn.stack([rg.nn.Linear(1, 1)] * 3)
    >>> rates = rg.optim.SGD(many, lr=[0.001, 0.01, 0.1])
    >>> histories = fit_many(many, rg.nn.mse_loss, x, y, 200, optimizer=rates, progress=False)
    >>> [history["loss"][-1] < 1e-3 for history in histories]
    [False, False, True]
    """
    if not isinstance(many, Stacked):
        raise RetrogradError(f"fit_many trains a rg.nn.stack of models, not a {type(many).__name__}; see Trainer")
    if engine not in ENGINES:
        raise RetrogradError(f"engine is {', '.join(map(repr, ENGINES))}, not {engine!r}")
    if early_stopping is not None and (type(early_stopping) is not int or early_stopping < 1):
        raise RetrogradError(f"early_stopping is a number of epochs, at least 1, not {early_stopping!r}")
    if early_stopping is not None and validation is None and folds is None:
        raise RetrogradError("early stopping watches the validation loss: give validation= or folds=")
    check_clip_norm(clip_norm)
    optimizer = Adam(many) if optimizer is None else optimizer
    own = set(many.parameters())
    if not {p for p in own if p.requires_grad} <= set(optimizer.parameters or ()) <= own:
        raise RetrogradError(
            "the optimizer is not one over the parameters of the stack: make it with rg.optim.Adam(many)"
        )
    run = _Run(many, loss, optimizer, admit(many[0], loss, x, y), clip_norm)
    drawn_from = default_generator if generator is None else generator
    run.part(drawn_from, validation, folds, epochs, batch_size)
    return run.go(drawn_from, engine, early_stopping, Progress() if progress else None)


class _Run:
    """One call of `fit_many`; `Progress` sees it as it sees the run of a trainer."""

    def __init__(self, many: Stacked, loss: Loss, optimizer: Optimizer, data: Rows, clip_norm: float | None) -> None:
        self.model, self.loss, self.optimizer, self.clip_norm = many, loss, optimizer, clip_norm
        self.notes, self.engine = data.notes, ""
        self.losses: tuple[int, ...] = (len(many),)  # the shape of a step's loss
        self.programs = Shelf()
        self.epoch = self.step = self.steps = 0
        self.histories = [History() for _ in range(len(many))]
        self.history = History()  # of the means, for whoever watches
        self.live = np.ones(len(many), bool)
        self._data = data
        self._table: np.ndarray | None = None  # the rows of each model, where they have rows of their own
        self._held: tuple[Any, Any] | None = None
        self._held_axis: int | None = None

    def part(self, generator: Generator, validation: Any, folds: int | None, epochs: int, batch_size: int) -> None:
        """Say which rows are for what."""
        data, held = self._data, None
        if folds is not None and validation is not None:
            raise RetrogradError("folds leave out validation rows of their own: give either folds= or validation=")
        if validation is not None and not is_share(validation):
            if not isinstance(validation, (tuple, list)) or len(validation) != 2:
                raise DataError("validation is a share of the rows, such as 0.2, or a pair (x, y)")
            held = admit(self.model[0], self.loss, validation[0], validation[1], what="validation ")
        self.plan = plan_of(
            data,
            held,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            directory=None,
            save_every=None,
            resumed=False,
        )
        if folds is not None:
            self._fold(generator, folds)
        elif self.plan.validation:
            order = np.asarray(permutation(len(data), generator=generator))
            count = round(len(order) * self.plan.validation)
            held, self._data = data.take(np.sort(order[:count])), data.take(np.sort(order[count:]))
        if held is not None:
            self._held = held.x, held.y
        self.rows = len(self._data) if self._table is None else self._table.shape[1]
        self.steps_per_epoch = -(-self.rows // batch_size)

    def _fold(self, generator: Generator, folds: int) -> None:
        rows = len(self._data)
        if type(folds) is not int or not 2 <= folds <= rows:
            raise DataError(f"folds is a whole number from 2 to the number of rows, {rows}, not {folds!r}")
        order, size = np.asarray(permutation(rows, generator=generator)), rows // folds
        held = [np.sort(order[i * size : (i + 1) * size]) for i in range(folds)]
        kept = [np.setdiff1d(np.arange(rows), fold) for fold in held]
        which = np.arange(self.losses[0]) % folds
        self._table = np.stack(kept)[which].astype(INT)
        at = np.stack(held)[which]
        self._held, self._held_axis = (self._data.x[at], self._data.y[at]), 0

    # The loop ---------------------------------------------------------------------------------------------------------

    def go(self, generator: Generator, engine: str, patience: int | None, progress: Progress | None) -> list[History]:
        """Run to the end; the history of each model."""
        best = None if patience is None else _Best(self.model, patience)
        zero_grad(self.model.parameters())
        with np.errstate(all="ignore"):
            made, reason = engine_of(engine, self, self._positions(), self.plan.batch_size)
        self.engine = made.name
        if reason is not None:
            self.notes = (*self.notes, f"The steps run eagerly: {reason}.")
        try:
            with Interrupt() as interrupt, np.errstate(all="ignore"):
                if progress:
                    progress.on_fit_begin(self)  # type: ignore[arg-type]
                while self.epoch < self.plan.epochs and self.live.any() and not interrupt.asked:
                    losses = self._steps(made, generator, interrupt, progress)
                    if losses is not None:
                        self._end_epoch(losses / self.rows, best, progress)
            if interrupt.asked:
                self._end(self.live.copy(), f"interrupted in epoch {self.epoch + 1}", interrupted=True)
        finally:
            self.model.eval()
            if best is not None:
                best.put_back()
            if progress:
                progress.on_fit_end(self)  # type: ignore[arg-type]
        return self.histories

    @property
    def train_step(self) -> Step:
        """A function of positions that makes a step and returns each model's loss before it."""
        x, y = face(self._data.x), face(self._data.y)
        table, axis = (None, None) if self._table is None else (face(self._table), 0)
        many, optimizer, clip_norm = self.model, self.optimizer, self.clip_norm
        losses_of = vmap(self.loss, in_axes=(0, axis))

        def step(positions: Any, _: Any) -> Any:
            rows = positions if table is None else take(table, positions, axis=1)
            optimizer.zero_grad()
            losses = losses_of(many(x[rows], in_axes=axis), y[rows])
            reductions.sum(losses).backward()  # a model's gradient does not depend on the others' losses
            if clip_norm is not None:
                clip_grad_norm_(many, clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            return losses

        return step

    def _positions(self) -> Rows:
        """What the engine hands to the step: places among the rows of a model."""
        places = np.arange(self.rows, dtype=INT)
        return Rows(places, places)

    def _steps(
        self, engine: Engine, generator: Generator, interrupt: Interrupt, progress: Progress | None
    ) -> np.ndarray | None:
        """The steps of an epoch: each model's losses, each times the rows of its step, summed; None if interrupted."""
        self.model.train()
        engine.shuffle(np.asarray(permutation(self.rows, generator=generator)))
        total: Any = np.zeros(self.losses, FLOAT64)
        while self.step < self.steps_per_epoch:
            if interrupt.asked:
                return None
            done, losses, total = engine.run(self.step, self.steps_per_epoch - self.step, total)
            self.step += done
            self.steps += done
            if progress:
                progress.on_step_end(self, float(np.mean(losses[self.live])))  # type: ignore[arg-type]
        return np.asarray(total)

    def _end_epoch(self, losses: np.ndarray, best: "_Best | None", progress: Progress | None) -> None:
        """Validate, write the histories, see who has ended."""
        values = {"loss": losses}
        if self._held is not None:
            values["val_loss"] = self._held_losses()
        self.epoch, self.step = self.epoch + 1, 0
        for i in np.flatnonzero(self.live):
            self.histories[i].append({name: float(column[i]) for name, column in values.items()})
        means = {name: float(np.mean(column[self.live])) for name, column in values.items()}
        if best is not None:
            better, tired = best.look(values["val_loss"], self.live)
            for i in np.flatnonzero(better):
                self.histories[i].best_epoch = self.epoch
            self._end(tired, f"val_loss has not improved for {best.patience} epochs")
        self._end(self.live & ~np.isfinite(losses), f"the loss is not finite in epoch {self.epoch}")
        means["training"] = float(self.live.sum())
        self.history.append(means)
        if progress:
            progress.on_epoch_end(self, means)  # type: ignore[arg-type]

    def _held_losses(self) -> np.ndarray:
        assert self._held is not None
        x, y = self._held
        axis = self._held_axis
        with evaluating(self.model), no_grad():
            outputs = in_batches(lambda rows: self.model(face(rows), in_axes=axis), x, 0 if axis is None else 1, 1)
            return np.asarray(vmap(self.loss, in_axes=(0, axis))(face(outputs), face(y)), FLOAT64)

    def _end(self, ended: np.ndarray, reason: str, interrupted: bool = False) -> None:
        for i in np.flatnonzero(ended):
            self.histories[i].stopped, self.histories[i].interrupted = reason, interrupted
        self.live &= ~ended


class _Best:
    """The weights of each model's best epoch."""

    def __init__(self, many: Stacked, patience: int) -> None:
        self.patience = patience
        self._cells: dict[str, Cell] = weights_of(many)
        self._weights: dict[str, np.ndarray] = {}
        self._best = np.full(len(many), np.nan)
        self._waited = np.zeros(len(many), int)

    def look(self, values: np.ndarray, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(the models that are better than ever, those that have waited too long)."""
        better = live & ((values < self._best) | (np.isnan(self._best) & ~np.isnan(values)))
        if not self._weights:
            better = live
            self._weights = {name: _array(cell).copy() for name, cell in self._cells.items()}
        for name, kept in self._weights.items():
            kept[better] = _array(self._cells[name])[better]
        self._best[better] = values[better]
        self._waited = np.where(better, 0, self._waited + 1)
        return better, live & (self._waited >= self.patience)

    def put_back(self) -> None:
        if self._weights:
            put(self._cells, self._weights)


def _array(cell: Cell) -> np.ndarray:
    assert cell.array is not None
    return cell.array
