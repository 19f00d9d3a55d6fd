"""The exclusive or: the smallest problem that needs a hidden layer.

    python -m examples.xor

A 2-h-1 logistic network, gradients of half the squared error summed over the four rows, plain gradient descent. How
many updates until the error is below 0.01, from ten random starts? With the cross-entropy the output's delta keeps its
size while the unit is saturated, and learning is several times as quick. Two hidden units sometimes never get there,
and one start is known from which three do not either: descent ends in minima that are only local.

Rumelhart, Hinton, Williams (1986); Minsky and Papert (1969) for the problem.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

import retrograd as rg
from examples.fixtures import det

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])
CAP = 20_000

Weights = tuple[Any, Any, Any, Any]  # W1 (h, 2), b1 (h,), W2 (1, h), b2 (1,), float64


def start(hidden: int, seed: int) -> Weights:
    """Weights uniform in [-1, 1), in the order W1, b1, W2, b2."""
    draw = np.random.RandomState(seed)
    return tuple(draw.uniform(-1, 1, shape) for shape in ((hidden, 2), (hidden,), (1, hidden), (1,)))


def trap() -> Weights:
    """A 2-3-1 start from which descent does not solve the problem."""
    return det((3, 2), 1, 0), det((3,), 1, 6), det((1, 3), 1, 9), det((1,), 1, 12)


def outputs(weights: Weights, transfer: Callable[[Any], Any] = rg.sigmoid) -> Any:
    """The network's answers to the four rows, (4, 1)."""
    W1, b1, W2, b2 = weights
    return transfer(rg.nn.linear(transfer(rg.nn.linear(X, W1, b1)), W2, b2))


def squared_error(weights: Weights) -> Any:
    """Half the squared error, summed."""
    return 0.5 * rg.sum((outputs(weights) - T) ** 2)


def cross_entropy(weights: Weights) -> Any:
    """Its derivative with respect to the output's net input is just output minus target."""
    W1, b1, W2, b2 = weights
    net = rg.nn.linear(rg.sigmoid(rg.nn.linear(X, W1, b1)), W2, b2)
    return rg.nn.binary_cross_entropy_with_logits(net, T, reduction="sum")


@lru_cache
def trainer(loss: Callable[[Weights], Any], cap: int, goal: float) -> Callable[..., Any]:
    """A compiled run: updates until the squared error is below `goal`, `cap` at most."""

    @rg.jit
    def run(weights: Weights, learning_rate: float) -> Any:
        def unsolved(state: Any) -> Any:
            return rg.logical_and(state[0] < cap, squared_error(state[1]) >= goal)

        def update(state: Any) -> Any:
            count, weights = state
            gradients = rg.grad(loss)(weights)
            return count + 1, tuple(w - learning_rate * g for w, g in zip(weights, gradients, strict=True))

        return rg.while_loop(unsolved, update, (0, weights))

    return run


def train(
    weights: Weights, learning_rate: float = 0.5, *, loss: Any = squared_error, updates: int = CAP, goal: float = 0.01
) -> tuple[int, Weights]:
    """How many updates were made, and the weights after them; `goal=0` makes all of them."""
    count, weights = trainer(loss, updates, goal)(weights, learning_rate)
    return int(count), weights


def main() -> None:
    """Print how many updates each start takes."""
    for what, hidden, loss in (
        ("2 hidden units", 2, squared_error),
        ("4 hidden units", 4, squared_error),
        ("4 hidden units, cross-entropy", 4, cross_entropy),
    ):
        counts = [train(start(hidden, seed), loss=loss)[0] for seed in range(10)]
        print(f"{what:30}", *(f"{n:6d}" if n < CAP else " never" for n in counts))
    _, weights = train(trap(), updates=5000)
    print(f"the trap: E = {squared_error(weights).item():.9f} after 5000 updates")


if __name__ == "__main__":
    main()
