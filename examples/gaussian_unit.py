"""One hidden unit with a Gaussian transfer function separates what is in the middle from both sides.

    python -m examples.gaussian_unit

y = s(h w_o - 1), h = exp(-(x w_h)^2), the cross-entropy summed. Two weights, so the surface can be drawn; it is not
convex: with half the rate, descent ends in a worse basin.

Roelants, "How to implement a neural network, part 2" (2015), with quantiles in place of random numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

import retrograd as rg


def points() -> tuple[np.ndarray, np.ndarray]:
    """Ten points on each side of class 0, twenty in the middle of class 1."""
    side, middle = 0.5 * ndtri((np.arange(10) + 0.5) / 10), 0.5 * ndtri((np.arange(20) + 0.5) / 20)
    return np.r_[side - 2, side + 2, middle], np.r_[np.zeros(20), np.ones(20)]


X, T = points()


def net_input(weights: Any) -> Any:
    """What goes into the logistic output, (40,)."""
    hidden_weight, output_weight = weights
    hidden = rg.exp(-((X * hidden_weight) ** 2))
    return hidden * output_weight - 1.0


def cost(weights: Any) -> Any:
    """The cross-entropy, summed over the points."""
    return rg.nn.binary_cross_entropy_with_logits(net_input(weights), T, reduction="sum")


def backprop_update(weights: Any, rate: float) -> Any:
    """One step of gradient descent on both weights."""
    return tuple(w - rate * g for w, g in zip(weights, rg.grad(cost)(weights), strict=True))


def train(weights: Any, rate: float, steps: int = 50) -> Any:
    """The rate falls to 0 in equal parts, the first of them before the first step."""
    for step in range(steps):
        weights = backprop_update(weights, rate - rate / steps * (step + 1))
    return weights


def accuracy(weights: Any) -> float:
    """The share of points on their side of 1/2."""
    return float(((net_input(weights).numpy() > 0) == (T > 0.5)).mean())


def main() -> None:
    """Print where two rates end."""
    start = np.float64(2.0), np.float64(-5.0)
    for rate in (0.2, 0.1):
        weights = train(start, rate)
        found = [*(w.item() for w in weights), cost(weights).item()]
        print(f"rate {rate}: weights and cost", *(f"{x:.8f}" for x in found), f"accuracy {accuracy(weights)}")


if __name__ == "__main__":
    main()
