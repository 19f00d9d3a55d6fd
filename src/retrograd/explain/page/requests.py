"""What a live page asks: read and checked before the engine sees a number of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from retrograd.errors import ModelError
from retrograd.explain.network.compute import ACTIVATIONS
from retrograd.explain.network.description import CROSS_ENTROPY, Layer, Network, with_arrays
from retrograd.explain.network.files import parsed

MOST_ROUNDS = 10_000  # of one request
LATEST = 10**9
KEYS = ("row", "output", "view", "round", "rounds", "state")
STATE = ("inputs", "targets", "arrays", "learning_rate", "activations")


@dataclass(frozen=True)
class Request:
    """A network as the reader has changed it, and what is to be shown.

    Attributes:
        network: with the reader's numbers.
        row: the example to work through.
        output: which output decides what is drawn of a large network.
        view: the key of the view that the page has.
        round: how many updates it has seen; rounds: how many more are wanted.
    """

    network: Network
    row: int
    output: int | None
    view: str
    round: int
    rounds: int


def read(body: bytes, base: Network) -> Request:
    """The request in a body.

    Args:
        body: JSON.
        base: the network that is played with: its build cannot change, but for activations.

    Raises:
        ModelError: it is none; one line.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("the request is not UTF-8 text") from error
    content = _object(parsed(text, "the request"), KEYS, "the request")
    state = _object(content["state"], STATE, "state")
    network = _network(state, base)
    rate = network.learning_rate
    output, rounds = content["output"], _whole(content["rounds"], "rounds", MOST_ROUNDS)
    if rounds and rate is None:
        raise ModelError("an update needs a learning rate: write one in its field")
    if not isinstance(content["view"], str):
        raise ModelError("view: this is not the key of a view")
    return Request(
        network=network,
        row=_whole(content["row"], "row", len(network.inputs) - 1),
        output=None if output is None else _whole(output, "output", network.sizes[-1] - 1),
        view=content["view"],
        round=_whole(content["round"], "round", LATEST),
        rounds=rounds,
    )


def _network(state: dict[str, Any], base: Network) -> Network:
    """The base with the reader's numbers."""
    inputs = _matrix(state["inputs"], base.inputs.shape, "inputs", base.input_names)
    targets = _matrix(state["targets"], base.targets.shape, "targets", base.outputs)
    if base.loss == CROSS_ENTROPY and (np.any(targets < 0) or np.any(np.abs(targets.sum(1) - 1) > 1e-9)):
        raise ModelError("targets: with cross-entropy those of a row are probabilities that sum to 1")
    rate = state["learning_rate"]
    if rate is not None:
        rate = _number(rate, "learning rate")
        if rate <= 0:
            raise ModelError("learning rate: give a number above 0, such as 0.5")
    kinds = _list(state["activations"], len(base.layers), "activations")
    layers = tuple(_layer(layer, kind, n) for n, (layer, kind) in enumerate(zip(base.layers, kinds, strict=True)))
    given = _list(state["arrays"], len(base.arrays()), "arrays")
    arrays = [_array(x, a.shape, n) for x, a, n in zip(given, base.arrays(), _names(base), strict=True)]
    return with_arrays(replace(base, inputs=inputs, targets=targets, learning_rate=rate, layers=layers), arrays)


@lru_cache(maxsize=4)
def _names(base: Network) -> list[list[str]]:
    """What the elements of each array are called."""
    names: list[list[str]] = [[] for _ in base.arrays()]
    for w in base.weights():
        names[w.array].append(w.name)
    return names


def _layer(layer: Layer, kind: Any, n: int) -> Layer:
    if kind == layer.activation:
        return layer
    free = layer.function is None and layer.activation != "softmax"
    if not free or not isinstance(kind, str) or kind not in ACTIVATIONS:
        choice = ", ".join(ACTIVATIONS)
        raise ModelError(f"activations[{n}]: {kind!r:.40} cannot stand here: a layer may have {choice}")
    return replace(layer, activation=kind)


def _object(value: Any, keys: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise ModelError(f"{where}: an object with {', '.join(keys)} is needed")
    return value


def _list(value: Any, count: int, where: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise ModelError(f"{where}: a list of {count} is needed")
    return value


def _whole(value: Any, where: str, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ModelError(f"{where}: a whole number from 0 to {most:,} is needed")
    return value


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float):
        raise ModelError(f"{where}: {value!r:.40} is no number: write one such as 0.15")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ModelError(f"{where}: the number is too large")
    return found


def _array(value: Any, shape: tuple[int, ...], names: list[str]) -> np.ndarray:
    values = _list(value, len(names), names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}")
    return np.array([_number(x, name) for x, name in zip(values, names, strict=True)], np.float64).reshape(shape)


def _matrix(value: Any, shape: tuple[int, ...], where: str, names: tuple[str, ...]) -> np.ndarray:
    rows = _list(value, shape[0], where)
    return np.array(
        [[_number(x, name) for x, name in zip(_list(r, shape[1], where), names, strict=True)] for r in rows], np.float64
    )
