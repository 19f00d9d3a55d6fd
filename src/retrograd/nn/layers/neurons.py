"""A layer put together from a weight function, a net input function and a transfer function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

from retrograd.core.source import at_user_line
from retrograd.errors import DifferentiationError, RetrogradError, ShapeError
from retrograd.nn import init
from retrograd.nn.checks import same_width
from retrograd.nn.functions import leaky_relu, linear, softmax
from retrograd.nn.module import Module
from retrograd.nn.thresholds import gaussian, step
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import array_of, face
from retrograd.ops.random import Generator
from retrograd.ops.reductions import sum as _sum
from retrograd.ops.shaping import expand_dims
from retrograd.tensor.parameter import Parameter


class Choice(NamedTuple):
    """A function that a layer can be made with, and whether it can be trained through."""

    function: Callable[..., Any]
    differentiable: bool


def distance(input: Any, weight: Any) -> Any:
    r"""Minus the Euclidean distance: :math:`-\lVert w_j - x \rVert`, (..., in) and (out, in) to (..., out).

    Its gradient in w is :math:`(x - w) / \lVert w - x \rVert`, and 0 where w and x are the same.
    """
    apart = expand_dims(input, -2) - weight
    squares = _sum(apart * apart, axis=-1)
    none = squares == 0.0
    return -a.where(none, 0.0, a.sqrt(a.where(none, 1.0, squares)))


def product(parts: Sequence[Any]) -> Any:
    """All parts multiplied; the derivative of one is the product of the others, without a division."""
    return reduce(a.multiply, parts)


def total(parts: Sequence[Any]) -> Any:
    """All parts added."""
    return reduce(a.add, parts)


def _line(x: Any) -> Any:
    return x


_CHOICES: dict[str, dict[str, Choice]] = {
    "weight": {"dot": Choice(linear, True), "distance": Choice(distance, True)},
    "net input": {"sum": Choice(total, True), "product": Choice(product, True)},
    "transfer": {
        **{f.__name__: Choice(f, True) for f in (a.sigmoid, a.tanh, a.relu, a.softplus, gaussian, leaky_relu, softmax)},
        "linear": Choice(_line, True),
        "step": Choice(step, False),
    },
}


def register_neuron_function(
    kind: str, name: str, function: Callable[..., Any], *, differentiable: bool = True
) -> None:
    """Make a function known to `Neurons` by name.

    Its derivative needs no declaration: it follows from the operations it is written with. What has none, a threshold
    or a function of another library, is registered with ``differentiable=False`` and serves inference only.

    Args:
        kind: "weight", a function of (..., in) and (out, in) that gives (..., out); "net input", of a list of weighted
            inputs (and the bias); "transfer", of the net input.
        name: what layers call it; a name that is taken is refused.
        function: the function.
        differentiable: whether gradients may go through it.

    Raises:
        RetrogradError: for another kind, a name that is taken, or what cannot be called.
    """
    of_kind = _of_kind(kind)
    if name in of_kind:
        raise RetrogradError(f"register_neuron_function: there is a {kind} function {name!r} already")
    if not callable(function):
        raise RetrogradError(
            f"register_neuron_function: a {kind} function is callable, a {type(function).__name__} is not"
        )
    of_kind[name] = Choice(function, differentiable)


def neuron_functions(kind: str) -> tuple[str, ...]:
    """The names of the functions of a kind: "weight", "net input" or "transfer".

    Raises:
        RetrogradError: for another kind.

    >>> neuron_functions("weight")
    ('dot', 'distance')
    """
    return tuple(_of_kind(kind))


def _of_kind(kind: str) -> dict[str, Choice]:
    found = _CHOICES.get(kind)
    if found is None:
        raise RetrogradError(f"a neuron's functions are {', '.join(map(repr, _CHOICES))}; {kind!r} is no kind of them")
    return found


class Neurons(Module):
    r"""Units :math:`a = f(n(w(x_1), \dots, w(x_k), b))`: a weight, a net input and a transfer function, by name.

    Args:
        in_features: the length of the last axis of the input; of several inputs, their lengths.
        out_features: units.
        weight: what each input becomes with its weights: "dot", "distance", or one that was registered.
        net_input: how weighted inputs and bias come together: "sum", "product", ...
        transfer: "sigmoid", "tanh", "relu", "linear", "gaussian", "step", ...
        bias: whether there is one; with a product it begins as ones, else as zeros.
        trainable: False for a layer that is only evaluated: its parameters require no gradients, and functions without
            derivative are welcome.
        dtype: of the parameters.
        generator: where the draws come from.

    Raises:
        DifferentiationError: when the layer is made, if it is trainable and one of its functions has no derivative.

    The parts of MATLAB's network layers (`dotprod`, `negdist`; `netsum`, `netprod`; `logsig`, `radbas`, ...).
    """

    def __init__(
        self,
        in_features: int | Sequence[int],
        out_features: int,
        *,
        weight: str = "dot",
        net_input: str = "sum",
        transfer: str = "tanh",
        bias: bool = True,
        trainable: bool = True,
        dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:
        self.in_features = (in_features,) if isinstance(in_features, int) else tuple(in_features)
        self.out_features = out_features
        self.names = weight, net_input, transfer
        chosen = [_chosen(k, n, trainable) for k, n in zip(_CHOICES, self.names, strict=True)]
        self.weigh, self.combine, self.transfer = chosen

        def drawn(n: int) -> Parameter:
            bound = 1.0 / math.sqrt(max(n, 1))
            values = init.uniform((out_features, n), -bound, bound, generator=generator, dtype=dtype)
            return Parameter(values, requires_grad=trainable)

        self.weights = [drawn(n) for n in self.in_features]
        start = init.ones if net_input == "product" else init.zeros
        self.bias = Parameter(start((out_features,), dtype=dtype), requires_grad=trainable) if bias else None

    def forward(self, *inputs: Any) -> Any:
        if len(inputs) != len(self.in_features):
            raise ShapeError(f"Neurons of {len(self.in_features)} inputs got {len(inputs)}{at_user_line()}")
        parts = [self._weighted(x, w) for x, w in zip(inputs, self.weights, strict=True)]
        return self.transfer(self.combine(parts if self.bias is None else [*parts, self.bias.value]))

    def _weighted(self, x: Any, weight: Parameter) -> Any:
        value = same_width("Neurons", array_of(x), weight.dtype)
        if tuple(value.shape[-1:]) != weight.shape[1:]:
            raise ShapeError(
                f"Neurons: an input of shape {tuple(value.shape)}{at_user_line()}: its last axis must have length "
                f"{weight.shape[1]}"
            )
        return self.weigh(face(value), weight.value)

    def extra_repr(self) -> str:
        sizes = ", ".join(map(str, self.in_features))
        return f"{sizes} to {self.out_features}, {', '.join(self.names)}"


def _chosen(kind: str, name: str, trainable: bool) -> Callable[..., Any]:
    choice = _CHOICES[kind].get(name)
    if choice is None:
        raise RetrogradError(f"Neurons: the {kind} functions are {', '.join(_CHOICES[kind])}; {name!r} is none of them")
    if trainable and not choice.differentiable:
        raise DifferentiationError(
            f"Neurons: the {kind} function {name!r} has no derivative, so the layer cannot be trained; "
            "trainable=False makes one that is only evaluated"
        )
    return choice.function
