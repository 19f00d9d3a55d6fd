"""The settings of an optimiser, and those that a group of its parameters has of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from retrograd.config import FLOAT64
from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import Evaluate, current
from retrograd.errors import RetrogradError, TracingError
from retrograd.graph.stage import innermost_stage
from retrograd.nn.stacked import StackedParameter
from retrograd.nn.state import constant
from retrograd.ops.inputs import array_of, converted, face
from retrograd.tensor.parameter import Parameter, Setting, assign

if TYPE_CHECKING:
    from retrograd.optim.optimizer import Optimizer

Schedule = Callable[[Any], Any]
Read = Callable[..., Any]

REQUIRED = object()  # stands for: there is no term that could be left out


class Settings:
    """Numbers by name, each a cell or a schedule.

    Args:
        optimizer: whose they are; its `_version` moves when programs have to be traced anew.
        parameters: what they are for; None for the pure pair.
        default: where to look for what is not here; None for the optimiser's own, which has all.
        prefix: of names in messages and in a saved state.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        parameters: list[Parameter] | None,
        default: Settings | None = None,
        prefix: str = "",
    ) -> None:
        self.optimizer, self.parameters, self.default, self.prefix = optimizer, parameters, default, prefix
        self.cells: dict[str, Setting] = {}
        self.schedules: dict[str, Schedule] = {}
        self.used: set[str] = set()  # settings that were ever other than 0: terms that the rule includes

    def home(self, name: str) -> Settings:
        """Where this setting is."""
        return self if name in self.cells or self.default is None else self.default

    # Assigning --------------------------------------------------------------------------------------------------------

    def assign(self, name: str, value: Any) -> None:
        """Give a setting a value or a schedule.

        Raises:
            RetrogradError: for a value that makes no sense.
            TracingError: inside a traced function, if that changes the rule.
        """
        optimizer, what = self.optimizer, type(self.optimizer).__name__
        number = optimizer._settings_of.get(name)
        if number is None:
            raise RetrogradError(f"{what} has no setting {name!r}; it has {', '.join(optimizer._settings_of)}")
        optimizer._check_setting(name, value)
        if callable(value):
            if not number.scheduled:
                raise RetrogradError(f"{what}: only lr can be a schedule, {name} is a number")
            self._changes_the_rule(f"a schedule for {self.prefix}{name}")
            self.cells.setdefault(name, Setting(0.0, name=f"{self.prefix}{name}"))
            self.schedules[name] = value
            return
        value, concrete = self._checked(name, value, number.below)
        shape = () if type(value) is float else tuple(value.shape)
        if name not in self.cells or self.cells[name].shape != shape:
            self._changes_the_rule(f"the first {self.prefix}{name} of this kind")
            self.cells[name] = Setting(0.0 if not shape else np.zeros(shape), name=f"{self.prefix}{name}")
        if name not in self.used and not (concrete and not np.any(value)):
            self._changes_the_rule(f"the first {self.prefix}{name} other than 0")
            self.used.add(name)
        if self.schedules.pop(name, None) is not None:
            optimizer._version += 1
        assign(self.cells[name], value)

    def _checked(self, name: str, value: Any, below: float) -> tuple[Any, bool]:
        """The value as a float or a float64 array, and whether its numbers could be looked at."""
        what = type(self.optimizer).__name__
        upper = "" if below == float("inf") else f" and below {below:g}"
        if isinstance(value, (list, tuple)):
            value = np.asarray(value, FLOAT64)
        if not isinstance(value, (Box, Cell)) and not np.ndim(value):
            value = _number(what, name, value)
            if not 0.0 <= value < below:
                raise RetrogradError(f"{what}: {name} is at least 0{upper}, not {value}")
            return value, True
        found = converted(array_of(value), FLOAT64)
        shape = tuple(found.shape)
        check_models(what, name, shape, self.parameters)
        bare = found.value if isinstance(found, Box) and found.owner is None else found
        if not isinstance(bare, np.ndarray):
            return found, False
        if not np.all((bare >= 0.0) & (bare < below)):
            wrong = bare[~((bare >= 0.0) & (bare < below))].flat[0]
            raise RetrogradError(f"{what}: {name} is at least 0{upper}, not {wrong}")
        return found, isinstance(value, np.ndarray)

    def _changes_the_rule(self, what: str) -> None:
        active = current()
        if not isinstance(active, Evaluate) and innermost_stage(active) is not None:
            name = type(self.optimizer).__name__
            raise TracingError(f"{name}: {what} changes the program that is traced; assign it before")
        self.optimizer._version += 1

    # Reading ----------------------------------------------------------------------------------------------------------

    def number(self, name: str) -> Any:
        """The setting's cell, or what its schedule gives now."""
        home = self.home(name)
        schedule = home.schedules.get(name)
        if schedule is None:
            return home.cells[name]
        return schedule(face(converted(array_of(self.optimizer._stateful(name)._steps), FLOAT64), True))

    def at(self, name: str, steps: int) -> Any:
        """The value after this many completed steps: a float, or an array."""
        return self.reader(float(steps), True)(name)

    def reader(self, steps: Any, bare: bool) -> Read:
        """A function that gives a setting by name after `steps` steps: bare numbers, or boxes of a trace."""
        if not self.cells and self.default is not None:
            return self.default.reader(steps, bare)

        def read(name: str, missing: Any = REQUIRED) -> Any:
            home = self if name in self.cells else self.home(name)
            if missing is not REQUIRED and name not in home.used:
                return missing
            schedule = home.schedules.get(name)
            if bare and schedule is None:
                array = home.cells[name].array
                return array if array.ndim else array.item()  # type: ignore[union-attr]
            if bare:
                found = np.asarray(schedule(face(np.asarray(steps), True)), FLOAT64)  # type: ignore[misc]
                return found if found.ndim else float(found)
            value = constant(home.cells[name]) if schedule is None else converted(array_of(schedule(steps)), FLOAT64)
            return face(value, not value.shape)

        return read

    def saved(self) -> dict[str, Cell]:
        """The cells that a saved state has, by name; a schedule is a function and is not among them."""
        return {f"{self.prefix}{n}": cell for n, cell in self.cells.items() if n not in self.schedules}


class Group(MutableMapping[str, Any]):
    """Some parameters of an optimiser, with settings of their own; what a group has none of is the optimiser's.

    ``group["lr"]`` reads a setting, ``group["lr"] = 0.1`` gives the group its own, ``group["params"]`` are its
    parameters.
    """

    def __init__(self, optimizer: Optimizer, settings: Settings, params: list[Parameter], first: int) -> None:
        self._optimizer, self._settings = optimizer, settings
        self.parameters = params
        self.places = range(first, first + len(params))  # among all parameters of the optimiser

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return list(self.parameters)
        if name not in self._optimizer._settings_of:
            raise KeyError(name)
        return self._settings.number(name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise RetrogradError("the parameters of a group are decided when the optimiser is made")
        self._settings.assign(name, value)

    def __delitem__(self, name: str) -> None:
        raise RetrogradError(f"a group keeps its settings; to follow the optimiser again assign {name!r} its value")

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self._optimizer._settings_of))

    def __len__(self) -> int:
        return 1 + len(self._optimizer._settings_of)

    def __repr__(self) -> str:
        own = ", ".join(f"{name}={shown(self._settings, name)}" for name in self._settings.cells)
        return f"Group({len(self.parameters)} parameters{', ' if own else ''}{own})"


def shown(settings: Settings, name: str) -> str:
    """A setting in a representation."""
    if name in settings.schedules:
        return "a schedule"
    array = settings.cells[name].array
    assert array is not None
    return f"{array.item():g}" if not array.ndim else f"{array.size} numbers from {array.min():g} to {array.max():g}"


def spread(numbers: Any, parameter: Any, name: str) -> Any:
    """What the updates share, with each array of one number a model laid along the parameter's first axis."""
    if isinstance(numbers, tuple):
        return tuple([_along(n, parameter, name) if getattr(n, "shape", ()) else n for n in numbers])
    return _along(numbers, parameter, name) if getattr(numbers, "shape", ()) else numbers


def _along(number: Any, parameter: Any, name: str) -> Any:
    shape, dtype = parameter.shape, parameter.dtype
    if tuple(shape[:1]) != tuple(number.shape):
        raise RetrogradError(
            f"{name}: {number.shape[0]} numbers are for as many models, but a parameter has shape {tuple(shape)}"
        )
    wide = (number.shape[0], *(1,) * (len(shape) - 1))
    if isinstance(number, np.ndarray):
        return number.astype(dtype).reshape(wide)
    return face(converted(array_of(number), dtype)).reshape(wide)


def _number(what: str, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise RetrogradError(f"{what}: {name} is a number, not {value!r}") from None


def check_models(what: str, name: str, shape: tuple[int, ...], params: list[Parameter] | None) -> None:
    """Refuse an array of numbers that are not one for each model of a stack."""
    if shape == ():
        return
    if len(shape) != 1:
        raise RetrogradError(f"{what}: {name} is a number, or one for each model, not an array of shape {shape}")
    for p in params or ():
        if not isinstance(p, StackedParameter):
            raise RetrogradError(
                f"{what}: {name} is a number, not an array of shape {shape}: {shape[0]} numbers are for the models of "
                f"a rg.nn.stack, and {p.name} is a parameter of one model"
            )
        if p.shape[:1] != shape:
            raise RetrogradError(f"{what}: {name} has {shape[0]} numbers for a stack of {p.shape[0]} models")
