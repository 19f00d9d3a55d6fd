"""How far a run is, while it runs: live on a terminal, as lines elsewhere."""

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retrograd.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from retrograd.train.run import Run

LINES = 20
"""About so many lines a run prints where there is no terminal."""

_REFRESH = 0.1  # seconds between two looks of the live lines
_PATIENCE = 20.0  # seconds without a line after which the next epoch prints one


class Progress(Callback):
    """Shows epoch, loss, speed and time left, on standard error.

    Args:
        console: where to write; a rich Console.
    """

    every_step = False

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._live: Any = None
        self._text = ""
        self._began = self._written = 0.0
        self._steps_before = 0

    def on_fit_begin(self, run: "Run") -> None:
        """Say what was cast, and open the live lines on a terminal."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True)
        for note in run.notes:
            self._say(note)
        self._began = self._written = time.monotonic()
        self._steps_before = run.steps
        if self._console.is_terminal or self._console.is_jupyter:
            from rich.live import Live

            # No thread of its own: the steps refresh it.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def on_step_end(self, run: "Run", loss: float) -> None:
        """Refresh the live lines, at most ten times a second."""
        if self._live is None:
            return
        now = time.monotonic()
        if now - self._written >= _REFRESH:
            self._written = now
            self._live.update(self._bar(run, loss, now), refresh=True)

    def on_epoch_end(self, run: "Run", values: Mapping[str, float]) -> None:
        """Keep the epoch for the live lines; elsewhere print it, about `LINES` of a whole run."""
        self._text = "  ".join(f"{name} {shown(value)}" for name, value in values.items())
        if self._live is not None:
            return
        now = time.monotonic()
        each = max(1, round(run.plan.epochs / LINES))
        if run.epoch % each == 0 or run.epoch in (1, run.plan.epochs) or now - self._written > _PATIENCE:
            self._written = now
            left = f"  {span(self._left(run, now))} left" if run.epoch < run.plan.epochs else ""
            self._say(f"{self._place(run)}  {self._text}  {self._speed(run, now)}{left}")

    def on_fit_end(self, run: "Run") -> None:
        """Close the live lines and sum up."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._console is None:  # the run failed before it began
            return
        now = time.monotonic()
        parts = [f"{run.epoch} epochs" if run.epoch != 1 else "1 epoch", f"{run.steps} steps"]
        ended = f": {run.history.stopped}" if run.history.stopped else ""
        self._say(
            f"Trained {', '.join(parts)} in {span(now - self._began)} ({self._speed(run, now)}, {run.engine}){ended}."
        )
        if run.history.best_epoch is not None:
            best = run.history.best_epoch
            values = "  ".join(f"{name} {shown(value)}" for name, value in run.history.at(best).items())
            self._say(f"Kept the weights of epoch {best}, the best: {values}.")

    def _say(self, line: str) -> None:
        """A line as it is: brackets are no markup, and a log is not broken at 80 columns."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _bar(self, run: "Run", loss: float, now: float) -> Any:
        """Two live lines, which fit into 80 columns: how far, and how good."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        far = Table.grid(padding=(0, 2))
        for _ in range(4):
            far.add_column(no_wrap=True)
        done = run.epoch * run.steps_per_epoch + run.step
        bar = ProgressBar(total=run.plan.epochs * run.steps_per_epoch, completed=done, width=20)
        best = run.history.best_epoch
        most = "at most " if best else ""
        far.add_row(self._place(run), bar, self._speed(run, now), f"{most}{span(self._left(run, now))} left")
        good = self._text or f"loss {shown(loss)}"
        note = f"  (best: epoch {best})" if best else ""
        return Group(far, Text(f"{good}{note}", no_wrap=True, overflow="ellipsis"))

    @staticmethod
    def _place(run: "Run") -> str:
        """`epoch 12/100`; between epochs the one that has ended."""
        digits = len(str(run.plan.epochs))
        return f"epoch {run.epoch + (run.step > 0):{digits}d}/{run.plan.epochs}"

    def _speed(self, run: "Run", now: float) -> str:
        steps = run.steps - self._steps_before
        rows = steps * run.rows / run.steps_per_epoch / max(now - self._began, 1e-9)
        return f"{rows:,.0f} rows/s"

    def _left(self, run: "Run", now: float) -> float:
        """Seconds to the last epoch, at the speed so far."""
        steps = run.steps - self._steps_before
        ahead = run.plan.epochs * run.steps_per_epoch - run.steps
        return (now - self._began) * ahead / steps if steps else math.inf


def shown(value: float) -> str:
    """A quantity in four figures.

    >>> shown(0.012345), shown(97.0), shown(1234.5)
    ('0.01235', '97', '1234')
    """
    return f"{value:.4g}"


def span(seconds: float) -> str:
    """A stretch of time for a person.

    >>> span(0.25), span(59), span(61), span(3700)
    ('0.2 s', '59 s', '1:01', '1:01:40')
    """
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
