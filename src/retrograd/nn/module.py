"""`Module`: a network, or a part of one. Parameters, buffers and modules are found among its attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.core.dispatch import current
from retrograd.errors import RetrogradError
from retrograd.graph.stage import innermost_stage
from retrograd.nn import state
from retrograd.nn.registered import Registered
from retrograd.nn.structure import Part, changed, rename, structural, structure_of
from retrograd.tensor.parameter import Buffer, Parameter, Setting, assign

Watcher = Callable[[Any, tuple[Any, ...], Any], Any]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Within the context ``watcher(module, args, output)`` sees every call of a module; what it returns is the output.

    Calls that are being traced for a compiled program are not shown: the program would keep what the watcher did.
    """

    def outside_traces(module: Any, args: tuple[Any, ...], output: Any) -> Any:
        return output if innermost_stage(current()) is not None else watcher(module, args, output)

    token = _watcher.set(outside_traces)
    try:
        yield
    finally:
        _watcher.reset(token)


class Module(Part):
    """A network, or a part of one: subclass it, set attributes, write `forward`.

    Whatever is a `Parameter`, a `Buffer` or a Module among the attributes, also inside of lists, tuples and dicts, is
    found and named by its path (``"layers.0.weight"``). There is nothing to register and no base constructor to call.

    Assigning a value to an attribute that holds a parameter or buffer gives *that cell* the value, after a check of
    shape and dtype; assigning another `Parameter` puts it in its place, so that two layers can share one.

    Attributes:
        training: whether layers such as dropout behave as in training; see `train` and `eval`.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter([1.0, 2.0])
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(3.0)
    tensor([3., 6.], dtype=float32, recorded)
    >>> scale.factor = [5.0, 5.0]
    >>> scale
    Scale(factor f32[2])   2 parameters
    """

    __slots__ = ("__dict__", "__weakref__", "_structure")

    training = Registered()

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Any:
        self = super().__new__(cls)
        self.__dict__["training"] = True
        Module._structure.__set__(self, None)  # past `__setattr__`
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        raise RetrogradError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        output = self.forward(*args, **kwargs)
        watcher = _watcher.get()
        return output if watcher is None else watcher(self, args, output)

    # Attributes -------------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, (Parameter, Buffer, Setting)) and not (value is None or isinstance(value, Cell)):
            assign(old, value)
            return
        object.__setattr__(self, name, value)
        if structural(value):
            rename(value, name)
            changed()
        elif structural(old):
            changed()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        changed()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def _members(self) -> Iterable[tuple[str, Any]]:
        return self.__dict__.items()

    @property
    def _version(self) -> int:
        """Another number whenever a part was added, removed or exchanged; compiled programs depend on it."""
        return structure_of(self).version

    # What is inside ---------------------------------------------------------------------------------------------------

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter), each parameter once."""
        return structure_of(self).unique(Parameter)

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once."""
        return (cell for _, cell in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """(path, buffer), each buffer once."""
        return structure_of(self).unique(Buffer)

    def buffers(self) -> Iterator[Buffer]:
        """Every buffer once."""
        return (cell for _, cell in self.named_buffers())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module, whose path is empty, and of every one inside, each once."""
        return iter(structure_of(self).modules)

    def modules(self) -> Iterator[Module]:
        """This module and every one inside, each once."""
        return (module for _, module in self.named_modules())

    # Values -----------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter and buffer by path: PyTorch's names and layouts, as ndarrays."""
        return state.state_dict(structure_of(self))

    def load_state_dict(self, values: Mapping[str, Any], strict: bool = True) -> state.Mismatch:
        """Take over values from a state_dict: ours, or PyTorch's.

        Args:
            values: arrays or PyTorch tensors by path. Other float widths are converted.
            strict: refuse paths that are missing here or there; otherwise those that both have are loaded.

        Returns:
            The paths that `values` lacks, and those that the module does not have.

        Raises:
            ModelError: naming every path that is missing, unknown, or of another shape. Nothing is loaded then.
        """
        return state.load(type(self).__name__, structure_of(self), values, strict)

    def parameters_tree(self) -> dict[str, Any]:
        """The values of all parameters by path, for `functional_call`, `load_tree` and the pure optimisers.

        They are constants to `.backward()`; transforms differentiate with respect to the tree.
        """
        return {path: state.constant(cell) for path, cell in self.named_parameters()}

    def load_tree(self, tree: Mapping[str, Any]) -> None:
        """Assign the values of a tree as `parameters_tree` gives it, all or none; paths it lacks keep their value.

        Raises:
            RetrogradError: for a path that the module does not have.
            CellError: for a value of another shape or dtype.
        """
        state.assign_all(state.by_cell(type(self).__name__, structure_of(self), tree))

    def zero_grad(self) -> None:
        """Set the `.grad` of every parameter to None."""
        state.zero_grad(cell for _, cell in structure_of(self).cells if isinstance(cell, Parameter))

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Train all parameters inside, or with False freeze them; returns the module."""
        for cell in self.parameters():
            cell.requires_grad = requires_grad
            cell._leaf = None
        return self

    def train(self, mode: bool = True) -> Module:
        """Put this module and every one inside into training mode; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Leave training mode: dropout is the identity; returns the module."""
        return self.train(False)

    # Text -------------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The arguments that the representation shows."""
        return ""

    def __repr__(self) -> str:
        total = sum(cell.type.size for cell in self.parameters() if cell.type is not None)
        lines = list(_lines(self, ""))
        lines[-1 if len(lines) == 1 else 0] += f"   {total:,} parameter{'' if total == 1 else 's'}"
        return "\n".join(lines)


def _lines(module: Module, label: str) -> Iterator[str]:
    """The representation of a module, line by line."""
    cells, inner = [], []
    for name, value in _flat(module._members()):
        if isinstance(value, (Parameter, Buffer)):
            note = " (frozen)" if isinstance(value, Parameter) and not value.requires_grad else ""
            cells.append(f"{name} {value.type}{note}")
        elif isinstance(value, Module):
            inner.append((name, value))
    head = f"{label}{type(module).__name__}({module.extra_repr()}"
    own = ", ".join(cells)
    if not inner:
        yield f"{head})   {own}" if own and module.extra_repr() else f"{head}{own})"
        return
    yield f"{head}{'; ' if own and module.extra_repr() else ''}{own}"
    for name, part in inner:
        for line in _lines(part, f"{name}: "):
            yield f"  {line}"
    yield ")"


def _flat(members: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    """Members with those of lists, tuples and dicts among them in their place."""
    for name, value in members:
        if isinstance(value, (list, tuple, dict)):
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}.{place}", part) for place, part in _flat(inside))
        else:
            yield str(name), value
