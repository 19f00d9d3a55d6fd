"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.nn.module import Module
from retrograd.nn.structure import changed, rename


class Sequential(Module):
    """One module after another; parts are named by their place ("0.weight"), or by the keys of a dict.

    It is a sequence: ``model[0]``, ``model[-1] = layer``, ``model[:2]``, ``len(model)``, ``for layer in model``.

    Args:
        layers: the modules, or one dict of modules by name.

    >>> Sequential(Sequential(), Sequential())[1]
    Sequential()   0 parameters
    """

    __slots__ = ("_layers",)
    _layers: dict[str, Module]

    def __init__(self, *layers: Any) -> None:
        named = layers[0].items() if len(layers) == 1 and isinstance(layers[0], Mapping) else enumerate(layers)
        found = {str(name): _module(name, layer) for name, layer in named}
        for name, layer in reversed(found.items()):  # a cell that two layers share is named after the first
            rename(layer, name)
        self._hold(found)

    def _hold(self, layers: dict[str, Module]) -> None:
        object.__setattr__(self, "_layers", layers)
        changed()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_layers": self._layers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        attributes = dict(state)
        self._hold(attributes.pop("_layers"))
        self.__dict__.update(attributes)

    def _members(self) -> Iterable[tuple[str, Any]]:
        return [*self._layers.items(), *self.__dict__.items()]

    def forward(self, input: Any) -> Any:
        for layer in self._layers.values():
            input = layer(input)
        return input

    def _name(self, index: int) -> str:
        names = list(self._layers)
        if not -len(names) <= index < len(names):
            raise IndexError(f"index {index} of a Sequential of {len(names)}")
        return names[index]

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            part = Sequential()
            part._hold(_numbered(dict(list(self._layers.items())[index])))
            return part
        return self._layers[self._name(index)]

    def __setitem__(self, index: int, layer: Module) -> None:
        name = self._name(index)
        rename(_module(name, layer), name)
        self._hold({**self._layers, name: layer})

    def __delitem__(self, index: int) -> None:
        gone = self._name(index)
        self._hold(_numbered({name: layer for name, layer in self._layers.items() if name != gone}))

    def append(self, layer: Module) -> Sequential:
        """Add a module at the end; returns the Sequential."""
        name = str(len(self._layers))
        rename(_module(name, layer), name)
        self._hold({**self._layers, name: layer})
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers.values())

    def __len__(self) -> int:
        return len(self._layers)


def _numbered(layers: dict[str, Module]) -> dict[str, Module]:
    """Layers that are named by their place, numbered from 0 again."""
    if all(name.isdecimal() for name in layers):
        return {str(i): layer for i, layer in enumerate(layers.values())}
    return layers


def _module(name: Any, layer: Any) -> Module:
    if isinstance(layer, Module):
        return layer
    hint = ""
    if isinstance(layer, (list, tuple)):
        hint = ": give Sequential(*layers)"
    elif callable(layer):
        hint = ": activations have layers, rg.nn.Tanh() for rg.tanh"
    raise RetrogradError(f"part {name} of a Sequential is a {type(layer).__name__}, not a module{hint}")
