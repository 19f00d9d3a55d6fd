"""Lines and aligned columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WIDEST = 46  # a cell longer than this does not push the columns of the other rows
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


class Page:
    """Lines of text; rows given as cells are aligned with the other rows of their section."""

    def __init__(self, widest: int = WIDEST) -> None:
        self.widest = widest
        self.done: list[str] = []
        self.open: list[str | tuple[str, ...]] = []

    def line(self, text: str = "") -> None:
        """A line as it is."""
        self.open.append(text.rstrip())

    def row(self, *cells: str) -> None:
        """A row of cells."""
        self.open.append(cells)

    def title(self, text: str, mark: str = "") -> None:
        """A heading, with a line of `mark` under it."""
        self.end()
        while self.done and not self.done[-1]:
            self.done.pop()
        if self.done:
            self.done.append("")
        self.done.append(text)
        self.done.append(mark * len(text))

    def end(self) -> None:
        """Align what came since the last heading."""
        rows = iter(align((r for r in self.open if isinstance(r, tuple)), self.widest))
        self.done += [r if isinstance(r, str) else next(rows) for r in self.open]
        self.open = []

    def text(self) -> str:
        """Everything."""
        self.end()
        return readable("\n".join(self.done).rstrip() + "\n")


def readable(text: str) -> str:
    """Text with U+FFFD for what no file in UTF-8 or XML may hold, and no terminal ought to get: names may have it."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def wrapped(text: str, width: int) -> list[str]:
    """A sum on as many lines as it needs, broken before a plus."""
    lines: list[str] = []
    for part in text.split(" + "):
        if lines and len(lines[-1]) + len(part) + 3 <= width:
            lines[-1] += f" + {part}"
        else:
            lines.append(f"+ {part}" if lines else part)
    return lines


def align(rows: Iterable[Sequence[str]], widest: int = WIDEST, gap: int = 2) -> list[str]:
    """Rows with aligned columns."""
    rows = [tuple(r) for r in rows]
    widths: dict[int, int] = {}
    for r in rows:
        for i, cell in enumerate(r[:-1]):
            if len(cell) <= widest:
                widths[i] = max(widths.get(i, 0), len(cell))
    return [
        "".join(c if i == len(r) - 1 else c.ljust(widths.get(i, 0)) + " " * gap for i, c in enumerate(r)).rstrip()
        for r in rows
    ]


def listed(words: Sequence[str], most: int = 6) -> str:
    """Words as a sentence lists them; many are cut short."""
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
