"""A Sequential of linear layers and activations as a network to explain."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from retrograd import nn
from retrograd.errors import ModelError
from retrograd.explain.network.description import CROSS_ENTROPY, MEAN_SQUARED, Layer, Network

PLAIN = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "logistic"}  # one operation of the engine
COMPOSED = {"LeakyReLU": "leaky_relu", "SiLU": "silu", "GELU": "gelu", "Softplus": "softplus"}


def network_of(
    model: nn.Sequential,
    inputs: np.ndarray,
    target: float,
    *,
    name: str,
    about: str = "",
    input_names: Sequence[str] = (),
    classes: Sequence[Any] = (),
) -> Network:
    """The network that a model is for one example.

    Args:
        model: Linear layers with at most one activation behind each; Dropout is left out, as in prediction.
        inputs: what goes in, (inputs,).
        target: the number of the right class if there are `classes`, else the amount that should come out.
        input_names: what the inputs are.
        classes: what the outputs stand for.

    Raises:
        ModelError: for another kind of model.
    """
    layers: list[Layer] = []
    for place, module in enumerate(model):
        kind = type(module).__name__
        if kind == "Linear":
            layers.append(_linear(module, place))
        elif kind == "Dropout":
            continue
        elif (kind in PLAIN or kind in COMPOSED) and layers and layers[-1].activation == "linear":
            layers[-1] = _activated(layers[-1], module, kind)
        else:
            raise ModelError(f"explain shows Linear layers with an activation behind each; layer {place} is a {kind}")
    if not layers or layers[-1].activation != "linear":
        raise ModelError("explain needs a model whose last layer is Linear")
    names, legend = _short(input_names or [f"input {i}" for i in range(len(inputs))], "i")
    layers = _named(layers)
    if classes:
        outputs = tuple(map(str, classes))
        if not all(re.fullmatch(r"\w{1,16}", label) and not label.startswith("h") for label in outputs):
            outputs = layers[-1].neurons
            legend |= {f"o{k + 1}": f"class {label}" for k, label in enumerate(classes)}
        layers[-1] = replace(layers[-1], activation="softmax", neurons=outputs)
    return Network(
        name=name,
        about=about,
        input_names=names,
        inputs=np.asarray(inputs, np.float64)[None],
        targets=(np.eye(len(classes))[int(target)] if classes else np.array([float(target)]))[None],
        layers=tuple(layers),
        loss=CROSS_ENTROPY if classes else MEAN_SQUARED,
        legend=legend,
    )


def _linear(module: Any, place: int) -> Layer:
    weights = np.asarray(module.weight.array, np.float64)
    outs, ins = weights.shape
    biases = None if module.bias is None else np.asarray(module.bias.array, np.float64)
    return Layer(
        neurons=tuple(f"{place}.{k}" for k in range(outs)),
        weights=weights,
        weight_names=tuple(tuple(f"{place}.weight[{k},{i}]" for i in range(ins)) for k in range(outs)),
        weight_train=np.ones((outs, ins), bool),
        biases=biases,
        bias_names=() if biases is None else tuple(f"{place}.bias[{k}]" for k in range(outs)),
        bias_train=np.ones(outs if biases is not None else 0, bool),
        activation="linear",
    )


def _activated(layer: Layer, module: Callable[[Any], Any], kind: str) -> Layer:
    if kind in PLAIN:
        return replace(layer, activation=PLAIN[kind])
    return replace(layer, activation=COMPOSED[kind], function=module)


def _named(layers: Sequence[Layer]) -> list[Layer]:
    """Neurons called h1, h2, ... and o1, o2, ...; in deeper networks h1.1, h2.1."""
    found = []
    for n, layer in enumerate(layers):
        letter = "o" if n == len(layers) - 1 else "h" if len(layers) == 2 else f"h{n + 1}."
        found.append(replace(layer, neurons=tuple(f"{letter}{k + 1}" for k in range(len(layer.neurons)))))
    return found


def _short(names: Sequence[str], letter: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names fit for a formula, and what they stand for; of many nothing is explained."""
    if all(name.isidentifier() and len(name) <= 12 for name in names) and len(set(names)) == len(names):
        return tuple(names), {}
    short = tuple(f"{letter}{k + 1}" for k in range(len(names)))
    return short, dict(zip(short, names, strict=True)) if len(names) <= 20 else {}
