"""A picture with its title and notes: what notebooks show, and what is saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retrograd.errors import RetrogradError
from retrograd.explain.drawing.picture import Picture
from retrograd.explain.drawing.svg import svg
from retrograd.explain.layout import readable
from retrograd.explain.templating import filled


@dataclass(eq=False)
class Drawing:
    """A picture to look at: notebooks show it; `save` writes a file.

    Attributes:
        title: what it shows.
        picture: boxes and arrows.
        notes: what is left out.
    """

    title: str
    picture: Picture
    notes: list[str] = field(default_factory=list)

    def svg(self) -> str:
        """The picture as a self-contained SVG element."""
        return svg(self.picture, label=self.title)

    def html(self) -> str:
        """The picture with its notes, as a piece of HTML."""
        return filled("drawing.html", title=self.title, svg=self.svg(), notes=self.notes)

    def text(self) -> str:
        """The picture in words: a line for each box, what is in a block below it."""
        lines = [self.title, *_lines(self.picture, "  "), *[f"Note: {note}." for note in self.notes]]
        return readable("\n".join(lines) + "\n")

    def save(self, path: str | Path) -> None:
        """Write the picture to a file that ends in .svg or .html.

        Raises:
            RetrogradError: it ends in something else.
        """
        path = Path(path)
        if path.suffix not in (".svg", ".html"):
            raise RetrogradError(f"a picture is saved as .svg or .html, not as {path.name!r}")
        whole = (
            self.svg()
            if path.suffix == ".svg"
            else filled("page.html", title=self.title, width="none", body=self.html())
        )
        path.write_text(whole, encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__


def _lines(picture: Picture, indent: str) -> Iterator[str]:
    for node in picture.nodes:
        halves = [", ".join(line.text for line in half) for half in node.halves or ()]
        yield indent + "  ".join([line.text for line in node.lines] + ([" | ".join(halves)] if halves else []))
        if node.inside is not None:
            yield from _lines(node.inside, indent + "    ")
