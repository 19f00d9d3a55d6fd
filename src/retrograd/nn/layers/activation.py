"""Activations as modules; the functions are in `retrograd.nn`."""

from __future__ import annotations

from typing import Any

from retrograd.nn import functions as f
from retrograd.nn.module import Module
from retrograd.nn.registered import Registered


class Tanh(Module):
    r"""Hyperbolic tangent, elementwise."""

    def forward(self, input: Any) -> Any:
        return f.tanh(input)


class Sigmoid(Module):
    r"""Logistic sigmoid :math:`1 / (1 + e^{-x})`, elementwise."""

    def forward(self, input: Any) -> Any:
        return f.sigmoid(input)


class ReLU(Module):
    r"""Rectifier :math:`\max(x, 0)`, elementwise; the derivative at 0 is 0."""

    def forward(self, input: Any) -> Any:
        return f.relu(input)


class SiLU(Module):
    """`silu`, elementwise."""

    def forward(self, input: Any) -> Any:
        return f.silu(input)


class Softplus(Module):
    """`softplus` with this `beta`, elementwise."""

    beta = Registered()

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def forward(self, input: Any) -> Any:
        return f.softplus(input, self.beta)

    def extra_repr(self) -> str:
        return f"{self.beta}"


class GELU(Module):
    """`gelu`, exact or (with ``approximate="tanh"``) approximate, elementwise."""

    approximate = Registered()

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return f.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return "" if self.approximate == "none" else repr(self.approximate)


class LeakyReLU(Module):
    """`leaky_relu` with this slope below zero, elementwise."""

    negative_slope = Registered()

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, input: Any) -> Any:
        return f.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"{self.negative_slope}"


class Softmax(Module):
    """`softmax` along the axis `dim`."""

    dim = Registered()

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return f.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """`log_softmax` along the axis `dim`."""

    dim = Registered()

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return f.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
