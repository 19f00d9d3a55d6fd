"""The step function, and Gaussian units."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from retrograd.core.box import Box
from retrograd.core.source import at_user_line
from retrograd.errors import DifferentiationError
from retrograd.nn.module import Module
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import as_float, face
from retrograd.transforms.custom import custom_vjp
from retrograd.transforms.derivatives import vjp


def gaussian(input: Any) -> Any:
    r"""A bump, elementwise: :math:`y = e^{-x^2}`. Broomhead and Lowe (1988)."""
    x = face(as_float(input))
    return a.exp(-(x * x))


def step(input: Any, surrogate: Callable[[Any], Any] | None = None) -> Any:
    r"""The threshold of McCulloch and Pitts (1943), elementwise: 1 where :math:`x > 0`, else 0.

    Its derivative is 0 wherever there is one, so nothing can be learned through it: following its input for a gradient
    raises, unless a surrogate is named, whose derivative is then taken in its place (the *straight-through* trick:
    Bengio, Léonard, Courville 2013). It is not found out where a compiled function that uses it is differentiated from
    outside: that gradient is 0.

    Args:
        surrogate: an elementwise function such as `rg.sigmoid`.

    Raises:
        DifferentiationError: without a surrogate, if the input is followed.

    >>> import retrograd as rg
    >>> step(rg.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 1.], dtype=float32)
    >>> rg.grad(lambda x: step(x, rg.sigmoid))(0.0)
    tensor(0.25, dtype=float64, weak)
    """
    x = as_float(input)
    if surrogate is not None:
        return _surrogated(surrogate)(x)
    if _followed(x):
        raise DifferentiationError(
            f"step{at_user_line()}: its derivative is 0 everywhere, so nothing is learned through it. Name a surrogate "
            "whose derivative to take, step(x, surrogate=rg.sigmoid), or say that none is meant: "
            "step(rg.stop_gradient(x))"
        )
    return _stepped(x)


def _stepped(x: Any) -> Any:
    return a.astype(a.greater(face(x), 0.0), x.dtype)


def _followed(x: Any) -> bool:
    """Whether some level records what is done with `x`."""
    while isinstance(x, Box):
        if x.node is not None:
            return True
        x = x.value
    return False


@lru_cache
def _surrogated(surrogate: Callable[[Any], Any]) -> Any:
    """The step with another function's derivative."""

    @custom_vjp
    def stepped(x: Any) -> Any:
        return _stepped(x)

    stepped.defvjp(lambda x: (_stepped(x), x), lambda x, ct: vjp(surrogate, x)[1](ct))
    return stepped


class Step(Module):
    """`step`, elementwise, with this surrogate."""

    def __init__(self, surrogate: Callable[[Any], Any] | None = None) -> None:
        self.surrogate = surrogate

    def forward(self, input: Any) -> Any:
        return step(input, self.surrogate)


class Gaussian(Module):
    """`gaussian`, elementwise."""

    def forward(self, input: Any) -> Any:
        return gaussian(input)
