"""Backpropagation is older than neural networks: the gradient of optimal control.

    python -m examples.optimal_control

A state goes through N stages, each with a control; what all of it costs is to be least. The derivative of the cost with
respect to the states, the costates, runs backward from the last one, and the gradient in the controls falls out of it:
a layered network is the case in which the controls are the weights. The costates here are derivatives with respect to a
nudge of each state.

Kelley (1960); Bryson (1961); Dreyfus (1962, 1973).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import retrograd as rg

N = 5


class Problem:
    """Stages x' = f(x, u), a cost of each stage and one of the last state.

    Args:
        f: the next state.
        running: the cost of a stage, of its state and control.
        final: the cost of the last state.
    """

    def __init__(
        self, f: Callable[[Any, Any], Any], running: Callable[[Any, Any], Any], final: Callable[[Any], Any]
    ) -> None:
        self.f, self.running, self.final = f, running, final

    def cost(self, controls: Any, x: Any, nudges: Any = None) -> Any:
        """What the controls cost from state x on; `nudges` are added to the states as they come, the first one too."""
        total: Any = 0.0
        for k, u in enumerate(controls):
            x = x if nudges is None else x + nudges[k]
            total = total + self.running(x, u)
            x = self.f(x, u)
        return total + self.final(x if nudges is None else x + nudges[-1])

    def costates(self, controls: Any, x: Any) -> Any:
        """The derivative of the cost with respect to every state, and the gradient in the controls."""
        zero = [rg.zeros_like(s) for s in self.states(controls, x)]
        gradient, found = rg.grad(self.cost, argnums=(0, 2))(controls, x, zero)
        return found, gradient

    def states(self, controls: Any, x: Any) -> list[Any]:
        """The states, the first and the last among them."""
        states = [rg.asarray(x)]
        for u in controls:
            states.append(self.f(states[-1], u))
        return states


def regulator() -> Problem:
    """Scalar, linear, quadratic: x' = x + u/2, half of x^2 + u^2/10 at each stage, x^2 at the end."""
    return Problem(
        f=lambda x, u: x + 0.5 * u, running=lambda x, u: 0.5 * (x * x + 0.1 * u * u), final=lambda x: 0.5 * 2.0 * x * x
    )


def riccati() -> np.ndarray:
    """The best controls from state 1, by the textbook's backward recursion."""
    a, b, q, r, p = 1.0, 0.5, 1.0, 0.1, 2.0
    gains = []
    for _ in range(N):
        gain = b * p * a / (r + b * b * p)
        p = q + a * a * p - a * p * b * gain
        gains.append(gain)
    x, controls = 1.0, []
    for gain in reversed(gains):
        controls.append(-gain * x)
        x = a * x + b * controls[-1]
    return np.array(controls)


@rg.jit
def descend(controls: Any, rate: float) -> Any:
    """Five thousand steps of steepest descent."""
    cost = regulator().cost

    def step(i: Any, controls: Any) -> Any:
        gradient = rg.grad(lambda u: cost([u[k] for k in range(N)], 1.0))(controls)
        return controls - rate * gradient

    return rg.fori_loop(0, 5000, step, controls)


def main() -> None:
    """Print costates and gradient at no control, and where descent ends."""
    problem, nothing = regulator(), [np.float64(0.0)] * N
    costates, gradient = problem.costates(nothing, 1.0)
    print("cost    ", problem.cost(nothing, 1.0))
    print("costates", *(c.item() for c in costates))
    print("gradient", *(g.item() for g in gradient))
    best = descend(np.zeros(N), 0.02).numpy()
    print("descent ", best, "cost", float(problem.cost(list(best), 1.0)))
    print("Riccati ", riccati(), "cost", float(problem.cost(list(riccati()), 1.0)))


if __name__ == "__main__":
    main()
