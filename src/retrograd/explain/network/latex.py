r"""A worked network in LaTeX and Markdown: what `NetworkText` writes, its expressions read and written in LaTeX.

Names of neurons and weights are the user's, and may be anything ("sepal length (cm)"). So the text is written for a
network whose names are made up, ``q0q``, ``q1q``, ..., which stand in expressions like letters; they are replaced by
the user's own afterwards.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from retrograd.explain.latex.equations import Heading, Item, Remark, Row, Table
from retrograd.explain.latex.formulas import expression
from retrograd.explain.latex.vocabulary import PRODUCT, Latex
from retrograd.explain.latex.words import name as latex_name
from retrograd.explain.latex.words import text as latex_text
from retrograd.explain.layout import Page
from retrograd.explain.network.description import Layer, Network
from retrograd.explain.network.tables import Tables
from retrograd.explain.network.text import NetworkText
from retrograd.explain.network.worked import Worked

PREFIXES = ("net", "out", "delta", "target", "E")
_ALIAS = re.compile(r"q(\d+)q")
_DERIVATIVE = re.compile(r"\bd(\w+)/d(\w+)")
_MORE = re.compile(r"\b(\d+) more\b")


class Aliases:
    """Made-up names for those of a network."""

    def __init__(self) -> None:
        self.real: list[str] = []
        self.known: dict[str, Latex] = {"E": Latex("E")}

    def alias(self, name: str) -> str:
        """A new name that stands for `name`."""
        alias = f"q{len(self.real)}q"
        self.real.append(name)
        self.known[alias] = Latex(latex_name(name))
        index = latex_name(name) if re.fullmatch(r"\w+", name) is None else _index(name)
        for prefix in PREFIXES:
            self.known[f"{prefix}_{alias}"] = Latex(f"{latex_name(prefix)}_{{{index}}}")
        return alias

    def plain(self, words: str) -> str:
        """Words with the names that they stand for."""
        return _ALIAS.sub(lambda m: self.real[int(m[1])], words)

    def network(self, network: Network) -> Network:
        """The network with made-up names."""
        inputs = tuple(map(self.alias, network.input_names))
        return replace(network, input_names=inputs, layers=tuple(map(self._layer, network.layers)))

    def _layer(self, layer: Layer) -> Layer:
        return replace(
            layer,
            neurons=tuple(map(self.alias, layer.neurons)),
            weight_names=tuple(tuple(map(self.alias, row)) for row in layer.weight_names),
            bias_names=tuple(map(self.alias, layer.bias_names)),
        )

    def expression(self, written: str) -> str:
        """An expression of `NetworkText` in LaTeX."""
        known = dict(self.known)

        def derivative(m: re.Match[str]) -> str:
            above, below = (self.known.get(part, Latex(latex_name(part))) for part in m.groups())
            known[f"D{m.start()}"] = Latex(
                rf"\frac{{\partial {above.text}}}{{\partial {below.text}}}", binding=PRODUCT + 1
            )
            return f"D{m.start()}"

        def more(m: re.Match[str]) -> str:
            known[f"M{m.start()}"] = Latex(latex_text(m.group()))
            return f"M{m.start()}"

        return expression(_MORE.sub(more, _DERIVATIVE.sub(derivative, written)), known).text


def _index(name: str) -> str:
    """A name as an index."""
    return name if len(name) <= 2 and "_" not in name else latex_text(name)


class _Collector(Page):
    """Takes down what is written as items of a document."""

    def __init__(self, aliases: Aliases) -> None:
        super().__init__()
        self.aliases = aliases
        self.items: list[Item] = []

    def line(self, text: str = "") -> None:
        if text.strip():
            self.items.append(Remark(self.aliases.plain(text.strip())))

    def row(self, *cells: str) -> None:
        self.line("  ".join(c.strip() for c in cells if c.strip()))

    def title(self, text: str, mark: str = "") -> None:
        self.items.append(Heading(self.aliases.plain(text)))


class _Network(NetworkText):
    """Equations as rows."""

    def equation(self, name: str, names: str, numbers: str, value: Any) -> None:
        tex = self.page.aliases.expression  # type: ignore[attr-defined]
        parts = [*map(tex, names.split(" = ")), tex(numbers), tex(self.n(value))]
        parts = [p for i, p in enumerate(parts) if not i or p != parts[i - 1]]
        self.page.items.append(Row(tex(name), tuple(parts)))  # type: ignore[attr-defined]

    def cells(self, name: str, cells: Sequence[str]) -> None:
        self.page.line(f"{name}: {', '.join(cells)}")


class _Tables(Tables):
    """Tables as tables."""

    def table(self, heads: Sequence[str], columns: Sequence[Sequence[str]], names: Sequence[str]) -> None:
        plain: Callable[[str], str] = self.page.aliases.plain  # type: ignore[attr-defined]
        rows = tuple(
            tuple(plain(cell).strip() for cell in (name, *[c[i] for c in columns])) for i, name in enumerate(names)
        )
        self.page.items.append(Table(tuple(plain(h).strip() for h in heads), rows))  # type: ignore[attr-defined]


def network_items(worked: Worked, digits: int, write: Callable[[NetworkText, Tables], None]) -> tuple[str, list[Item]]:
    """The title and the items of a worked network.

    Args:
        worked: the numbers.
        digits: decimals.
        write: writes the explanation with what it is given.
    """
    aliases = Aliases()
    renamed = copy.copy(worked)
    renamed.network = aliases.network(worked.network)
    page = _Collector(aliases)
    text = _Network(renamed, digits)
    text.page = page
    write(text, _Tables(page, renamed, digits))
    title, *items = page.items
    assert isinstance(title, Heading)
    return title.words, items
