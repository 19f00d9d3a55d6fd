"""`Optimizer`: one update rule with two faces, a pure pair and an object that updates parameters in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any, ClassVar

import numpy as np

from retrograd.config import FLOAT64, INT
from retrograd.core.box import Box
from retrograd.core.cells import Cell, commit
from retrograd.core.dispatch import Evaluate, Interpreter, current
from retrograd.core.tree import flatten, flatten_like, unflatten
from retrograd.errors import ModelError, RetrogradError
from retrograd.nn.state import constant, names, zero_grad
from retrograd.ops.indexing import concrete
from retrograd.ops.inputs import array_of, converted, face
from retrograd.ops.shaping import zeros_like
from retrograd.optim.matching import check_gradient, groups_of, places
from retrograd.optim.number import Fixed, Number
from retrograd.optim.settings import Group, Settings, shown, spread
from retrograd.tensor.parameter import Buffer, Parameter


class Optimizer(ABC):
    """Base of the optimisers: what they share besides their update rule.

    An optimiser made without parameters is the pure pair `init` and `update`. Given parameters first, it has cells of
    its own for what it remembers of them (its slots) and for the step count, and `step` updates everything at once:
    all or nothing, under `rg.jit` like anywhere else. Both give the same numbers, bit for bit.

    To write one, subclass this, declare settings as `Number` attributes, and define `numbers` and `rule` with operators
    and the functions of `retrograd.optim.arithmetic` only.

    Args:
        params: parameters, (name, parameter) pairs, or a module; None for the pure pair. A list of dicts makes groups:
            each has "params" and settings of its own, as in PyTorch.
        slots: the names of what is remembered for each parameter, of its shape and dtype.
        settings: a value, or a schedule, for each `Number`; for a `rg.nn.stack` an array of one for each model as well.

    Attributes:
        parameters: all of them, or None for the pure pair.
        param_groups: the groups; ``param_groups[1]["lr"] = 0.1`` gives the second one a rate of its own.
    """

    _settings_of: ClassVar[dict[str, Number]]
    slots = Fixed()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._settings_of = {n: v for k in reversed(cls.__mro__) for n, v in vars(k).items() if isinstance(v, Number)}

    def __init__(self, params: Any, *, slots: Sequence[str] = (), **settings: Any) -> None:
        self.slots = tuple(slots)
        self._version = 0
        groups = None if params is None else groups_of(params, type(self).__name__)
        self.parameters = None if groups is None else [p for cells, _ in groups for p in cells]
        self._own = Settings(self, self.parameters)
        for name, value in settings.items():
            setattr(self, name, value)
        self.param_groups = [] if groups is None else self._grouped(groups)
        cells = self.parameters or []
        self._slots = [
            tuple(Buffer(np.zeros(*_kind(p)), name=f"{p.name}.{slot}") for slot in self.slots) for p in cells
        ]
        self._steps = None if params is None else Buffer(np.asarray(0, INT), name="step")
        self._orders: dict[tuple[str, ...], list[int]] = {}

    def _grouped(self, groups: list[tuple[list[Parameter], dict[str, Any]]]) -> list[Group]:
        made, first = [], 0
        for i, (cells, options) in enumerate(groups):
            group = Group(self, Settings(self, cells, self._own, f"groups.{i}."), cells, first)
            for name, value in self._group_options(options).items():
                group[name] = value
            made.append(group)
            first += len(cells)
        return made

    def _group_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The settings that a group was given, by the names of `Number` attributes."""
        return options

    # The rule ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def numbers(self, read: Callable[[str], Any], steps: Any) -> Any:
        """What the updates of all parameters share in one step.

        Args:
            read: gives a setting by name, as a Python float or a weak scalar; for the models of a stack perhaps as an
                array of one number each. With a second argument it gives that for a setting that was never other than
                0, whose term is then left out: ``read("weight_decay", None)``.
            steps: how many steps were completed, likewise.

        Returns:
            A number, or a tuple of numbers and what else `rule` is to know.
        """

    @abstractmethod
    def rule(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        """The new value of a parameter and of its slots; the arguments must not be changed in place."""

    # Settings ---------------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> Any:
        """How many steps were completed (int64)."""
        return self._stateful("steps")._steps

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate, also that of a group, is a schedule."""
        return any("lr" in settings.schedules for settings in self.settings("lr"))

    def settings(self, name: str) -> list[Settings]:
        """Where a setting is: the optimiser's own, and that of every group which has one of its own."""
        return [self._own, *(g._settings for g in self.param_groups if name in g._settings.cells)]

    def _check_setting(self, name: str, value: Any) -> None:  # noqa: B027 - most optimisers refuse no more than all do
        """Refuse a value that this optimiser cannot use."""

    def _shared(self, settings: Settings, steps: Any, bare: bool) -> Any:
        """What the updates of a group share; `steps` is the bare or boxed count of completed steps."""
        done = float(steps) if bare else face(converted(array_of(steps), FLOAT64), True)
        return self.numbers(settings.reader(done, bare), done)

    def _updated(self, numbers: Any, parameter: Any, gradient: Any, *slots: Any) -> tuple[Any, ...]:
        """The rule, with what differs from model to model laid along the first axis."""
        return self.rule(spread(numbers, parameter, type(self).__name__), parameter, gradient, *slots)

    # The pure pair ----------------------------------------------------------------------------------------------------

    def init(self, params: Any) -> dict[str, Any]:
        """What is remembered before the first step.

        Args:
            params: a tree of arrays.

        Returns:
            ``{"step": 0, slot: a tree of zeros, ...}``.
        """
        leaves, structure = flatten(params)
        values = [array_of(leaf) for leaf in leaves]
        state = {slot: unflatten(structure, [zeros_like(v) for v in values]) for slot in self.slots}
        return {"step": face(np.asarray(0, INT)), **state}

    def update(self, grads: Any, state: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """One step.

        Args:
            grads: a tree like `params`; None in the place of an array leaves it as it is.
            state: from `init`, or from the step before.
            params: a tree of arrays.

        Returns:
            (new params, new state).
        """
        leaves, structure = flatten(params)
        given = flatten_like(structure, grads, "the gradients")
        kept = [flatten_like(structure, _slot(state, slot), f"slot {slot}") for slot in self.slots]
        count = _bare(_slot(state, "step"))
        rows = [[_bare(v) for v in row] for row in zip(leaves, given, *kept, strict=True)]
        bare = _at_once(current()) and not any(isinstance(v, Box) for row in rows for v in (*row, count))
        if not bare:
            rows = [[v if v is None else face(v) for v in row] for row in rows]
        shared, following = self._shared(self._own, count, bare), _following(count, bare)
        rule = self._updated if _per_model(shared) else self.rule
        for row in rows:
            check_gradient("the gradient of a parameter", row[0], row[1])
        new = [row[:1] + row[2:] if row[1] is None else rule(shared, *row) for row in rows]
        trees = [unflatten(structure, [face(_array(row[i])) for row in new]) for i in range(1 + len(self.slots))]
        return trees[0], {"step": face(following), **dict(zip(self.slots, trees[1:], strict=True))}

    # The stateful face ------------------------------------------------------------------------------------------------

    def step(self, grads: Any = None) -> None:
        """Update all parameters, slots and the step count, all or none.

        A parameter without a gradient is left as it is, and so are its slots.

        Args:
            grads: what to use instead of the `.grad` of the parameters: a dict by path, as `rg.nn.value_and_grad` gives
                it, or a list in the parameters' order.

        Raises:
            CellError: for a gradient of another shape or dtype.
        """
        cells = self._stateful("step").parameters
        active = current()
        bare = _at_once(active)
        if grads is not None:
            given = self._in_order(grads, bare)
        elif bare:
            given = [None if (g := c._grad) is None else g.array for c in cells]
        else:
            given = [constant(g) if active.read(g) is not None else None for g in (c.grad_cell for c in cells)]
        if bare:
            self._step_bare(given)
        else:
            self._step_through(active, given)

    def _step_bare(self, given: list[Any]) -> None:
        """The eager step, on ndarrays. It counts for every small model, hence the plain loops."""
        count = self._steps.array  # type: ignore[union-attr]
        written: list[Cell] = [self._steps]  # type: ignore[list-item]
        arrays = [_following(count, True)]
        for group in self.param_groups:
            shared = self._shared(group._settings, count, True)
            rule = self._updated if _per_model(shared) else self.rule
            part = slice(group.places.start, group.places.stop)
            for cell, gradient, slots in zip(group.parameters, given[part], self._slots[part], strict=True):
                if gradient is not None:
                    written.append(cell)
                    written += slots
                    arrays += rule(shared, cell.array, gradient, *[s.array for s in slots])
        if len(written) > 1:
            commit(written, [_array(a) for a in arrays], lent=True)

    def _step_through(self, active: Interpreter, given: list[Any]) -> None:
        """The step of a trace: everything is computed, then everything assigned."""
        if all(g is None for g in given):
            return
        assert self._steps is not None
        count = constant(self._steps)
        changes: list[tuple[Cell, Any, Any]] = [(self._steps, _following(count, False), None)]
        for group in self.param_groups:
            shared = self._shared(group._settings, count, False)
            rule = self._updated if _per_model(shared) else self.rule
            part = slice(group.places.start, group.places.stop)
            for cell, gradient, slots in zip(group.parameters, given[part], self._slots[part], strict=True):
                if gradient is not None:
                    new = rule(shared, constant(cell), face(gradient), *[constant(s) for s in slots])
                    changes += zip((cell, *slots), new, repeat(None), strict=False)
        active.assign_all(changes)

    def zero_grad(self) -> None:
        """Set the `.grad` of every parameter to None."""
        zero_grad(self._stateful("zero_grad").parameters)

    def _stateful(self, what: str) -> Any:
        if self.parameters is None:
            name = type(self).__name__
            raise RetrogradError(
                f"this {name} was made without parameters and has no {what}: use init and update, or give it the "
                f"parameters first, rg.optim.{name}(model.parameters(), ...)"
            )
        return self

    def _in_order(self, grads: Any, bare: bool) -> list[Any]:
        """Gradients in the order of the parameters, checked; None where there is none."""
        cells = self.parameters
        assert cells is not None
        if isinstance(grads, Mapping):
            flat = dict(names(grads))
            order = self._orders.get(key := tuple(flat))
            if order is None:
                order = self._orders[key] = places(list(flat), [c.name for c in cells])
            given: list[Any] = [None] * len(cells)
            for place, g in zip(order, flat.values(), strict=True):
                given[place] = g
        else:
            given = list(grads)
            if len(given) != len(cells):
                raise RetrogradError(f"step(grads): {len(given)} gradients for {len(cells)} parameters")
        values = [None if g is None else _bare(g) if bare else array_of(g) for g in given]
        for cell, value in zip(cells, values, strict=True):
            if isinstance(value, Box) and bare:
                value = concrete(value, "step(grads) needs numbers")
            check_gradient(f"the gradient of {cell.name}", cell, value)
        return [v.value if isinstance(v, Box) and bare else v for v in values]

    # What is saved ----------------------------------------------------------------------------------------------------

    def _saved(self) -> dict[str, Cell]:
        this = self._stateful("state")
        found: dict[str, Cell] = {"step": this._steps}
        for settings in (self._own, *(group._settings for group in self.param_groups)):
            found.update(settings.saved())
        for i, slots in enumerate(self._slots):
            found.update({f"{i}.{slot}": cell for slot, cell in zip(self.slots, slots, strict=True)})
        return found

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of the step count, the settings and all slots.

        Names are "step", those of the settings ("lr"; "groups.1.lr" for one that a group has of its own), and
        "0.exp_avg" for a slot of the first parameter. A schedule is a function and is not among them.
        """
        return {name: concrete(cell, "a state_dict holds numbers").copy() for name, cell in self._saved().items()}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises:
            ModelError: naming everything that is missing, unknown, or of another shape. Nothing is loaded then.
        """
        cells = self._saved()
        wrong = [f"missing: {n}" for n in cells if n not in values]
        wrong += [f"unexpected: {n}" for n in values if n not in cells]
        arrays = {}
        for name in cells.keys() & values.keys():
            shape, dtype = _kind(cells[name])
            arrays[name] = array = np.array(values[name])
            if array.shape != shape or array.dtype != dtype:
                wrong.append(f"{name}: {array.dtype}{list(array.shape)} instead of {dtype}{list(shape)}")
        if wrong:
            listed = "\n  ".join(sorted(wrong))
            raise ModelError(f"this state does not fit the {type(self).__name__}, nothing was loaded:\n  {listed}")
        rest = set(arrays)
        for settings in (self._own, *(group._settings for group in self.param_groups)):
            for name in list(settings.saved()):
                settings.assign(name.removeprefix(settings.prefix), _plain(arrays[name]))
                rest.discard(name)
        commit([cells[n] for n in rest], [arrays[n] for n in rest])

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={shown(self._own, name)}" for name in self._settings_of)
        if self.parameters is None:
            return f"{type(self).__name__}({settings})"
        total = sum(p.size for p in self.parameters)
        groups = f"{len(self.param_groups)} groups, " if len(self.param_groups) > 1 else ""
        return f"{type(self).__name__}({settings})   {groups}{len(self.parameters)} parameters, {total:,} numbers"


def _kind(cell: Cell) -> tuple[tuple[int, ...], np.dtype]:
    assert cell.type is not None
    return cell.type.shape, cell.type.dtype


def _at_once(active: Interpreter) -> bool:
    """Whether a rule may compute with NumPy itself: nobody looks at the operations."""
    return isinstance(active, Evaluate) and not active.unfolds


def _following(count: Any, bare: bool) -> Any:
    """The next step count."""
    return np.asarray(int(count) + 1, INT) if bare else face(array_of(count)) + 1


def _per_model(shared: Any) -> bool:
    """Whether one of the numbers differs from model to model."""
    numbers: tuple[Any, ...] = shared if isinstance(shared, tuple) else (shared,)
    for number in numbers:  # noqa: SIM110 - a generator costs more than the look, at every step
        if type(number) is not float and getattr(number, "shape", None):
            return True
    return False


def _plain(array: np.ndarray) -> Any:
    return array if array.ndim else float(array)


def _slot(state: Mapping[str, Any], slot: str) -> Any:
    if slot not in state:
        raise RetrogradError(f"the state has no {slot!r}; make it with init of the same optimiser")
    return state[slot]


def _bare(value: Any) -> Any:
    """A concrete value that nothing follows as its ndarray; any other as it is."""
    if value is None:
        return None
    value = array_of(value)
    return value.value if isinstance(value, Box) and value.owner is None and value.node is None else value


def _array(value: Any) -> Any:
    """NumPy gives scalars where an operand had no axes."""
    return np.asarray(value) if isinstance(value, np.generic) else value
