"""Pictures of graphs: what is in them (`picture`), where it lies (`layered`, `arrange`), SVG (`svg`), and a `Drawing`.

::

    picture = Picture()
    a, b = picture.node("a", "0.5"), picture.node("b")
    picture.edge(a, b, "1.2")
    svg(picture)  # text of a self-contained SVG element, readable in light and dark
"""

from retrograd.explain.drawing.arrange import Arranged as Arranged
from retrograd.explain.drawing.arrange import arrange as arrange
from retrograd.explain.drawing.drawing import Drawing as Drawing
from retrograd.explain.drawing.picture import Edge as Edge
from retrograd.explain.drawing.picture import Line as Line
from retrograd.explain.drawing.picture import Node as Node
from retrograd.explain.drawing.picture import Picture as Picture
from retrograd.explain.drawing.svg import svg as svg
