"""A smaller learning rate when the run gets no better."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retrograd.errors import RetrogradError
from retrograd.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from retrograd.train.run import Run


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` after `patience` epochs without a better value.

    Names, defaults and behaviour are those of PyTorch's scheduler. It looks at a quantity of the history, so it acts
    between epochs; what depends on the step count alone is a schedule, `rg.optim.schedules`. All groups of parameters
    that have a rate of their own are reduced alike.

    Args:
        monitor: which quantity of the history to look at.
        mode: `min` if smaller is better, `max` if larger is.
        factor: below 1.
        patience: so many epochs in a row may be no better than the best one; the next one reduces the rate.
        threshold: a change of at most this share of the best value is none; with `threshold_mode` "abs" of at most this
            much.
        threshold_mode: "rel" or "abs".
        cooldown: epochs after a reduction that do not count.
        min_lr: the rate does not go below.
        eps: a reduction by at most this much is left out.
    """

    every_step = False

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0.0 < factor < 1.0:
            raise RetrogradError(f"factor is between 0 and 1, not {factor!r}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise RetrogradError(
                f"mode is 'min' or 'max', threshold_mode 'rel' or 'abs', not {mode!r} and {threshold_mode!r}"
            )
        if type(patience) is not int or patience < 0 or type(cooldown) is not int or cooldown < 0:
            raise RetrogradError(f"patience and cooldown count epochs, not {patience!r} and {cooldown!r}")
        self.monitor, self.mode, self.factor, self.patience = monitor, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lr, self.eps = min_lr, eps
        self._forget()

    def _forget(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.waited = self.cooling = 0

    def on_fit_begin(self, run: "Run") -> None:
        """Forget an earlier run, and refuse an optimiser whose rate is a schedule."""
        if run.optimizer.scheduled:
            raise RetrogradError("ReduceLROnPlateau changes lr, which is a schedule here: give lr a number")
        if run.steps == 0:
            self._forget()

    def on_epoch_end(self, run: "Run", values: Mapping[str, float]) -> None:
        """Compare, count, reduce."""
        if self.monitor not in values:
            more = "; it needs validation=" if self.monitor.startswith("val_") else ""
            raise RetrogradError(f"this watches {self.monitor!r}, which is none of {', '.join(values)}{more}")
        value = values[self.monitor]
        if self._better(value):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.cooling:
            self.cooling -= 1
            self.waited = 0
        if self.waited > self.patience:
            self._reduce(run)
            self.cooling, self.waited = self.cooldown, 0

    def _better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        margin = abs(self.best) * self.threshold if self.threshold_mode == "rel" else self.threshold
        if math.isinf(self.best):
            return sign * value < sign * self.best
        # PyTorch takes the share of the best value itself, not of its size; below 0 that would be less than nothing.
        return sign * value < sign * self.best - margin

    def _reduce(self, run: "Run") -> None:
        for settings in run.optimizer.settings("lr"):
            old = float(settings.number("lr"))
            new = max(old * self.factor, self.min_lr)
            if old - new > self.eps:
                settings.assign("lr", new)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "cooling": self.cooling}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.waited, self.cooling = state["best"], state["waited"], state["cooling"]
