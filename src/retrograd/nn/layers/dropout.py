"""Dropout."""

from __future__ import annotations

from typing import Any

from retrograd.errors import RetrogradError
from retrograd.nn.functions import dropout
from retrograd.nn.module import Module
from retrograd.nn.registered import Registered
from retrograd.ops.random import Generator


class Dropout(Module):
    """`dropout` with probability `p` in training mode; the identity in `eval` mode.

    Args:
        p: the probability of a zero.
        generator: where the draws come from; by default the default generator.
    """

    p = Registered()

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise RetrogradError(f"Dropout: p is a probability, not {p}")
        self.p = p
        self.generator = generator

    def forward(self, input: Any) -> Any:
        return dropout(input, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"{self.p}"
