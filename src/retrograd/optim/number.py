"""What is set of an optimiser: numbers that it reads at every step, and what is decided when it is made."""

from __future__ import annotations

from typing import Any

from retrograd.errors import RetrogradError


class Number:
    """A number that an optimiser reads at every step, such as `lr`; assigning it never recompiles a program.

    Reading gives the setting's cell, which computes like a number. A function that is assigned is a schedule: it is
    called with the number of steps that were completed, and reading gives its present value. An array of n numbers is
    for a `rg.nn.stack` of n models: one for each.
    """

    __slots__ = ("below", "name", "scheduled")

    def __init__(self, *, scheduled: bool = False, below: float = float("inf")) -> None:
        self.scheduled = scheduled
        self.below = below

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else optimizer._own.number(self.name)

    def __set__(self, optimizer: Any, value: Any) -> None:
        optimizer._own.assign(self.name, value)


class Fixed:
    """What is decided when an optimiser is made: a compiled program reads it once, so assigning it later raises."""

    __slots__ = ("name",)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else optimizer.__dict__[self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        if self.name in optimizer.__dict__:
            what = type(optimizer).__name__
            raise RetrogradError(
                f"{what}: {self.name} is decided when the optimiser is made and cannot be changed; "
                f"make another one, {what}(..., {self.name}={value!r})"
            )
        optimizer.__dict__[self.name] = value
