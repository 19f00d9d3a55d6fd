"""Registered settings: plain attributes of a module whose value a compiled program depends on."""

from __future__ import annotations

from typing import Any

from retrograd.core.dispatch import EVALUATE, current
from retrograd.core.source import at_user_line
from retrograd.errors import TracingError
from retrograd.graph.stage import innermost_stage


class Registered:
    """A descriptor for an attribute such as `training`, or the `p` of a dropout layer.

    A trace that reads it notes the value, so that `rg.jit` makes a second program when the value changes; a plain
    attribute would be read once and never again.
    """

    __slots__ = ("name",)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        try:
            value = module.__dict__[self.name]
        except KeyError:
            raise AttributeError(f"{type(module).__name__} has no {self.name} yet") from None
        active = current()
        if active is not EVALUATE:
            stage = innermost_stage(active)
            if stage is not None:
                stage.settings.append((module, self.name, value))
        return value

    def __set__(self, module: Any, value: Any) -> None:
        if self.name in module.__dict__ and current() is not EVALUATE and innermost_stage(current()) is not None:
            raise TracingError(
                f"{type(module).__name__}.{self.name} was set inside a traced function{at_user_line()}; the compiled "
                "program would never set it again. Set it before the call (model.train(), model.eval())."
            )
        module.__dict__[self.name] = value
