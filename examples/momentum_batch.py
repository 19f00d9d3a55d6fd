"""Batch backpropagation with momentum, flat-spot elimination and a dead zone.

    python -m examples.momentum_batch

Four learning parameters: the rate, a threshold below which an error counts as none, the momentum, and a constant that
is added to every derivative of the logistic function, so that a saturated unit still learns. The last two and the
threshold make the direction something else than the gradient, on purpose: it is declared as such, with a rule of its
own for the logistic function, and everything else stays backpropagation.

Fahlman (1988) for the constant; the ANN toolbox of Scilab (Hristev 1998) for the four parameters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import retrograd as rg
from examples.xor import CAP, T, Weights, outputs, squared_error, start


class Learning(NamedTuple):
    """The four learning parameters."""

    rate: float = 0.5
    threshold: float = 0.0
    momentum: float = 0.0
    constant: float = 0.0


def steeper_logistic(constant: float) -> Any:
    """The logistic function, whose derivative is taken to be s'(z) + constant."""

    @rg.custom_vjp
    def transfer(z: Any) -> Any:
        return rg.sigmoid(z)

    def forward(z: Any) -> Any:
        y = rg.sigmoid(z)
        return y, y

    def backward(y: Any, ct: Any) -> Any:
        return (ct * (y * (1.0 - y) + constant),)

    transfer.defvjp(forward, backward)
    return transfer


def direction(weights: Weights, learning: Learning) -> Weights:
    """What is descended along: the gradient, if threshold and constant are 0."""
    transfer = steeper_logistic(learning.constant)
    found, pull = rg.vjp(lambda w: outputs(w, transfer), weights)
    error = found - T
    return pull(rg.where(rg.absolute(error) < learning.threshold, 0.0, error))[0]


@lru_cache
def trainer(learning: Learning, cap: int) -> Any:
    """A compiled run until the error is below 0.01."""

    @rg.jit
    def run(weights: Weights, changes: Weights) -> Any:
        def unsolved(state: Any) -> Any:
            return rg.logical_and(state[0] < cap, squared_error(state[1]) >= 0.01)

        def update(state: Any) -> Any:
            count, weights, changes = state
            along = direction(weights, learning)
            changes = tuple(learning.momentum * c - learning.rate * g for c, g in zip(changes, along, strict=True))
            return count + 1, tuple(w + c for w, c in zip(weights, changes, strict=True)), changes

        return rg.while_loop(unsolved, update, (0, weights, changes))

    return run


def train(weights: Weights, learning: Learning, changes: Weights | None = None, cap: int = CAP) -> Any:
    """The number of updates, the weights, and the last changes of them, with which a run can be resumed."""
    changes = tuple(rg.zeros_like(w) for w in weights) if changes is None else changes
    count, weights, changes = trainer(learning, cap)(weights, changes)
    return int(count), weights, changes


def main() -> None:
    """Print how many updates the exclusive or takes."""
    for learning in (Learning(), Learning(momentum=0.9), Learning(constant=0.1), Learning(threshold=0.05)):
        counts = [train(start(4, seed), learning)[0] for seed in range(5)]
        print(f"{learning!s:75}", *(f"{n:6d}" if n < CAP else " never" for n in counts))


if __name__ == "__main__":
    main()
