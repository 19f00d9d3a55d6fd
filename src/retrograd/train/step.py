"""The one place where a model learns from a minibatch."""

from collections.abc import Callable
from typing import Any


def make_step(model: Any, loss: Any, optimizer: Any) -> Callable[[Any, Any], Any]:
    """A function of inputs and targets that changes the parameters and returns the loss before the change.

    It ends with `zero_grad`, so that a compiled step need not store a gradient that nobody can see.
    """

    def step(x: Any, y: Any) -> Any:
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        return value

    return step
