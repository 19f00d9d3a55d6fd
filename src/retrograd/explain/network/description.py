"""Networks as they are written down: layers, weights with names, data, loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from retrograd.errors import ModelError

HALF_SQUARED, MEAN_SQUARED, CROSS_ENTROPY = "half squared error", "mean squared error", "cross-entropy"


class Weight(NamedTuple):
    """One weight or bias.

    Attributes:
        name: w1, b1, ...
        array: which of the network's arrays it is in; place: where.
        layer: its layer.
        neurons: the neurons that it feeds: one, or for a shared bias all of the layer.
        source: what it weighs: an input of the layer by number, or None for a bias.
        train: whether the update changes it.
    """

    name: str
    array: int
    place: tuple[int, ...]
    layer: int
    neurons: tuple[int, ...]
    source: int | None
    train: bool


class Published(NamedTuple):
    """A figure that somebody printed.

    Attributes:
        figure: E, or out_o1; after so many `rounds`.
        value: the digits.
        update: which update it comes from, if it is known.
        note: what else there is to say.
    """

    figure: str
    rounds: int
    value: str
    update: str
    note: str


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer with weights.

    Attributes:
        neurons: their names.
        weights: float64 (neurons, inputs).
        weight_names: likewise.
        weight_train: whether the update changes them; likewise.
        biases: float64: () for one that all neurons share, (neurons,) for one each, None without any.
        bias_names: as many as there are biases.
        bias_train: likewise.
        activation: its name.
        function: what it computes, if it is not one of `compute.ACTIVATIONS`.
    """

    neurons: tuple[str, ...]
    weights: np.ndarray
    weight_names: tuple[tuple[str, ...], ...]
    weight_train: np.ndarray
    biases: np.ndarray | None
    bias_names: tuple[str, ...]
    bias_train: np.ndarray
    activation: str
    function: Callable[[Any], Any] | None = None

    @property
    def shared_bias(self) -> bool:
        return self.biases is not None and not self.biases.shape


@dataclass(frozen=True, eq=False)
class Network:
    """A network with its data.

    Attributes:
        input_names: one for each input.
        inputs: float64 (rows, inputs).
        targets: float64 (rows, outputs); for a class its one-hot row.
        loss: one of the three names.
        learning_rate: None if no update is wanted.
        published: figures to compare with.
        legend: short names with what they stand for, for a reader.
    """

    name: str
    about: str
    input_names: tuple[str, ...]
    inputs: np.ndarray
    targets: np.ndarray
    layers: tuple[Layer, ...]
    loss: str
    learning_rate: float | None = None
    published: tuple[Published, ...] = ()
    legend: dict[str, str] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths, inputs first."""
        return (len(self.input_names), *[len(layer.neurons) for layer in self.layers])

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the output neurons."""
        return self.layers[-1].neurons

    def arrays(self) -> list[np.ndarray]:
        """All weights and biases, layer by layer."""
        found = []
        for layer in self.layers:
            found += [layer.weights] if layer.biases is None else [layer.weights, layer.biases]
        return found

    def masks(self) -> list[np.ndarray]:
        """Which elements of those arrays the update changes."""
        found = []
        for layer in self.layers:
            found += [layer.weight_train] if layer.biases is None else [layer.weight_train, layer.bias_train]
        return found

    def weights(self) -> Iterator[Weight]:
        """Every weight and bias."""
        number = 0
        for n, layer in enumerate(self.layers):
            for at in np.ndindex(layer.weights.shape):
                name = layer.weight_names[at[0]][at[1]]
                yield Weight(name, number, at, n, at[:1], at[1], bool(layer.weight_train[at]))
            number += 1
            if layer.biases is not None:
                for place, name in zip(np.ndindex(layer.biases.shape), layer.bias_names, strict=True):
                    fed = place or tuple(range(len(layer.neurons)))
                    yield Weight(name, number, place, n, fed, None, bool(layer.bias_train[place]))
                number += 1

    def weight(self, name: str) -> Weight:
        """The weight or bias of this name.

        Raises:
            ModelError: there is none.
        """
        names = []
        for w in self.weights():
            if w.name == name:
                return w
            names.append(w.name)
        shown = ", ".join([*names[:8], *(["..."] if len(names) > 9 else []), *names[max(8, len(names) - 1) :]])
        raise ModelError(f"there is no weight {name!r}; there are {shown}")

    def row(self, number: int) -> Network:
        """The network with one row of its data.

        Raises:
            ModelError: there is no such row.
        """
        n = len(self.inputs)
        if not 0 <= number < n:
            there = f"{n} rows, counted from 0" if n > 1 else "one row, number 0"
            raise ModelError(f"there is no row {number}: the data has {there}")
        chosen = slice(number, number + 1)
        return replace(self, inputs=self.inputs[chosen], targets=self.targets[chosen])


def with_arrays(network: Network, arrays: Sequence[np.ndarray]) -> Network:
    """The network with other weights."""
    rest = iter(arrays)
    layers = []
    for layer in network.layers:
        weights = np.asarray(next(rest))
        biases = None if layer.biases is None else np.asarray(next(rest))
        layers.append(replace(layer, weights=weights, biases=biases))
    return replace(network, layers=tuple(layers))
