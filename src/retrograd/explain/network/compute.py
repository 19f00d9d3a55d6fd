"""What a network computes, in the engine's own operations: outputs, errors, gradients, updates, rounds of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from retrograd.core.dispatch import current, interpreter
from retrograd.core.forward import backpropagate
from retrograd.core.reverse import Reverse
from retrograd.core.sweep import sweep
from retrograd.errors import ModelError
from retrograd.explain.network.description import CROSS_ENTROPY, MEAN_SQUARED, Layer, Network
from retrograd.jit.jitted import jit
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import array_of, face
from retrograd.ops.linear_algebra import affine
from retrograd.ops.reductions import logsumexp
from retrograd.ops.reductions import sum as _sum
from retrograd.ops.shaping import broadcast_to
from retrograd.transforms.control_flow import fori_loop
from retrograd.transforms.derivatives import value_and_grad

UPDATES = ("simultaneous", "sequential")

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "logistic": a.sigmoid,
    "tanh": a.tanh,
    "relu": a.relu,
    "softplus": a.softplus,
    "linear": lambda x: x,
}


class Passed:
    """One forward pass: what every layer made, as values of the current interpreter."""

    def __init__(self, network: Network, arrays: Sequence[Any], inputs: Any, targets: Any) -> None:
        self.nets: list[Any] = []
        self.outs: list[Any] = []
        rest = iter(arrays)
        value = inputs
        for layer in network.layers:
            weights = next(rest)
            biases = np.zeros(len(layer.neurons)) if layer.biases is None else next(rest)
            if layer.shared_bias:
                biases = broadcast_to(biases, (len(layer.neurons),))
            self.nets.append(affine(value, weights, biases))
            if layer.activation == "softmax":
                self.log_outs = a.subtract(self.nets[-1], logsumexp(self.nets[-1], axis=-1, keepdims=True))
                value = a.exp(self.log_outs)
            else:
                value = activation(layer)(self.nets[-1])
            self.outs.append(value)
        self.errors = self._errors(network, targets)
        rows = len(network.inputs)
        self.total = _sum(self.errors) if rows == 1 else _sum(self.errors) / float(rows)

    def _errors(self, network: Network, targets: Any) -> Any:
        """The error of each output neuron."""
        if network.loss == CROSS_ENTROPY:
            return a.negative(a.multiply(targets, self.log_outs))
        squared = a.square(a.subtract(targets, self.outs[-1]))
        if network.loss == MEAN_SQUARED:
            return a.divide(squared, float(len(network.outputs)))
        return a.multiply(0.5, squared)


def activation(layer: Layer) -> Callable[[Any], Any]:
    """What a layer does to its net inputs."""
    return layer.function or ACTIVATIONS[layer.activation]


def total_error(network: Network, arrays: Sequence[Any]) -> Any:
    """The error of the network with these weights: the mean over its rows."""
    return Passed(network, arrays, network.inputs, network.targets).total


def updated(network: Network, arrays: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:
    """The weights one step down the gradient; those that are not trained, or have no gradient (None), stay."""
    rate = _rate(network)
    found = []
    for old, gradient, mask in zip(arrays, gradients, network.masks(), strict=True):
        if gradient is None or not mask.any():
            found.append(old)
            continue
        new = a.subtract(old, a.multiply(rate, gradient))
        found.append(new if mask.all() else a.where(mask, new, old))
    return found


def _rate(network: Network) -> Any:
    if network.learning_rate is None:
        raise ModelError(f'{network.name}: an update needs a learning rate: write "learning_rate": 0.5')
    return network.learning_rate


def one_round(network: Network, arrays: Sequence[Any], update: str) -> list[Any]:
    """The weights after one update.

    Args:
        update: "simultaneous" is gradient descent. "sequential" is deliberately wrong, as some hand calculations are:
            each layer is overwritten on the way back, before the layers below it get their gradients, which are thereby
            those of weights that the forward pass never saw.
    """
    if update not in UPDATES:
        raise ModelError(f"there is no update {update!r}: choose {' or '.join(UPDATES)}")
    if update == "sequential":
        return _one_sequential_round(network, arrays)
    moving = tuple(i for i, mask in enumerate(network.masks()) if mask.any())
    _, found = value_and_grad(lambda *xs: total_error(network, xs), moving)(*arrays)
    gradients = dict(zip(moving, found, strict=True))
    return updated(network, arrays, [gradients.get(i) for i in range(len(arrays))])


def _one_sequential_round(network: Network, arrays: Sequence[Any]) -> list[Any]:
    level = Reverse(current(), "a sequential update")
    values = [array_of(x) for x in arrays]
    leaves = [level.leaf(v) for v in values]
    place = {box.node: i for i, box in enumerate(leaves)}
    with interpreter(level):
        total = array_of(total_error(network, leaves))
    level.closed = True
    new = list(values)

    def overwrite_first(node: Any, cotangent: Any) -> Sequence[Any]:
        """Backpropagation that changes a layer's weights before it goes on through them."""
        handed_on = backpropagate(node, cotangent)
        own = [(i, place[p]) for i, p in enumerate(node.parents) if p in place]
        if not own:
            return handed_on
        gradients: list[Any] = [None] * len(values)
        for i, number in own:
            gradients[number] = handed_on[i]
        changed_values = updated(network, values, gradients)
        args = list(node.args)
        for i, number in own:
            new[number] = array_of(changed_values[number])
            if args[i] is not None:
                args[i] = new[number]
        changed = backpropagate(_View(node.prim, args, node.out, node.parents), cotangent)
        return [h if p in place else c for h, c, p in zip(handed_on, changed, node.parents, strict=True)]

    sweep([total.node], [np.ones(())], rule=overwrite_first)
    return [face(v) for v in new]


class _View:
    """A node with other arguments."""

    def __init__(self, prim: Any, args: Any, out: Any, parents: Any) -> None:
        self.prim, self.args, self.out, self.parents = prim, args, out, parents


class Rounds:
    """Training as one compiled program.

    It takes the data, the learning rate and the weights, so that other numbers in a network of the same build run at
    once.

    Args:
        network: layers, loss, and what is trained; its numbers do not matter.
        update: one of `UPDATES`.
    """

    def __init__(self, network: Network, update: str = "simultaneous") -> None:
        def repeat(count: Any, inputs: Any, targets: Any, rate: Any, *arrays: Any) -> Any:
            with_these = replace(network, inputs=inputs, targets=targets, learning_rate=rate)
            return fori_loop(0, count, lambda _, held: tuple(one_round(with_these, held, update)), arrays)

        self._program = jit(repeat)

    def __call__(self, network: Network, arrays: Sequence[np.ndarray], rounds: int) -> list[np.ndarray]:
        """The weights after so many rounds, each an update on all rows of `network` at once."""
        if not rounds:
            return [np.asarray(x) for x in arrays]
        data = [np.array(rounds), network.inputs, network.targets, np.array(_rate(network), np.float64)]
        return [np.asarray(x) for x in self._program(*data, *[np.array(x) for x in arrays])]


def trained(network: Network, arrays: Sequence[np.ndarray], rounds: int, update: str) -> list[np.ndarray]:
    """The weights after so many rounds, each an update on all rows at once."""
    return Rounds(network, update)(network, arrays, rounds)
