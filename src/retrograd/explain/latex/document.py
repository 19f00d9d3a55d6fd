"""Rows, headings and remarks as a LaTeX fragment, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from retrograd.explain.latex.equations import Heading, Item, Remark, Row, Table
from retrograd.explain.latex.words import escaped, text
from retrograd.explain.layout import readable

LONGEST = 40  # rows of one alignment: a page of a document ends somewhere
_SECTIONS = (r"\subsection*", r"\paragraph", r"\subparagraph")
_MARKED = re.compile(r"([\\`*_{}\[\]<>#|$&~])")


def latex_document(title: str, items: Iterable[Item]) -> str:
    """A fragment for a document that loads amsmath: headings, alignments, sentences."""
    lines = [rf"\section*{{{escaped(title)}}}"]
    for group in grouped(items):
        if isinstance(group, list):
            lines += [r"\begin{align*}", " \\\\\n".join(map(latex_row, group)), r"\end{align*}"]
        elif isinstance(group, Heading):
            lines.append(rf"{_SECTIONS[min(group.level, 3) - 1]}{{{escaped(group.words)}}}")
        elif isinstance(group, Table):
            rows = [" & ".join(map(escaped, row)) for row in (group.heads, *group.rows)]
            rows[0] += r" \\ \hline"
            body = " \\\\\n".join([f"{rows[0]}\n{rows[1]}", *rows[2:]]) if len(rows) > 1 else rows[0]
            lines += [rf"\begin{{tabular}}{{l{'r' * (len(group.heads) - 1)}}}", body, r"\end{tabular}", ""]
        else:
            lines += [escaped(group.words), ""]
    return "\n".join(lines) + "\n"


def markdown_document(title: str, items: Iterable[Item]) -> str:
    """Markdown with formulas in LaTeX between dollar signs, as notebooks and code hosts show it."""
    lines = [f"## {marked(title)}", ""]
    for group in grouped(items):
        if isinstance(group, list):
            rows = " \\\\\n".join(map(latex_row, group))
            lines += ["$$", r"\begin{aligned}", rows, r"\end{aligned}", "$$", ""]
        elif isinstance(group, Heading):
            lines += [f"{'#' * min(group.level + 2, 6)} {marked(group.words)}", ""]
        elif isinstance(group, Table):
            rule = ("---", *("--:" for _ in group.heads[1:]))
            cells = [tuple(map(marked, group.heads)), rule, *(tuple(map(marked, row)) for row in group.rows)]
            lines += [*(f"| {' | '.join(row)} |" for row in cells), ""]
        else:
            lines += [marked(group.words), ""]
    return "\n".join(lines)


def grouped(items: Iterable[Item]) -> Iterator[list[Row] | Heading | Remark | Table]:
    """Neighbouring rows together, so many at most."""
    rows: list[Row] = []
    for item in items:
        if isinstance(item, Row):
            rows.append(item)
            if len(rows) < LONGEST:
                continue
        if rows:
            yield rows
            rows = []
        if not isinstance(item, Row):
            yield item
    if rows:
        yield rows


def latex_row(row: Row) -> str:
    """A row of an alignment."""
    number = rf"{text(f'{row.number}:')}\quad " if row.number else ""
    equal = f" {row.sign} ".join(["", row.parts[0]]).strip() if row.parts else ""
    rest = "".join(f" &&= {p}" for p in row.parts[1:])
    note = rf" && {text(row.note)}" if row.note else ""
    return f"{number}{row.left} &{equal}{rest}{note}"


def marked(words: str) -> str:
    """Plain words in Markdown, on one line."""
    return _MARKED.sub(r"\\\1", readable(" ".join(words.splitlines())))
