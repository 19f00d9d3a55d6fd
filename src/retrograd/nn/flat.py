"""Parameters as one vector, for optimisers that want it that way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from retrograd.core.cells import Cell
from retrograd.core.tree import pieces
from retrograd.errors import RetrogradError, ShapeError
from retrograd.nn.functional import hand_down, under
from retrograd.nn.module import Module
from retrograd.nn.state import constant
from retrograd.ops.inputs import array_of, converted
from retrograd.ops.shaping import concat, ravel
from retrograd.tensor.parameter import Parameter
from retrograd.transforms.derivatives import value_and_grad


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All parameters, one after the other, as a vector (PyTorch's name).

    Raises:
        RetrogradError: if there are none.
    """
    parts = [ravel(array_of(p)) for p in parameters]
    if not parts:
        raise RetrogradError("there are no parameters to make a vector of")
    return concat(parts)


def vector_to_parameters(vector: Any, parameters: Iterable[Parameter]) -> None:
    """Give the parameters the values of a vector, in their order (PyTorch's name).

    Raises:
        ShapeError: if the vector has another length than the parameters together.
    """
    cells = list(parameters)
    for cell, value in zip(cells, _parts(vector, [c.shape for c in cells]), strict=True):
        cell.value = value


def _parts(vector: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    v, size = array_of(vector), sum(math.prod(shape) for shape in shapes)
    if tuple(v.shape) != (size,):
        raise ShapeError(f"the parameters have {size} numbers in all, the vector has shape {tuple(v.shape)}")
    return pieces(v, shapes)


def closure(model: Module, loss_fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """The loss and its gradient as a function of one vector, for line searches and other people's optimisers.

    Args:
        model: its trainable parameters, in the order of `Module.named_parameters`, make the vector.
        loss_fn: uses the model; called with the other arguments.

    Returns:
        ``f(vector=None) -> (loss, gradient)``, a scalar and a vector. It is pure: the model stays as it is. Without a
        vector it is taken at the model's own parameters. A vector of another float dtype, as SciPy gives, is converted,
        and its gradient has that dtype.

    Raises:
        ShapeError: for a vector of another length.

    >>> import numpy as np
    >>> import retrograd as rg
    >>> line = rg.nn.Linear(1, 1, bias=False)
    >>> f = closure(line, lambda x: rg.sum(line(x) ** 2), rg.tensor([2.0]))
    >>> f(np.array([3.0], "float32"))
    (tensor(36., dtype=float32), tensor([24.], dtype=float32))
    """

    def loss_and_gradient(vector: Any = None) -> Any:
        cells = [cell for cell in model.parameters() if cell.requires_grad]
        shapes = [cell.shape for cell in cells]

        def loss_of(vector: Any) -> Any:
            parts = zip(cells, _parts(vector, shapes), strict=True)
            given: dict[Cell, Any] = {cell: converted(part, cell.dtype) for cell, part in parts}
            level, loss = under(given, lambda: loss_fn(*args, **kwargs))
            hand_down(level, given, set())
            return loss

        return value_and_grad(loss_of)(parameters_to_vector(map(constant, cells)) if vector is None else vector)

    return loss_and_gradient
