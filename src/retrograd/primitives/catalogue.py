"""Every primitive, by family: what the tests, the tables and the parser know of. Importing it defines them all."""

from __future__ import annotations

from retrograd.core.forward import set_vocabulary
from retrograd.core.primitive import REGISTRY, Primitive
from retrograd.primitives import (
    activation,
    arithmetic,
    comparison,
    contraction,
    control,
    creation,
    cumulative,
    custom,
    exponential,
    fused,
    implicit,
    indexing,
    loops,
    movement,
    reduction,
    rounding,
    sorting,
    trigonometric,
    while_loop,
)
from retrograd.primitives.vocabulary import BOXES

FAMILIES = {
    "arithmetic": arithmetic, "rounding": rounding, "exponential": exponential, "trigonometric": trigonometric,
    "activation": activation, "comparison": comparison, "movement": movement, "reduction": reduction,
    "cumulative": cumulative, "indexing": indexing, "sorting": sorting, "contraction": contraction, "fused": fused,
    "creation": creation, "control": control, "loops": loops, "while loops": while_loop, "custom": custom,
    "implicit": implicit,
}  # fmt: skip

set_vocabulary(BOXES)


def catalogue() -> dict[str, type[Primitive]]:
    """Name -> class, for every primitive."""
    return dict(REGISTRY)


def family_of(cls: type[Primitive]) -> str:
    """The family a primitive belongs to."""
    return next(name for name, module in FAMILIES.items() if module.__name__ == cls.__module__)
