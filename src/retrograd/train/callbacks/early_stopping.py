"""Ending a run that gets no better, and keeping the best weights."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.errors import RetrogradError
from retrograd.train.callbacks.callback import Callback
from retrograd.train.state import put, snapshot

if TYPE_CHECKING:
    from retrograd.train.run import Run


class EarlyStopping(Callback):
    """Ends a run after `patience` epochs without a better value, and gives the model the best epoch's weights.

    The weights are the best epoch's however the run ends: by itself, at its last epoch, by Ctrl-C or by an exception.

    Args:
        patience: so many epochs in a row may be no better than the best one.
        monitor: which quantity of the history to look at.
        mode: `min` if smaller is better, `max` if larger is; by default `min` for losses and errors, else `max`.
        min_delta: a change of at most this much is none.
    """

    def __init__(
        self, patience: int, *, monitor: str = "val_loss", mode: str | None = None, min_delta: float = 0.0
    ) -> None:
        if type(patience) is not int or patience < 1:
            raise RetrogradError(f"patience is a number of epochs, at least 1, not {patience!r}")
        if mode not in ("min", "max", None):
            raise RetrogradError(f"mode is 'min' or 'max', not {mode!r}")
        self.patience, self.monitor, self.min_delta = patience, monitor, min_delta
        self.mode = mode or ("min" if monitor.endswith(("loss", "error", "rmse", "mae")) else "max")
        self.waited, self.best, self.best_epoch = 0, math.nan, 0
        self.weights: dict[str, np.ndarray] = {}

    def on_fit_begin(self, run: "Run") -> None:
        """Forget an earlier run."""
        if run.steps == 0:
            self.waited, self.best, self.best_epoch, self.weights = 0, math.nan, 0, {}

    def on_epoch_end(self, run: "Run", values: Mapping[str, float]) -> None:
        """Compare, keep, count."""
        if self.monitor not in values:
            more = "; it needs validation=" if self.monitor.startswith("val_") else ""
            raise RetrogradError(f"early stopping watches {self.monitor!r}, which is none of {', '.join(values)}{more}")
        value = values[self.monitor]
        gain = self.best - value if self.mode == "min" else value - self.best
        if not self.weights or gain > self.min_delta or (math.isnan(self.best) and not math.isnan(value)):
            self.best, self.best_epoch, self.waited = value, run.epoch, 0
            self.weights = snapshot(run.weights)
            run.history.best_epoch = run.epoch
            return
        self.waited += 1
        if self.waited >= self.patience:
            run.stop(f"{self.monitor} has not improved for {self.patience} epochs")

    def on_fit_end(self, run: "Run") -> None:
        """Put the best weights back."""
        if self.weights:
            put(run.weights, self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {
            "waited": self.waited,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "weights": dict(self.weights),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.waited, self.best, self.best_epoch = state["waited"], state["best"], state["best_epoch"]
        self.weights = dict(state["weights"])
