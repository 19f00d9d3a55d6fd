"""What a run tells, and to whom."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrograd.train.run import Run


class Callback:
    """Called at the events of a run; subclass it and override what you need.

    A callback may read anything (`run.history`, `run.model`, `run.optimizer`), change settings such as the learning
    rate, and end the run with `run.stop("reason")`. What it remembers from event to event belongs into `state_dict`:
    then a run that was killed and resumed goes on as if nothing had happened.

    >>> class Halve(Callback):
    ...     def on_epoch_end(self, run, values):
    ...         run.optimizer.lr = run.optimizer.lr / 2

    Attributes:
        every_step: whether `on_step_end` is to be called after each step. With False a compiled loop makes many steps
            in between, for up to a twentieth of a second, and `loss` is that of the last one.
    """

    every_step = True

    def on_fit_begin(self, run: "Run") -> None:
        """Before the first step of `fit`, also of one that goes on after `resume`."""

    def on_step_end(self, run: "Run", loss: float) -> None:
        """After each step (unless `every_step` is False). `loss` is that of its rows, before it changed the weights."""

    def on_epoch_end(self, run: "Run", values: Mapping[str, float]) -> None:
        """After each epoch and its validation; `values` is what the history was given."""

    def on_fit_end(self, run: "Run") -> None:
        """When `fit` ends, however it ends."""

    def state_dict(self) -> dict[str, Any]:
        """What to remember over a restart: nested dicts and lists of numbers, texts, None and ndarrays."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; called before `on_fit_begin`."""
