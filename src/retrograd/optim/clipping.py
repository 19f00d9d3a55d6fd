r"""Bounds on gradients, against the cliffs of recurrent networks: by their common norm, or element by element.

Pascanu, Mikolov, Bengio (2013), algorithm 1. The functions on trees are pure, and serve any transform and any
optimiser; those whose names end in an underscore are PyTorch's, and change what `.backward()` has left in `.grad`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from retrograd.config import FLOAT64
from retrograd.core.box import Box
from retrograd.core.cells import Cell
from retrograd.core.dispatch import current
from retrograd.core.tree import flatten, unflatten
from retrograd.errors import RetrogradError
from retrograd.nn.module import Module
from retrograd.nn.stacked import StackedParameter
from retrograd.ops import arithmetic as a
from retrograd.ops import reductions
from retrograd.ops.inputs import array_of, face
from retrograd.ops.shaping import reshape
from retrograd.optim.matching import parameters_of
from retrograd.tensor.parameter import Parameter

_EPS = 1e-6  # PyTorch's, in the denominator


def global_norm(grads: Any, *, per_model: bool = False) -> Any:
    r"""The Euclidean norm of all numbers of a tree taken together, :math:`\sqrt{\sum_i g_i^2}`.

    Args:
        grads: a tree of arrays; None stands for no gradient.
        per_model: the first axis of every array counts models, and each has a norm of its own.

    Returns:
        A scalar; with `per_model` (models,).
    """
    leaves = [face(array_of(g)) for g in flatten(grads)[0] if g is not None]
    if not leaves:
        raise RetrogradError("global_norm: there are no gradients")
    return a.sqrt(_total([_squares(g, per_model) for g in leaves]))


def clip_by_global_norm(grads: Any, max_norm: Any, *, per_model: bool = False) -> Any:
    r"""A tree of gradients scaled down so that their common norm is at most `max_norm`; the direction stays.

    .. math:: g \min\Big(1, \frac{c}{\lVert g \rVert + 10^{-6}}\Big)

    Args:
        grads: a tree of arrays; None stays None.
        max_norm: :math:`c`, above 0; an array of one for each model is welcome with `per_model`.
        per_model: the first axis of every array counts models, and each is scaled by its own norm.

    >>> import retrograd as rg
    >>> grads = {"w": rg.tensor([3.0, 0.0]), "b": rg.tensor([4.0])}
    >>> [round(number, 5) for g in clip_by_global_norm(grads, 1.0).values() for number in g.tolist()]
    [0.6, 0.0, 0.8]
    """
    leaves, structure = flatten(grads)
    given = [face(array_of(g)) for g in leaves if g is not None]
    scaled = iter(_scaled(given, _checked("max_norm", max_norm), per_model)[0]) if given else iter(())
    return unflatten(structure, [None if g is None else next(scaled) for g in leaves])


def clip_by_value(grads: Any, clip_value: float) -> Any:
    """A tree of gradients with every number brought between ``-clip_value`` and ``clip_value``.

    >>> import retrograd as rg
    >>> clip_by_value([rg.tensor([3.0, -0.5])], 1.0)
    [tensor([ 1. , -0.5], dtype=float32)]
    """
    limit = _checked("clip_value", clip_value)
    leaves, structure = flatten(grads)
    return unflatten(structure, [None if g is None else a.clip(array_of(g), -limit, limit) for g in leaves])


def clip_grad_norm_(parameters: Any, max_norm: Any) -> Any:
    """Scale the `.grad` of parameters as `clip_by_global_norm` does; in a `rg.nn.stack` each model by its own norm.

    Args:
        parameters: parameters, or a module; those without a gradient are left out.
        max_norm: what their common norm is to be at most.

    Returns:
        The norm before: a scalar, or one for each model.

    Raises:
        RetrogradError: no parameter has a gradient, or some are of a stack and others not.
    """
    cells, grads = _with_gradients("clip_grad_norm_", parameters)
    stacked = [isinstance(cell, StackedParameter) for cell in cells]
    if any(stacked) != all(stacked):
        raise RetrogradError("clip_grad_norm_: parameters of a stack and others have no common norm; clip them apart")
    scaled, norm = _scaled(grads, _checked("max_norm", max_norm), all(stacked))
    _assign(cells, scaled)
    return norm


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Bring every number in the `.grad` of parameters between ``-clip_value`` and ``clip_value``."""
    cells, grads = _with_gradients("clip_grad_value_", parameters)
    _assign(cells, clip_by_value(grads, clip_value))


def _scaled(grads: list[Any], max_norm: Any, per_model: bool) -> tuple[list[Any], Any]:
    norm = global_norm(grads, per_model=per_model)
    factor = a.minimum(max_norm / (norm + _EPS), 1.0)
    return [g * a.astype(_along(factor, g) if per_model else factor, g.dtype) for g in grads], norm


def _squares(grad: Any, per_model: bool) -> Any:
    axes = tuple(range(1 if per_model else 0, len(grad.shape)))
    return reductions.sum(grad * grad, axis=axes) if axes else grad * grad


def _total(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _along(factor: Any, grad: Any) -> Any:
    return reshape(factor, (*grad.shape[:1], *(1,) * (len(grad.shape) - 1)))


def _checked(name: str, limit: Any) -> Any:
    if isinstance(limit, (Box, Cell)):
        return limit
    try:
        known = np.asarray(limit, FLOAT64)
        fine = bool(np.all(known > 0))
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise RetrogradError(f"{name} is above 0, not {limit!r}")
    return limit if known.ndim else float(known)


def _with_gradients(what: str, parameters: Module | Iterable[Parameter]) -> tuple[list[Parameter], list[Any]]:
    read = current().read
    pairs = [(p, g) for p in parameters_of(parameters, what) if (g := read(p.grad_cell)) is not None]
    if not pairs:
        raise RetrogradError(f"{what}: no parameter has a gradient; call .backward() first")
    return [p for p, _ in pairs], [face(g) for _, g in pairs]


def _assign(cells: list[Parameter], grads: list[Any]) -> None:
    current().assign_all([(cell.grad_cell, array_of(g), None) for cell, g in zip(cells, grads, strict=True)])
