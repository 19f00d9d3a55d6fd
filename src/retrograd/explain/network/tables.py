"""What follows a worked network: the update, the rounds of training, figures that others printed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrograd.explain.layout import Page
from retrograd.explain.network.description import Weight
from retrograd.explain.network.worked import Round, Worked
from retrograd.explain.numerals import decimal
from retrograd.explain.text import verdict

MANY, SHOWN = 60, 10  # of more weights than these only so many are listed


class Tables:
    """Writes tables on a page.

    Args:
        page: where.
        worked: the numbers.
        digits: decimals.
    """

    def __init__(self, page: Page, worked: Worked, digits: int) -> None:
        self.page, self.w, self.net, self.digits = page, worked, worked.network, digits

    def n(self, x: float) -> str:
        """A number."""
        return decimal(x, self.digits)

    def column(self, values: Sequence[float]) -> list[str]:
        """Numbers with their decimal points below each other."""
        texts = [self.n(v) for v in values]
        plain = [t for t in texts if "e" not in t and "n" not in t]
        after = max((len(t.partition(".")[2]) for t in plain), default=0)
        if after:
            texts = [f"{float(t):.{after}f}" if t in plain else t for t in texts]
        width = max(map(len, texts), default=0)
        return [t.rjust(width) for t in texts]

    def table(self, heads: Sequence[str], columns: Sequence[Sequence[str]], names: Sequence[str]) -> None:
        """Columns under their heads; `names` are the first column, under `heads[0]`."""
        widths = [max([len(h), *map(len, c)]) for h, c in zip(heads[1:], columns, strict=True)]
        self.page.row(f"  {heads[0]}", *[h.rjust(w) for h, w in zip(heads[1:], widths, strict=True)])
        for i, name in enumerate(names):
            self.page.row(f"  {name}", *[c[i].rjust(w) for c, w in zip(columns, widths, strict=True)])

    def update(self, only: Weight | None = None) -> None:
        """Gradients beside finite differences; old and new weights."""
        weights, w = [only] if only is not None else list(self.net.weights()), self.w
        rate = self.net.learning_rate
        title = "Gradients" if rate is None else f"Update: new = old - {self.n(rate)} * gradient"
        if len(weights) > MANY:
            title += f" ({SHOWN} of {len(weights)} weights: the largest gradients)"
            weights = w.largest(SHOWN)
        self.page.title(title)
        heads = ["", "old", "gradient"]
        columns = [self.column([w.value(x) for x in weights]), self.column([w.gradient(x) for x in weights])]
        if rate is not None:
            new = self.column([float(w.new[x.array][x.place]) for x in weights])
            columns.append([n if x.train else "not trained" for n, x in zip(new, weights, strict=True)])
            heads.append("new")
        checks = [w.check(x) for x in weights]
        columns.append(self.column([np.nan if c is None else c.difference for c in checks]))
        columns.append(["not checked" if c is None else verdict(c) for c in checks])
        self.table([*heads, "finite difference", ""], columns, [x.name for x in weights])

    def rounds(self, rounds: Sequence[Round], update: str) -> None:
        """How the error falls."""
        if update == "sequential":
            self.page.title('Training with update="sequential", which is deliberately wrong')
            self.page.line("  Each layer is overwritten before the layers below it get their gradients. That is not")
            self.page.line("  gradient descent; some hand calculations do it.")
            self.page.line()
        elif (rows := max(len(r.outputs) for r in rounds)) > 1:
            self.page.title(f"Training, on all {rows} rows (the gradients above are those of the one row)")
        else:
            self.page.title("Training")
        outputs = (
            self.net.outputs if all(len(r.outputs) == 1 for r in rounds) and len(self.net.outputs) <= SHOWN else ()
        )
        columns = [self.column([r.error for r in rounds])]
        columns += [self.column([float(r.outputs[0][k]) for r in rounds]) for k in range(len(outputs))]
        counts = [f"{r.number:,}" for r in rounds]
        width = max(map(len, [*counts, "rounds"]))
        heads = ["rounds".rjust(width), "E", *[f"out_{name}" for name in outputs]]
        self.table(heads, columns, [c.rjust(width) for c in counts])

    def published(self, rounds: Sequence[Round], update: str) -> None:
        """Figures that somebody printed, and where they come from."""
        if not self.net.published:
            return
        self.page.title("As printed by others")
        reached = {r.number: r for r in rounds}
        places = {f"out_{name}": k for k, name in enumerate(self.net.outputs)}
        for p in self.net.published:
            found, here = reached.get(p.rounds), ""
            if found is not None and (p.figure == "E" or p.figure in places):
                here = f"here {self.n(found.error if p.figure == 'E' else float(found.outputs[0][places[p.figure]]))}"
            source = f'from update="{p.update}"' if p.update else ""
            self.page.row(f"  {p.figure} after {p.rounds:,}", p.value, here, p.note or source)
        for other in sorted({p.update for p in self.net.published} - {"", update}):
            self.page.line()
            self.page.line(f'  Those from update="{other}" differ from the ones here: --update {other} gives them.')
