"""Which parameters an optimiser has, in which groups, and which gradient is for which of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from retrograd.core.box import Box
from retrograd.core.source import at_user_line
from retrograd.errors import CellError, RetrogradError
from retrograd.nn.module import Module
from retrograd.tensor.parameter import Parameter


def parameters_of(params: Any, name: str) -> list[Parameter]:
    """The parameters, each once.

    Raises:
        RetrogradError: if there are none, or something else is among them.
    """
    if isinstance(params, (int, float)):
        raise RetrogradError(f"{name}: the parameters come first, then lr; the pure pair is {name}(lr={params})")
    if isinstance(params, Parameter):
        raise RetrogradError(f"{name}: give a list of parameters, [parameter]")
    found: Iterable[Any] = params.parameters() if isinstance(params, Module) else params
    cells: dict[Parameter, None] = {}
    for p in found:
        cell = p[1] if isinstance(p, tuple) and len(p) == 2 else p
        if isinstance(cell, Box):
            raise RetrogradError(f"{name}: tensors are immutable; make what is to be trained a rg.Parameter")
        if not isinstance(cell, Parameter):
            raise RetrogradError(f"{name}: parameters are rg.Parameter, not {type(cell).__name__}")
        cells[cell] = None
    if not cells:
        raise RetrogradError(f"{name}: there are no parameters{at_user_line()}; an iterator can be used only once")
    return list(cells)


def groups_of(params: Any, name: str) -> list[tuple[list[Parameter], dict[str, Any]]]:
    """(parameters, settings of its own) of every group; parameters that come without groups are one.

    Raises:
        RetrogradError: as `parameters_of`; also for a parameter in two groups, and a group without "params".
    """
    listed = params if isinstance(params, (Module, Parameter, int, float, list, tuple)) else list(params)
    if not isinstance(listed, (list, tuple)) or not any(isinstance(g, Mapping) for g in listed):
        return [(parameters_of(listed, name), {})]
    groups, home = [], dict[Parameter, int]()
    for i, group in enumerate(listed):
        if not isinstance(group, Mapping) or "params" not in group:
            raise RetrogradError(f'{name}: group {i} is no dict with "params"; give {{"params": [...], "lr": 0.1}}')
        given = group["params"]
        cells = parameters_of([given] if isinstance(given, Parameter) else given, name)
        for cell in cells:
            if home.setdefault(cell, i) != i:
                raise RetrogradError(f"{name}: {cell.name} is in group {home[cell]} and in group {i}")
        groups.append((cells, {key: value for key, value in group.items() if key != "params"}))
    return groups


def check_gradient(what: str, parameter: Any, gradient: Any) -> None:
    """Refuse a gradient of another shape or dtype; None is no gradient."""
    if gradient is None:
        return
    if tuple(gradient.shape) != tuple(parameter.shape) or gradient.dtype != parameter.dtype:
        raise CellError(
            f"{what} is {gradient.dtype}{list(gradient.shape)}, the parameter {parameter.dtype}{list(parameter.shape)}"
        )


def places(paths: list[str], known: list[str]) -> list[int]:
    """For each path the place of its parameter; parameters may be named from further up: "encoder.0.weight"."""
    suffixes = [n.removesuffix(paths[0]) for n in known if n.endswith(paths[0])] if paths else []
    prefixes = [s for s in suffixes if not s or s.endswith(".")]
    for prefix in sorted(prefixes, key=len):
        wanted = [f"{prefix}{path}" for path in paths]
        if all(known.count(name) == 1 for name in wanted):
            return [known.index(name) for name in wanted]
    raise RetrogradError(
        f"step(grads): the gradients are for {', '.join(paths)}, the parameters are {', '.join(known)}; where names do "
        "not tell them apart, give a list in the order of the parameters"
    )
