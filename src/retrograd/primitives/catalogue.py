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
    exponential,
    fused,
    indexing,
    loops,
    movement,
    reduction,
    trigonometric,
)
from retrograd.primitives.vocabulary import BOXES

FAMILIES = {
    "arithmetic": arithmetic, "exponential": exponential, "trigonometric": trigonometric, "activation": activation,
    "comparison": comparison, "movement": movement, "reduction": reduction, "indexing": indexing,
    "contraction": contraction, "fused": fused, "creation": creation, "control": control, "loops": loops,
}  # fmt: skip

set_vocabulary(BOXES)


def catalogue() -> dict[str, type[Primitive]]:
    """Name -> class, for every primitive."""
    return dict(REGISTRY)


def family_of(cls: type[Primitive]) -> str:
    """The family a primitive belongs to."""
    return next(name for name, module in FAMILIES.items() if module.__name__ == cls.__module__)
