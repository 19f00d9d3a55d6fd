"""The numbers that an optimiser reads at every step."""

from __future__ import annotations

from typing import Any


class Number:
    """A number that an optimiser reads at every step, such as `lr`; assigning it never recompiles a program.

    Reading gives the setting's cell, which computes like a number. A function that is assigned is a schedule: it is
    called with the number of steps that were completed, and reading gives its present value.
    """

    __slots__ = ("below", "name", "scheduled")

    def __init__(self, *, scheduled: bool = False, below: float = float("inf")) -> None:
        self.scheduled = scheduled
        self.below = below

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else optimizer._number(self.name)

    def __set__(self, optimizer: Any, value: Any) -> None:
        optimizer._assign_number(self, value)
