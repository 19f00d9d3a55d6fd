"""Functions: an activation with its derivative, an error surface with the way down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from retrograd.errors import RetrogradError, ShapeError
from retrograd.nn.functional import functional_call
from retrograd.nn.module import Module
from retrograd.plots.plot import BLUE, GREY, ORANGE, Plot, axes
from retrograd.train.door import admit
from retrograd.train.forward import evaluating
from retrograd.transforms.arguments import name_of
from retrograd.transforms.derivatives import grad, value_and_grad
from retrograd.transforms.gradients import no_grad
from retrograd.transforms.vectorise import vmap


def activation(f: Callable[[Any], Any], low: float = -4.0, high: float = 4.0, points: int = 401) -> Plot:
    """A function of one number and its derivative, from the engine.

    Returns:
        The plot; "x", "value" and "derivative".
    """
    x = np.linspace(low, high, points)
    value, derivative = (np.asarray(v) for v in vmap(value_and_grad(f))(x))
    figure, ax = axes()
    ax.plot(x, value, color=BLUE, label=name_of(f))
    ax.plot(x, derivative, "--", color=ORANGE, label="derivative")
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.set_xlabel("x")
    ax.legend(frameon=False)
    return Plot(figure, {"x": x, "value": value, "derivative": derivative})


def descent(f: Callable[[Any], Any], start: Any, *, lr: float, steps: int) -> dict[str, np.ndarray]:
    """The path of gradient descent on a function of a vector.

    Returns:
        "path", (steps + 1, n), "value" and "gradient" at each of its points.
    """
    at = np.asarray(start, np.float64)
    points, values, gradients = [], [], []
    for _ in range(steps + 1):
        value, gradient = (np.asarray(v) for v in value_and_grad(f)(at))
        points.append(at)
        values.append(float(value))
        gradients.append(gradient)
        at = at - lr * gradient
    return {"path": np.array(points), "value": np.array(values), "gradient": np.array(gradients)}


def surface(
    f: Callable[[Any], Any],
    x: tuple[float, float] = (-2.0, 2.0),
    y: tuple[float, float] = (-2.0, 2.0),
    *,
    path: Any = None,
    points: int = 81,
    labels: Sequence[str] = ("x", "y"),
) -> Plot:
    """Contours of a function of a vector of two numbers, with arrows along a path.

    Args:
        f: takes (2,), gives a number.
        x: from, to.
        y: from, to.
        path: (steps, 2), for instance `descent`'s; on it, the steepest way down is drawn as well.
        points: of the grid, each way.
        labels: of the axes.

    Returns:
        The plot; "x", "y", "value" (y, x), and "path" and "gradient" if there is a path.
    """
    across, up = np.linspace(*x, points), np.linspace(*y, points)
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    with no_grad():
        value = np.asarray(vmap(vmap(f))(grid))
    if value.ndim != 2 or points < 2:
        raise ShapeError(f"surface: drawn are numbers on 2 points or more each way, not shape {value.shape}")
    figure, ax = axes(5.4, 4.4)
    drawn = {"x": across, "y": up, "value": value}
    filled = ax.contourf(across, up, value, levels=24, cmap="Blues_r", alpha=0.85)
    ax.contour(across, up, value, levels=24, colors="white", linewidths=0.4)
    figure.colorbar(filled, ax=ax, shrink=0.85)
    if path is not None:
        way = np.asarray(path, np.float64)
        if way.ndim != 2 or way.shape[1] != 2:
            raise ShapeError(f"surface: a path is (steps, 2), not {way.shape}")
        drawn["path"], drawn["gradient"] = way, np.asarray(vmap(grad(f))(way))
        moves = np.diff(way, axis=0)
        ax.quiver(
            way[:-1, 0], way[:-1, 1], moves[:, 0], moves[:, 1],
            angles="xy", scale_units="xy", scale=1, width=0.004, color=ORANGE,
        )  # fmt: skip
        ax.plot(way[:, 0], way[:, 1], ".", color=ORANGE, markersize=4)
    ax.set(xlim=x, ylim=y, xlabel=labels[0], ylabel=labels[1])
    return Plot(figure, drawn)


def weight_surface(
    model: Module,
    loss: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    weights: tuple[tuple[str, tuple[int, ...]], tuple[str, tuple[int, ...]]],
    *,
    reach: float = 1.0,
    points: int = 41,
) -> Plot:
    """The error of a network as a function of two of its weights, around where they are.

    Args:
        model: a module.
        loss: a function of outputs and targets.
        x: inputs.
        y: targets.
        weights: two (path of a parameter, index in it), such as ``("0.weight", (0, 1))``.
        reach: how far to go to each side.
        points: of the grid, each way.

    Returns:
        The plot, as `surface` gives it.
    """
    rows = admit(model, loss, x, y)
    cells = dict(model.named_parameters())
    for name, _ in weights:
        if name not in cells:
            raise RetrogradError(f"weight_surface: the model has no parameter {name!r}, but {', '.join(cells)}")
    values = {name: cells[name].value for name, _ in weights}

    def error(pair: Any) -> Any:
        moved = dict(values)
        for k, (name, index) in enumerate(weights):
            moved[name] = moved[name].at[index].set(pair[k].astype(moved[name].dtype))
        return loss(functional_call(model, moved, rows.x), rows.y)

    here = [float(cells[name].numpy()[index]) for name, index in weights]
    labels = [f"{name}[{', '.join(map(str, index))}]" for name, index in weights]
    with evaluating(model):
        return surface(
            error,
            (here[0] - reach, here[0] + reach),
            (here[1] - reach, here[1] + reach),
            path=np.array([here]),
            points=points,
            labels=labels,
        )
