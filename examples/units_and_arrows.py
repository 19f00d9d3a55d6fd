"""A network of any shape: units, and arrows between them that may skip layers.

    python -m examples.units_and_arrows

Two inputs, one hidden unit and one output solve the exclusive or when the inputs also have arrows straight to the
output. The engine needs no layers: a unit is a number, an arrow a product, and what a unit sends to several others
comes back as a sum.

Rumelhart, Hinton, Williams (1986), section "The XOR problem".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

import retrograd as rg
from examples.xor import CAP, T, X


class Network:
    """Logistic units in an order in which every arrow points forward.

    Args:
        inputs: names of the inputs.
        arrows: for every other unit, in order, the names of those that it gets something from.
        outputs: names of the units that are the answer; they may feed others too.
    """

    def __init__(self, inputs: Sequence[str], arrows: Mapping[str, Sequence[str]], outputs: Sequence[str]) -> None:
        known = set(inputs)
        for unit, sources in arrows.items():
            if missing := [s for s in sources if s not in known]:
                raise ValueError(f"{unit} gets something from {', '.join(missing)}, which come later or not at all")
            known.add(unit)
        self.inputs, self.arrows, self.outputs = tuple(inputs), dict(arrows), tuple(outputs)

    def __call__(self, weights: Mapping[str, Any], biases: Mapping[str, Any], x: Any) -> Any:
        """The outputs, (n, outputs), for inputs (n, inputs); weights are named "source->unit"."""
        active = {name: rg.asarray(x)[:, i] for i, name in enumerate(self.inputs)}
        for unit, sources in self.arrows.items():
            net = biases[unit]
            for source in sources:
                net = net + weights[f"{source}->{unit}"] * active[source]
            active[unit] = rg.sigmoid(net)
        return rg.stack([active[name] for name in self.outputs], axis=1)


SKIP = Network(["x1", "x2"], {"h": ["x1", "x2"], "o": ["h", "x1", "x2"]}, ["o"])


def start(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and biases uniform in [-1, 1)."""
    draw = np.random.RandomState(seed)
    w1, w2, hidden_bias, up, direct1, direct2, bias = (np.float64(draw.uniform(-1, 1)) for _ in range(7))
    return {"x1->h": w1, "x2->h": w2, "h->o": up, "x1->o": direct1, "x2->o": direct2}, {"h": hidden_bias, "o": bias}


def error(parameters: Any) -> Any:
    """Half the squared error over the four rows of the exclusive or."""
    return 0.5 * rg.sum((SKIP(*parameters, X) - T) ** 2)


@lru_cache
def trainer(rate: float) -> Any:
    """A compiled run until the error is below 0.01."""

    @rg.jit
    def run(parameters: Any) -> Any:
        def unsolved(state: Any) -> Any:
            return rg.logical_and(state[0] < CAP, error(state[1]) >= 0.01)

        def update(state: Any) -> Any:
            count, parameters = state
            gradients = rg.grad(error)(parameters)
            both = zip(parameters, gradients, strict=True)
            return count + 1, tuple({name: p[name] - rate * g[name] for name in p} for p, g in both)

        return rg.while_loop(unsolved, update, (0, parameters))

    return run


def updates(seed: int, rate: float = 0.5) -> int:
    """How many updates until the problem is solved."""
    return int(trainer(rate)(start(seed))[0])


def main() -> None:
    """Print how many updates each of ten starts takes."""
    print(*(updates(seed) for seed in range(10)))


if __name__ == "__main__":
    main()
