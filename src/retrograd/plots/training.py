"""A run, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retrograd.errors import RetrogradError, ShapeError
from retrograd.plots.plot import BLUE, GREY, ORANGE, Plot, axes


def curves(history: Mapping[str, Sequence[float]], quantity: str = "loss") -> Plot:
    """Training and validation error by epoch, with a mark where early stopping took the weights.

    Args:
        history: a `rg.train.History`, or lists of numbers by name.
        quantity: what to draw; its validation counterpart is ``"val_" + quantity``. One of the two must be there.

    Returns:
        The plot; its data are "epoch", and each curve under its name.

    Mitchell (1997), figure 4.9.
    """
    names = [name for name in (quantity, f"val_{quantity}") if name in history]
    if not names:
        raise RetrogradError(f"the history has no {quantity!r}, but {', '.join(history) or 'nothing yet'}")
    figure, ax = axes()
    epochs = np.arange(1, max(len(history[name]) for name in names) + 1)
    drawn = {"epoch": epochs, **{name: np.asarray(history[name], float) for name in names}}
    looks = {quantity: ("training", BLUE, "-"), f"val_{quantity}": ("validation", ORANGE, "--")}
    for name in names:
        label, colour, style = looks[name]
        ax.plot(epochs[: len(drawn[name])], drawn[name], style, color=colour, label=label)
    values = np.concatenate([drawn[name] for name in names])
    if np.all(values > 0) and values.size and values.max() > 20 * values.min():
        ax.set_yscale("log")
    best = getattr(history, "best_epoch", None)
    if best:
        ax.axvline(best, color=GREY, linewidth=1, linestyle=":")
        place = {"xycoords": ("data", "axes fraction"), "xytext": (4, 0), "textcoords": "offset points"}
        ax.annotate(f"best: {best}", (best, 1), **place, va="top", color=GREY)
    ax.set_xlabel("epoch")
    ax.set_ylabel(quantity)
    ax.legend(frameon=False)
    return Plot(figure, drawn)


def confusion(actual: Any, predicted: Any, classes: Sequence[Any] | None = None) -> Plot:
    """How many rows of each class were taken for which.

    Args:
        actual: n classes.
        predicted: n classes.
        classes: their order; all that occur, sorted, by default.

    Returns:
        The plot; "counts" is (classes, classes), a row for each actual class.

    Raises:
        RetrogradError: for no rows, or a class that is not in `classes`.
    """
    a, p = np.asarray(actual), np.asarray(predicted)
    if a.shape != p.shape or a.ndim != 1:
        raise ShapeError(f"confusion: {a.shape} actual and {p.shape} predicted classes")
    names = list(classes) if classes is not None else np.unique(np.concatenate([a, p])).tolist()
    place = {name: i for i, name in enumerate(names)}
    strange = [name for name in (*a.tolist(), *p.tolist()) if name not in place]
    if strange or not names:
        what = f"{strange[0]!r} is none of the classes {names}" if strange else "there are no rows"
        raise RetrogradError(f"confusion: {what}")
    counts = np.zeros((len(names), len(names)), int)
    for one, other in zip(a.tolist(), p.tolist(), strict=True):
        counts[place[one], place[other]] += 1
    size = min(max(3.2, 1.6 + 0.42 * len(names)), 12)
    figure, ax = axes(size + 0.6, size)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= 30:
        for i, j in np.ndindex(counts.shape):
            if counts[i, j]:
                colour = "white" if share[i, j] > 0.5 else "black"
                ax.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour, fontsize=8)
    labels = [str(name) if len(str(name)) <= 16 else str(name)[:15] + "…" for name in names]
    ax.set_xticks(range(len(names)), labels, rotation=45 if max(map(len, labels), default=0) > 3 else 0, ha="right")
    ax.set_yticks(range(len(names)), labels)
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_parse_math(False)  # a class may be called $x
    ax.set_xlabel("predicted")
    ax.set_ylabel("actual")
    return Plot(figure, {"counts": counts})


def residuals(actual: Any, predicted: Any) -> Plot:
    """What was predicted against what was there, and how the differences are distributed.

    Args:
        actual: n numbers.
        predicted: n numbers.

    Returns:
        The plot; "residuals" is actual minus predicted.
    """
    a, p = np.asarray(actual, float), np.asarray(predicted, float)
    if a.shape != p.shape or a.ndim != 1:
        raise ShapeError(f"residuals: {a.shape} actual and {p.shape} predicted numbers")
    figure, (left, right) = axes(8.0, 3.6, columns=2)
    left.plot(a, p, ".", color=BLUE, alpha=0.5, markersize=4)
    off = (a - p)[np.isfinite(a - p)]  # what is not finite has no place in a picture
    seen = np.concatenate([v[np.isfinite(a - p)] for v in (a, p)])
    ends = [seen.min(), seen.max()] if seen.size else [0, 1]
    left.plot(ends, ends, color=GREY, linewidth=1)
    left.set_xlabel("actual")
    left.set_ylabel("predicted")
    # Of rules for the number of bins only those that look at nothing but n are safe from a single distant row.
    bins = min(60, max(1, round(2 * len(off) ** (1 / 3)))) if off.size and np.ptp(off) > 0 else 1
    right.hist(off, bins=bins, color=BLUE)
    right.axvline(0, color=GREY, linewidth=1)
    right.set_xlabel("actual - predicted")
    right.set_ylabel("rows")
    return Plot(figure, {"actual": a, "predicted": p, "residuals": a - p})


def gradient_health(checkups: Sequence[Any]) -> Plot:
    """The size of the gradient at each layer, epoch by epoch, as `rg.train.GradientHealth` found it.

    Returns:
        The plot; "epoch", and an array for each layer under its name; of a layer that is called several times, the
        second call is "name (2)".

    Raises:
        RetrogradError: no checkups, or of different layers.
    """
    if not checkups:
        raise RetrogradError("gradient_health: there are no checkups; train with rg.train.GradientHealth() first")
    layers = _calls(checkups[0])
    if any(_calls(c) != layers for c in checkups):
        raise RetrogradError("gradient_health: every checkup must be of the same layers")
    figure, ax = axes()
    from matplotlib import colormaps

    drawn: dict[str, Any] = {"epoch": [c.epoch for c in checkups]}
    colours = colormaps["viridis"](np.linspace(0.25, 0.85, len(layers)))  # seen on white and on black
    for i, name in enumerate(layers):
        drawn[name] = np.array([c.health.layers[i].gradient for c in checkups])
        ax.plot(drawn["epoch"], drawn[name], ".-", color=colours[i], label=name, linewidth=1)
    if layers and all(np.all(drawn[name] > 0) for name in layers):
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel("gradient at the output of the layer")
    if layers:
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return Plot(figure, drawn)


def _calls(checkup: Any) -> list[str]:
    """The layers by name; a layer that was called before has its number with it."""
    names = [layer.name for layer in checkup.health.layers]
    before = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name} ({n + 1})" if n else name for name, n in zip(names, before, strict=True)]
