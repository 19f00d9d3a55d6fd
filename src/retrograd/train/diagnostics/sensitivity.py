"""How much outputs and loss depend on each input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.dispatch import current, interpreter
from retrograd.core.overlay import Overlay
from retrograd.errors import ShapeError
from retrograd.nn.module import Module
from retrograd.train.door import admit, admit_inputs
from retrograd.train.forward import evaluating
from retrograd.transforms.derivatives import grad, jacobian
from retrograd.transforms.vectorise import vmap


def input_gradient(model: Module, loss: Callable[[Any, Any], Any], x: Any, y: Any) -> np.ndarray:
    r"""The derivative of the loss with respect to the inputs, of the shape of x, in evaluation mode.

    For a layered network it is :math:`(W^1)^T \delta^1`.

    Raises:
        DataError, ShapeError: the arrays do not fit.
    """
    rows = admit(model, loss, x, y)
    with evaluating(model), interpreter(Overlay(current(), {})):
        return np.asarray(grad(lambda inputs: loss(model(inputs), rows.y))(rows.x))


@dataclass(frozen=True)
class Sensitivity:
    """Mean absolute derivatives over a data set.

    Attributes:
        by_output: (outputs, inputs): how much each output moves when an input moves by one.
        names: of the inputs.
    """

    by_output: np.ndarray
    names: tuple[str, ...]

    @property
    def of_inputs(self) -> np.ndarray:
        """The mean over the outputs, one number for each input."""
        return self.by_output.mean(axis=0)

    def __str__(self) -> str:
        order = np.argsort(-self.of_inputs)
        width = max(map(len, self.names), default=0)
        return "\n".join(f"{self.names[i]:{width}}  {self.of_inputs[i]:.4g}" for i in order)


def sensitivity(model: Module, x: Any, names: Sequence[str] | None = None) -> Sensitivity:
    """The sensitivity of the outputs to each input: the mean, over n rows, of the size of the Jacobian's elements.

    Args:
        model: a module that takes rows (n, inputs), each by itself, and gives (n, outputs).
        x: the rows.
        names: of the inputs; "input 0", ... by default.

    Raises:
        ShapeError: for no rows, rows that are no vectors, or another number of names.
    """
    inputs, _ = admit_inputs(model, x)
    if inputs.ndim != 2 or not len(inputs):
        raise ShapeError(f"sensitivity takes one or more rows (n, inputs), not shape {inputs.shape}")
    listed = tuple(names) if names is not None else tuple(f"input {i}" for i in range(inputs.shape[1]))
    if len(listed) != inputs.shape[1]:
        raise ShapeError(f"sensitivity: {len(listed)} names for {inputs.shape[1]} inputs")
    with evaluating(model), interpreter(Overlay(current(), {})):
        jacobians = np.asarray(vmap(jacobian(lambda row: model(row[None])[0]))(inputs))
    by_output = np.abs(jacobians).reshape(len(inputs), -1, inputs.shape[1]).mean(axis=0)
    return Sensitivity(by_output, listed)
