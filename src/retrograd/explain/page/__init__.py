"""A page on which a network is stepped through, forward and back; by itself in one file, or live with the engine."""

from __future__ import annotations

from retrograd.explain.network.description import Network
from retrograd.explain.page.document import html as _html
from retrograd.explain.page.player import Player as Player
from retrograd.explain.page.server import PageServer as PageServer
from retrograd.explain.page.trace import trace as trace


def page(
    network: Network,
    *,
    row: int = 0,
    rounds: int | None = None,
    weight: str | None = None,
    digits: int | None = None,
    play: str = "retrograd play NET",
) -> str:
    """One HTML file that steps through a network; it needs nothing else, and no network connection.

    Args:
        network: the network with its data.
        row: the example to begin with.
        rounds: how far it is trained, on all rows; by default far enough to see it learn.
        weight: begin with the gradient of this weight.
        digits: decimals in formulas; by default 9, or 5 for a large network.
        play: the command that makes the page live, for the reader.

    Raises:
        ModelError: there is no such row or weight.

    >>> from retrograd.explain.network.files import built_in
    >>> text = page(built_in("mazur"), rounds=1)
    >>> text.startswith("<!DOCTYPE html>"), "https:" in text
    (True, False)
    """
    found = trace(network, row=row, rounds=rounds, digits=digits)
    if weight is not None:
        found["start"] = _start(found, network.weight(weight).name)
    return _html(found, play=play)


def _start(found: dict[str, object], weight: str) -> int:
    """The step that makes the gradient of a weight; the first one if it is not drawn."""
    view = found["views"][0]  # type: ignore[index]
    for i, step in enumerate(view["steps"]):
        if any(view["figures"][e["figure"]][0] == f"dE/d{weight}" for e in step["equations"]):
            return i
    return 0
