"""What every picture is: a figure, and the arrays in it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.errors import RetrogradError, not_installed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2a6fb0", "#d1661f", "#7a7a7a"  # told apart in print and by most eyes


class Plot:
    """A picture.

    Attributes:
        figure: the `matplotlib.figure.Figure`, to be changed or put elsewhere.
        data: the arrays that are drawn, by name.
    """

    def __init__(self, figure: Figure, data: Mapping[str, Any]) -> None:
        self.figure = figure
        self.data = {name: np.asarray(values) for name, values in data.items()}

    def svg(self) -> str:
        """The picture as SVG, the same text every time; letters are letters, so that it can be searched."""
        from matplotlib import rc_context

        buffer = io.StringIO()
        with rc_context({"svg.hashsalt": "retrograd", "svg.fonttype": "none"}):
            self._settle()
            self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    def save(self, path: str | Path) -> None:
        """Write it to a file; the suffix says the format: .svg, .png, .pdf.

        Raises:
            RetrogradError: for a suffix that matplotlib does not know.
        """
        path = Path(path)
        if path.suffix == ".svg":
            path.write_text(self.svg(), encoding="utf-8")
            return
        self._settle()
        try:
            self.figure.savefig(path, dpi=150)
        except ValueError as error:
            raise RetrogradError(f"{str(path)!r}: {error}") from None

    def _settle(self) -> None:
        """Lay the figure out, once: each further drawing would move everything by a hair."""
        if self.figure.get_layout_engine() is not None:
            self.figure.draw_without_rendering()
            self.figure.set_layout_engine("none")

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {values.shape}" for name, values in self.data.items())
        return f"Plot({shown})"


def figure_class() -> type[Figure]:
    """Matplotlib's `Figure`, once it is sure to be there.

    Raises:
        RetrogradError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RetrogradError(not_installed("plots are drawn with matplotlib", "plot")) from None
    return Figure


def axes(width: float = 6.0, height: float = 3.6, columns: int = 1) -> tuple[Figure, Any]:
    """A new figure, away from pyplot's list, and its axes.

    Raises:
        RetrogradError: matplotlib is not installed.
    """
    figure = figure_class()(figsize=(width, height), layout="constrained")
    found = figure.subplots(1, columns)
    for ax in np.atleast_1d(found):
        ax.spines[["top", "right"]].set_visible(False)
    return figure, found
