"""The engine behind a live page: a changed network in, every figure of it out."""

from __future__ import annotations

import threading
import time
from typing import Any

from retrograd.explain.network.compute import Rounds
from retrograd.explain.network.description import Network
from retrograd.explain.network.worked import Worked
from retrograd.explain.page.figures import Moment
from retrograd.explain.page.requests import Request, read
from retrograd.explain.page.trace import ROWS, View, about, errors_along, key_of, plain, state_of

KEPT = 64  # views and compiled programs that are kept


class Player:
    """Answers requests about one network; each is complete in itself, so that nothing is remembered between them.

    Args:
        network: what the page begins with.
        row: likewise.
        digits: decimals in formulas; by default 9, or 5 for a large network.
    """

    def __init__(self, network: Network, row: int = 0, digits: int | None = None) -> None:
        self.network, self.row, self.digits = network, row, digits
        self._views: dict[str, View] = {}
        self._rounds: dict[tuple[str, ...], Rounds] = {}
        self._lock = threading.Lock()  # one computation at a time: pages wait for their answers anyway

    def opening(self) -> dict[str, Any]:
        """The trace that the page begins with. Trains a little first, so that the first update need not compile."""
        with self._lock:
            moment = Moment(self.network, self.network.arrays(), [self.row])
            view = self._view(self.network, moment.rows[self.row].worked, None)
            if self.network.learning_rate is not None:
                self._program(self.network)(self.network, moment.arrays, 1)
            outputs = range(len(self.network.outputs)) if view.shown.folded else ()
            return plain(
                {
                    **about(self.network, self.digits),
                    "row": self.row,
                    "row_choice": list(range(min(len(self.network.inputs), max(ROWS, self.row + 1)))),
                    "output_choice": list(outputs),
                    "views": [{**view.record(), "snapshots": [view.snapshot(0, moment)]}],
                    "curve": [[0, moment.error]],
                    "state": state_of(self.network),
                }
            )

    def answer(self, body: bytes) -> dict[str, Any]:
        """What a page asks for.

        Raises:
            ModelError: the request makes no sense; one line.
        """
        started = time.perf_counter()
        request = read(body, self.network)
        with self._lock:
            found = plain(self._answer(request))
        return {**found, "milliseconds": 1000 * (time.perf_counter() - started)}

    def _answer(self, request: Request) -> dict[str, Any]:
        network = request.network
        points: list[tuple[int, float]] = []
        arrays = network.arrays()
        if request.rounds:
            arrays, points = errors_along(self._program(network), network, arrays, request.rounds)
        moment = Moment(network, arrays, [request.row])
        view = self._view(network, moment.rows[request.row].worked, request.output)
        number = request.round + request.rounds
        found: dict[str, Any] = {
            "snapshot": view.snapshot(number, moment),
            "curve": [[request.round + n, error] for n, error in points] or [[number, moment.error]],
        }
        if request.rounds:
            found["arrays"] = [a.ravel().tolist() for a in arrays]
        if view.key != request.view:
            found["view"] = view.record()
        return found

    def _view(self, network: Network, worked: Worked, output: int | None) -> View:
        """The view of a network, made once for each build."""
        key = key_of(network, worked, output)
        if key not in self._views:
            if len(self._views) >= KEPT:
                self._views.clear()
            self._views[key] = View(network, worked, output)
        return self._views[key]

    def _program(self, network: Network) -> Rounds:
        """Training of networks of this build, compiled once."""
        build = tuple(layer.activation for layer in network.layers)
        if build not in self._rounds:
            if len(self._rounds) >= KEPT:
                self._rounds.clear()
            self._rounds[build] = Rounds(network)
        return self._rounds[build]
