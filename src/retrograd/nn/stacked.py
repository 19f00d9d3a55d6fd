"""`stack`: many models of one structure as one module, computed and trained in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.core.dispatch import current, interpreter
from retrograd.core.overlay import Overlay
from retrograd.errors import RetrogradError
from retrograd.nn.module import Module
from retrograd.nn.same import difference
from retrograd.nn.structure import rename, structure_of
from retrograd.ops.indexing import concrete
from retrograd.ops.inputs import array_of, face
from retrograd.tensor.parameter import Buffer, Parameter
from retrograd.transforms.vectorise import vmap


class StackedParameter(Parameter):
    """A parameter of many models: its first axis counts them."""

    __slots__ = ()


class Stacked(Module):
    """Models of one structure as one module: `stack` makes it.

    Its parameters and buffers have the paths of a single model's and one axis more, the first, which counts the models.
    Calling it calls every model, and the outputs are stacked along a new first axis. ``many[i]`` is an ordinary model
    with a copy of what model i holds, ``list(many)`` all of them, ``len(many)`` how many there are.
    """

    __slots__ = ("_cells", "_template")
    _template: Module
    _cells: dict[str, Cell]

    def __init__(self, template: Module, cells: dict[str, Cell]) -> None:
        self._hold(template, cells)
        for name, cell in cells.items():
            rename(cell, name)
        self.training = template.training

    def _hold(self, template: Module, cells: dict[str, Cell]) -> None:
        object.__setattr__(self, "_template", template)
        object.__setattr__(self, "_cells", cells)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_template": self._template, "_cells": self._cells}

    def __setstate__(self, state: dict[str, Any]) -> None:
        attributes = dict(state)
        self._hold(attributes.pop("_template"), attributes.pop("_cells"))
        self.__dict__.update(attributes)

    def _members(self) -> Iterable[tuple[str, Any]]:
        return [*self._cells.items(), *self.__dict__.items()]

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and of the modules inside a single model, whose mode and settings all share."""
        yield "", self
        yield from ((path, module) for path, module in self._template.named_modules() if path)
        yield "model", self._template

    # Calling ----------------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, in_axes: Any = None, **kwargs: Any) -> Any:
        return self.forward(*args, in_axes=in_axes, **kwargs)

    def forward(self, *args: Any, in_axes: Any = None, **kwargs: Any) -> Any:
        """Every model's output, stacked along a new first axis.

        Args:
            args: the arguments of a single model.
            in_axes: None if all models share the arguments, 0 if their first axes count the models; or a tuple with one
                of both for each argument, as for `rg.vmap`.
            kwargs: all models share them.
        """
        axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        pairs = self._pairs()
        written: set[Cell] = set()

        def one(values: list[Any], *args: Any) -> Any:
            level = Overlay(current(), dict(zip(pairs, values, strict=True)))
            try:
                with interpreter(level):
                    output = self._template(*args, **kwargs)
            finally:
                level.closed = True
            shared = [c for c in level.assigned if c not in pairs]
            current().assign_all([(cell, level.overlay[cell], None) for cell in shared])
            written.update(c for c in level.assigned if c in pairs)
            return output, [face(level.overlay[cell]) for cell in pairs if cell in written]

        read = current().read
        output, new = vmap(one, in_axes=(0, *axes))([face(read(cell)) for cell in pairs.values()], *args)
        changed = [pairs[cell] for cell in pairs if cell in written]
        if changed:
            current().assign_all([(cell, array_of(value), None) for cell, value in zip(changed, new, strict=True)])
        return output

    def _pairs(self) -> dict[Cell, Cell]:
        """For each cell of the template that is not shared by all models the one that holds them all."""
        own = structure_of(self._template).by_name
        return {own[path]: cell for path, cell in self._cells.items() if cell is not own[path]}

    # The models -------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        first = next(iter(self._pairs().values()))
        assert first.type is not None
        return first.type.shape[0]

    def __getitem__(self, index: int) -> Module:
        count = len(self)
        if not hasattr(index, "__index__") or not -count <= index < count:
            raise IndexError(f"there is no model {index!r} in a stack of {count}")
        model = deepcopy(self._template, {id(cell): cell for cell in self._shared()})
        own, copies = structure_of(self._template).by_name, structure_of(model).by_name
        pairs = self._pairs()
        for path in own:
            if own[path] in pairs:
                copies[path].rebind(concrete(pairs[own[path]], "a model of its own holds numbers")[index].copy())
        return model

    def _shared(self) -> list[Cell]:
        """The cells that all models share."""
        own = structure_of(self._template).by_name
        return [cell for path, cell in self._cells.items() if cell is own[path]]

    def __iter__(self) -> Iterator[Module]:
        return (self[i] for i in range(len(self)))

    def extra_repr(self) -> str:
        return f"{len(self)} times {type(self._template).__name__}"


def stack(models: Sequence[Module]) -> Stacked:
    """Models of one structure as one module, whose parameters have a new first axis that counts the models.

    The values are copied: the models themselves stay as they are. A model may come several times. Generators, as those
    of dropout layers, are stacked too, so that each model goes on with its own stream; a generator that all models
    share stays one, and each model draws numbers of its own from it.

    Training mode and settings, such as the p of a dropout layer, are those of the first model and shared by all.

    Args:
        models: at least one.

    Raises:
        RetrogradError: if the structures differ; the first difference is named.

    >>> import retrograd as rg
    >>> many = stack([rg.nn.Linear(2, 1, generator=rg.random.Generator(seed)) for seed in range(5)])
    >>> many
    Stacked(5 times Linear)   weight f32[5,1,2], bias f32[5,1]   15 parameters
    >>> many(rg.ones((7, 2))).shape, many(rg.ones((5, 7, 2)), in_axes=0).shape
    ((5, 7, 1), (5, 7, 1))
    >>> many[3]
    Linear(2, 1)   weight f32[1,2], bias f32[1]   3 parameters
    """
    found = list(models)
    if not found:
        raise RetrogradError("stack needs at least one model")
    for i, model in enumerate(found):
        if not isinstance(model, Module):
            raise RetrogradError(f"stack: part {i} is a {type(model).__name__}, not a module")
        if isinstance(model, Stacked):
            raise RetrogradError("stack: a stack is not stacked again; stack all models at once, [*first, *second]")
        if what := difference(found[0], model):
            raise RetrogradError(f"stack: model {i} differs from model 0: {what}")
    template = _template_of(found)
    listed = [structure_of(model).by_name for model in found]
    made: dict[Cell, Cell] = {}
    cells: dict[str, Cell] = {}
    for path, own in structure_of(template).cells:
        if own not in made:
            same = [cells_of[path] for cells_of in listed]
            made[own] = own if own is same[0] else _stacked(same)
        cells[path] = made[own]
    if all(own is cell for own, cell in made.items()):
        raise RetrogradError("stack: the models hold no parameters or buffers, there is nothing to stack")
    return Stacked(template, cells)


def _template_of(models: Sequence[Module]) -> Module:
    """A copy of the first model, without values of its own; generators that all models share are shared still."""
    first, *others = (structure_of(model).by_name for model in models)
    memo = {}
    for path, cell in first.items():
        if not isinstance(cell, (Parameter, Buffer)) and others and all(o[path] is cell for o in others):
            memo[id(cell)] = cell
    return deepcopy(models[0], memo)


def _stacked(cells: Sequence[Cell]) -> Cell:
    """One cell with the values of many."""
    arrays = [concrete(cell, "stack needs numbers") for cell in cells]
    first, value = cells[0], np.stack(arrays)
    if isinstance(first, Parameter):
        return StackedParameter(value, requires_grad=first.requires_grad, name=first.name)
    return (
        Buffer(value, name=first.name) if isinstance(first, Buffer) else Cell(value, name=first.name, weak=first.weak)
    )
