"""Networks as records for JSON, and back: a Sequential of layers that are known by name."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from retrograd import nn
from retrograd.errors import ModelError
from retrograd.ops.random import Generator

Check = Callable[[object], bool]


def _count(value: object) -> bool:
    return type(value) is int and value > 0


def _share(value: object) -> bool:
    return type(value) is float and 0 <= value <= 1


def _finite(value: object) -> bool:
    return type(value) is float and math.isfinite(value)


def _truth(value: object) -> bool:
    return isinstance(value, bool)


LAYERS: dict[str, tuple[Callable[..., nn.Module], dict[str, Check]]] = {
    "Linear": (nn.Linear, {"in_features": _count, "out_features": _count, "bias": _truth}),
    "Dropout": (nn.Dropout, {"p": _share}),
    "ReLU": (nn.ReLU, {}),
    "LeakyReLU": (nn.LeakyReLU, {"negative_slope": _finite}),
    "Tanh": (nn.Tanh, {}),
    "Sigmoid": (nn.Sigmoid, {}),
    "SiLU": (nn.SiLU, {}),
    "GELU": (nn.GELU, {"approximate": lambda value: value in ("none", "tanh")}),
    "Softplus": (nn.Softplus, {"beta": _finite}),
}
"""Each layer that a file may name: how it is made, and what its arguments are."""


def describe(model: Any) -> list[dict[str, Any]]:
    """A record for each layer: ``{"layer": "Linear", "in_features": 64, "out_features": 10, "bias": true}``.

    Raises:
        ModelError: the model is no Sequential, or has a layer that a file cannot name.
    """
    if type(model) is not nn.Sequential:
        raise ModelError(f"a {type(model).__name__} cannot be described in a model file: give a Sequential of layers")
    return [_record(layer) for layer in model]


def _record(layer: Any) -> dict[str, Any]:
    name = type(layer).__name__
    if name not in LAYERS or type(layer) is not LAYERS[name][0]:
        raise ModelError(f"a {name} layer cannot be described in a model file: those that can are {', '.join(LAYERS)}")
    arguments = {argument: getattr(layer, argument) for argument in LAYERS[name][1]}
    if name == "Linear":
        arguments["bias"] = layer.bias is not None
    floats = {key for key, check in LAYERS[name][1].items() if check in (_share, _finite)}
    return {"layer": name, **{key: float(v) if key in floats else v for key, v in arguments.items()}}


def build(records: object, weights: Mapping[str, np.ndarray]) -> nn.Sequential:
    """The network of what `describe` made, with these weights.

    Everything is checked against the weights before anything is made, so a damaged or hostile file costs no memory.

    Raises:
        ModelError: a record is not what `describe` makes, or the weights are of another network.
    """
    if not isinstance(records, list) or not records:
        raise ModelError("the model file is damaged: it lists no layers")
    for place, record in enumerate(records):
        _check_record(place, record)
    _check_weights(records, weights)
    dtypes = {array.dtype for array in weights.values()}
    if len(dtypes) > 1 or not dtypes <= {np.dtype("float32"), np.dtype("float64")}:
        raise ModelError("the model file is damaged: its weights are not all float32, or all float64")
    model = nn.Sequential(*[_made(record, dtypes) for record in records])
    model.load_state_dict(weights)
    return model.eval()  # type: ignore[return-value]


def _made(record: Mapping[str, Any], dtypes: set[np.dtype]) -> nn.Module:
    make, _ = LAYERS[record["layer"]]
    arguments = {name: value for name, value in record.items() if name != "layer"}
    if record["layer"] == "Linear":
        return make(**arguments, dtype=next(iter(dtypes)), generator=Generator(0))  # the default one is not drawn from
    return make(**arguments)


def _check_record(place: int, record: object) -> None:
    name = record.get("layer") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(name, str):
        raise ModelError(f"the model file is damaged: layer {place} has no name")
    if name not in LAYERS:
        raise ModelError(f"layer {place} of the model file is {name[:40]!r}; known are {', '.join(LAYERS)}")
    checks = LAYERS[name][1]
    if set(record) != {"layer", *checks}:
        raise ModelError(f"the model file is damaged: layer {place} ({name}) needs {', '.join(checks) or 'nothing'}")
    for argument, check in checks.items():
        if not check(record[argument]):
            raise ModelError(f"the model file is damaged: {argument} of layer {place} ({name}) makes no sense")


def _check_weights(records: Sequence[Mapping[str, Any]], weights: Mapping[str, np.ndarray]) -> None:
    """Each Linear layer has its weights and takes what the one before gives."""
    wanted: dict[str, tuple[int, ...]] = {}
    width = None
    for place, record in enumerate(records):
        if record["layer"] != "Linear":
            continue
        ins, outs = record["in_features"], record["out_features"]
        if width not in (None, ins):
            raise ModelError(f"the model file is damaged: layer {place} takes {ins} values, it is given {width}")
        width = outs
        wanted[f"{place}.weight"] = (outs, ins)
        if record["bias"]:
            wanted[f"{place}.bias"] = (outs,)
    found = {name: array.shape for name, array in weights.items()}
    if found != wanted:
        name = next(name for name in (*wanted, *found) if wanted.get(name) != found.get(name))
        raise ModelError(
            f"the weights are not those of the model file: {name!r} has shape {found.get(name, 'none')}, "
            f"the layers want {wanted.get(name, 'none')}"
        )
    if not all(np.isfinite(array).all() for array in weights.values() if array.dtype.kind == "f"):
        raise ModelError("the weights are damaged: some are infinite or NaN")


def widths(records: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """The inputs of the first Linear layer and the outputs of the last; None without any."""
    linear = [record for record in records if record["layer"] == "Linear"]
    return (linear[0]["in_features"], linear[-1]["out_features"]) if linear else None
