"""A model's health as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrograd.train.diagnostics.health import Health, LayerHealth

COLUMNS = ("layer", "units", "activation", "gradient", "weight grad.", "/ weight", "slope", "saturated", "dead")


def cells(layer: LayerHealth) -> tuple[str, ...]:
    """A layer's row: one text for each of `COLUMNS`, empty where there is no figure."""
    relative = None
    if layer.weight_gradient is not None and layer.weight:
        relative = layer.weight_gradient / layer.weight
    return (
        layer.name,
        str(layer.units),
        f"{layer.activation:.3g}",
        f"{layer.gradient:.3g}",
        _figure(layer.weight_gradient),
        _figure(relative),
        _figure(layer.derivative),
        _share(layer.saturated),
        _share(layer.dead),
    )


def _figure(x: float | None) -> str:
    return "" if x is None else f"{x:.3g}"


def _share(x: float | None) -> str:
    return "" if x is None else f"{x:.0%}"


def health_text(health: Health) -> str:
    """The table, and the advice under it."""
    rows = [COLUMNS, *map(cells, health.layers)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    head = f"loss {health.loss:.6g} on {health.examples} examples"
    said = [f"- {sentence}" for sentence in health.advice] or ["Nothing stands out."]
    return "\n".join([head, "", *lines, "", *said])
