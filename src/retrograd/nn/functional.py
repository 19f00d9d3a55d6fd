"""Models as functions of their parameters: `functional_call`, `value_and_grad`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from retrograd.core.cells import Cell
from retrograd.core.dispatch import current, interpreter
from retrograd.core.overlay import Overlay
from retrograd.errors import CellError, RetrogradError
from retrograd.nn.module import Module
from retrograd.nn.state import by_cell, constant
from retrograd.nn.structure import structure_of
from retrograd.ops.inputs import face
from retrograd.tensor.parameter import Buffer, Parameter
from retrograd.transforms.derivatives import value_and_grad as _value_and_grad


def functional_call(model: Module, params: Mapping[str, Any], *args: Any, mutable: bool = False, **kwargs: Any) -> Any:
    """``model(*args, **kwargs)`` with other values for its parameters and buffers.

    Args:
        params: values by path, as `Module.parameters_tree` gives them; nested dicts are welcome. A path that is missing
            keeps the model's own value.
        mutable: leave the model untouched where it assigns its buffers, and return their values beside the output.
            Without it such an assignment reaches the model's own buffer, as in an ordinary call.

    Returns:
        The output; with `mutable` the pair (output, state), where state has every buffer of the model by path, and
        every parameter that was assigned.

    Raises:
        RetrogradError: for a path that the model does not have.
        CellError: for a value of another shape or dtype; without `mutable` also if the model assigns a cell whose value
            was given.

    >>> import retrograd as rg
    >>> line = rg.nn.Linear(1, 1)
    >>> functional_call(line, {"weight": rg.tensor([[2.0]]), "bias": rg.tensor([1.0])}, rg.tensor([3.0]))
    tensor([7.], dtype=float32)
    """
    structure = structure_of(model)
    given = by_cell(type(model).__name__, structure, params)
    level, output = under(given, lambda: model(*args, **kwargs))
    own = set(structure.by_name.values()) if mutable else set()
    hand_down(level, given, own)
    if not mutable:
        return output
    return output, {
        path: face(level.read(cell))
        for path, cell in structure.unique(Cell)
        if isinstance(cell, Buffer) or cell in level.assigned
    }


def under(values: Mapping[Cell, Any], call: Callable[[], Any]) -> tuple[Overlay, Any]:
    """What `call` returns while cells read as `values`, and the level that holds what it assigned."""
    level = Overlay(current(), values)
    try:
        with interpreter(level):
            return level, call()
    finally:
        level.closed = True


def hand_down(level: Overlay, given: Mapping[Cell, Any], kept: set[Cell]) -> None:
    """Assign what the level has collected, except for `kept`; a value given for a call cannot be assigned by it."""
    passed = {cell: value for cell, value in level.overlay.items() if cell in level.assigned and cell not in kept}
    for cell in passed:
        if cell in given:
            raise CellError(
                f"{cell.name} was assigned during a call that was given a value for it. "
                "rg.nn.functional_call(..., mutable=True) returns the new value."
            )
    current().assign_all([(cell, value, None) for cell, value in passed.items()])


def value_and_grad(model: Module, loss_fn: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
    """A function that gives the loss and its gradient with respect to the trainable parameters of `model`.

    No `.grad` is read or written: the gradient is returned, for `optimizer.step(grads)` or `optimizer.update`. It is a
    constant to `.backward()`; other transforms, and `value_and_grad` itself, may be nested around it.

    Args:
        model: its parameters are differentiated; frozen ones (``requires_grad=False``) are constants.
        loss_fn: uses the model, and returns a scalar, or ``(scalar, anything)`` with `has_aux`.

    Returns:
        A function with the arguments of `loss_fn` that gives ``(loss, grads)``; grads are by path, as in
        `Module.parameters_tree`.

    >>> import retrograd as rg
    >>> line = rg.nn.Linear(1, 1, bias=False)
    >>> line.weight = [[3.0]]
    >>> loss, grads = value_and_grad(line, lambda x: rg.sum(line(x) ** 2))(rg.tensor([2.0]))
    >>> loss, grads["weight"]
    (tensor(36., dtype=float32), tensor([[24.]], dtype=float32))
    """

    @wraps(loss_fn)
    def value_and_grad_f(*args: Any, **kwargs: Any) -> Any:
        trained: dict[str, Parameter] = {p: cell for p, cell in model.named_parameters() if cell.requires_grad}
        if not trained:
            raise RetrogradError(f"the {type(model).__name__} has no parameter that requires gradients")

        @wraps(loss_fn)
        def loss_of(values: Mapping[str, Any]) -> Any:
            given: dict[Cell, Any] = {cell: values[path] for path, cell in trained.items()}
            level, result = under(given, lambda: loss_fn(*args, **kwargs))
            hand_down(level, given, set())
            return result

        return _value_and_grad(loss_of, has_aux=has_aux)({path: constant(cell) for path, cell in trained.items()})

    return value_and_grad_f
