"""`explain_network`: a network's forward and backward pass, neuron by neuron."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retrograd.errors import ModelError
from retrograd.explain.network import files
from retrograd.explain.network.compute import UPDATES
from retrograd.explain.network.description import Network
from retrograd.explain.network.tables import Tables
from retrograd.explain.network.text import NetworkText
from retrograd.explain.network.worked import Round, Worked

MOST_ROUNDS = 1_000_000


class NetworkExplanation:
    """A worked network; printing it shows every number and where it comes from.

    Attributes:
        network: one example, one network.
        worked: the numbers, by neuron and weight.
        weight: the one weight that is shown, or None for all.
        rounds: the network after so many updates; empty if none were asked for.
        update: how it was updated.
    """

    def __init__(self, worked: Worked, weight: str | None, rounds: Sequence[Round], update: str, note: str) -> None:
        self.network, self.worked, self.weight = worked.network, worked, weight
        self.rounds, self.update, self.note = list(rounds), update, note

    def figures(self) -> dict[str, float]:
        """Every number by its name: net_h1, out_h1, E_o1, dE/dout_h1, delta_h1, dE/dw1, new w1, E, E after ..."""
        return self.worked.figures()

    def text(self, digits: int = 9) -> str:
        """The explanation as text, with so many decimals."""
        text = NetworkText(self.worked, digits)
        self._write(text, Tables(text.page, self.worked, digits))
        return text.page.text()

    def latex(self, digits: int = 9) -> str:
        """The explanation as a LaTeX fragment, for a document that loads amsmath; with so many decimals."""
        from retrograd.explain.latex.document import latex_document
        from retrograd.explain.network.latex import network_items

        return latex_document(*network_items(self.worked, digits, self._write))

    def markdown(self, digits: int = 9) -> str:
        """The explanation as Markdown, with formulas in LaTeX; with so many decimals."""
        from retrograd.explain.latex.document import markdown_document
        from retrograd.explain.network.latex import network_items

        return markdown_document(*network_items(self.worked, digits, self._write))

    def _write(self, text: NetworkText, tables: Tables) -> None:
        text.heading(self.note)
        if self.weight is not None:
            one = next(
                w for w, own in zip(text.net.weights(), self.network.weights(), strict=True) if own.name == self.weight
            )
            text.one(one)
            tables.update(one)
            return
        text.forward()
        text.backward()
        tables.update()
        if self.rounds:
            tables.rounds(self.rounds, self.update)
            tables.published(self.rounds, self.update)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def explain_network(
    network: Network | str | Path,
    *,
    row: int | None = None,
    weight: str | None = None,
    rounds: int | None = None,
    update: str = "simultaneous",
    check: bool = True,
) -> NetworkExplanation:
    """The forward pass of a network by neuron, every gradient as its chain, the update, and finite differences beside.

    Args:
        network: a `Network`, the name of a built-in one ("mazur", "3-2-2"), or the path of a JSON file.
        row: which example of its data, counted from 0; the first by default.
        weight: show the chain of this weight alone.
        rounds: how many updates to make in the end, on all rows at once; one by default, if there is a learning rate.
        update: "simultaneous" is gradient descent; "sequential" is deliberately wrong: it overwrites each layer on the
            way back, before the layers below it get their gradients. Some hand calculations do that.
        check: compare with finite differences.

    Raises:
        ModelError: the network, the row or the weight is not there, or makes no sense; one line.

    >>> explanation = explain_network("mazur")
    >>> round(explanation.figures()["dE/dw5"], 9)
    0.082167041
    """
    whole = network if isinstance(network, Network) else _found(str(network))
    if update not in UPDATES:
        raise ModelError(f"there is no update {update!r}: choose {' or '.join(UPDATES)}")
    count = len(whole.inputs)
    one = whole.row(0 if row is None else row)
    worked = Worked(one, check=check, also=[whole.weight(weight)] if weight is not None else [])
    note = "" if count == 1 else f"row {row or 0} of {count} (counted from 0)"
    found: list[Round] = []
    if weight is None and (whole.learning_rate is not None or rounds):
        found = worked.after(_schedule(1 if rounds is None else rounds), update, whole)
    return NetworkExplanation(worked, weight, found, update, note)


def _found(name: str) -> Network:
    return files.built_in(name) if name in files.BUILT_IN and not Path(name).exists() else files.load(name)


def _schedule(rounds: int) -> list[int]:
    """When to look: at the start, after 1, 10, 100, ..., and at the end."""
    if not 0 <= rounds <= MOST_ROUNDS:
        raise ModelError(f"{rounds} rounds: choose a number from 0 to {MOST_ROUNDS:,}")
    return [n for n in (0, *(10**k for k in range(6))) if n < rounds] + [rounds]
