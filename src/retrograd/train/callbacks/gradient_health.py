"""The health of a network while it trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.errors import RetrogradError
from retrograd.train.callbacks.callback import Callback
from retrograd.train.diagnostics.health import Health, health
from retrograd.train.history import number, plain
from retrograd.train.state import snapshot

if TYPE_CHECKING:
    from retrograd.train.run import Run

FAST = 0.1  # a step that changes a weight matrix by a tenth of itself
SLOW = 1e-6


@dataclass(frozen=True)
class Checkup:
    """What was found after an epoch.

    Attributes:
        epoch: counted from 1.
        health: of the model on the rows looked at.
        updates: for each parameter by path, how far the epoch moved it for each step, relative to its norm before.
    """

    epoch: int
    health: Health
    updates: dict[str, float]

    @property
    def advice(self) -> tuple[str, ...]:
        """What the model's health suggests, and what the size of the steps does."""
        found = list(self.health.advice)
        if fast := [path for path, ratio in self.updates.items() if ratio > FAST]:
            found.append(f"Steps move {', '.join(fast)} by more than a tenth of their size: lower the learning rate.")
        if self.updates and all(ratio < SLOW for ratio in self.updates.values()):
            found.append("Steps move the weights by less than a millionth of their size: raise the learning rate.")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers; `from_json` is the inverse."""
        updates = {path: plain(ratio) for path, ratio in self.updates.items()}
        return {"epoch": self.epoch, "health": self.health.to_json(), "updates": updates}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Checkup":
        """The checkup that `to_json` wrote down.

        Raises:
            KeyError, TypeError, ModelError: it is not what `to_json` made.
        """
        updates = {str(path): number(ratio) for path, ratio in record["updates"].items()}
        return cls(int(record["epoch"]), Health.from_json(record["health"]), updates)


class GradientHealth(Callback):
    """Looks at gradients, activations and steps after every so many epochs; see `retrograd.train.health`.

    It costs one forward and backward pass, and as long as it watches nothing of the training changes.

    Args:
        every: epochs between two looks; None for looks ever further apart, the next after a fifth as many epochs as
            there were: 23 in 100 epochs, 32 in 500.
        rows: how many of the training rows are looked at, the first ones.

    Attributes:
        checkups: what was found, in order.
    """

    every_step = False

    def __init__(self, every: int | None = 1, rows: int = 256) -> None:
        if min(1 if every is None else every, rows) < 1:
            raise RetrogradError(f"GradientHealth: every={every} and rows={rows} are 1 or more")
        self.every, self.rows = every, rows
        self.checkups: list[Checkup] = []
        self._before: dict[str, np.ndarray] = {}
        self._steps = 0

    def on_fit_begin(self, run: "Run") -> None:
        """Forget an earlier run, and note the weights, unless this one goes on from a checkpoint."""
        if run.steps == 0:
            self.checkups = []
            self._note(run)

    def on_epoch_end(self, run: "Run", values: Mapping[str, float]) -> None:
        """Look, if it is time."""
        if self._is_time(run.epoch):
            x, y = run.first_rows(self.rows)
            found = health(run.model, run.trainer.loss, x, y)
            self.checkups.append(Checkup(run.epoch, found, self._moved(run)))
            self._note(run)

    def _is_time(self, epoch: int) -> bool:
        """Whether to look after this epoch, counted from 1."""
        if self.every is not None:
            return epoch % self.every == 0
        look = 1
        while look < epoch:
            look += max(1, look // 5)
        return look == epoch

    def _note(self, run: "Run") -> None:
        self._before, self._steps = snapshot(run.weights), run.steps

    def _moved(self, run: "Run") -> dict[str, float]:
        steps = max(run.steps - self._steps, 1)
        now = snapshot(run.weights)
        trained = {path for path, cell in run.model.named_parameters() if cell.requires_grad}
        return {
            path: float(np.linalg.norm(now[path] - old) / norm / steps)
            for path, old in self._before.items()
            if path in trained and (norm := float(np.linalg.norm(old))) > 0
        }

    def state_dict(self) -> dict[str, Any]:
        return {"checkups": [c.to_json() for c in self.checkups], "before": dict(self._before), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.checkups = [Checkup.from_json(saved) for saved in state["checkups"]]
        self._before, self._steps = dict(state["before"]), state["steps"]
