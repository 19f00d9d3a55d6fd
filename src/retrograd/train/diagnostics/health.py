"""`health`: how large activations and gradients are in each layer, which units are saturated or dead, what to try."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.core.dispatch import current, interpreter
from retrograd.core.overlay import Overlay
from retrograd.nn.layers import activation
from retrograd.nn.module import Module, watching
from retrograd.nn.state import constant
from retrograd.nn.thresholds import Gaussian
from retrograd.ops.arithmetic import stop_gradient
from retrograd.ops.inputs import array_of
from retrograd.train.diagnostics.advice import advice
from retrograd.train.door import admit, admit_inputs
from retrograd.train.forward import evaluating
from retrograd.train.history import number, plain
from retrograd.transforms.derivatives import grad, vjp

# Their Jacobian is diagonal, so that one product with ones is the derivative of every element.
ELEMENTWISE = (
    activation.Tanh, activation.Sigmoid, activation.ReLU, activation.SiLU, activation.Softplus, activation.GELU,
    activation.LeakyReLU, Gaussian,
)  # fmt: skip
SATURATED = 1e-3  # a derivative below this lets through less than a thousandth


@dataclass(frozen=True)
class LayerHealth:
    """One call of a layer on a batch.

    Attributes:
        name: path and class, "2 Linear".
        units: the length of the last axis of its output.
        activation: root mean square of the output.
        gradient: root mean square of the derivative of the loss with respect to the output, times the number of
            examples, so that it does not shrink with the batch.
        weight_gradient: Euclidean norm of the gradient of its parameters; None without any.
        weight: Euclidean norm of its parameters; None without any.
        derivative: mean size of the activation function's derivative; None for other layers.
        saturated: share of the elements whose derivative is below a thousandth.
        dead: share of the units whose derivative is 0 on every example.
    """

    name: str
    units: int
    activation: float
    gradient: float
    weight_gradient: float | None = None
    weight: float | None = None
    derivative: float | None = None
    saturated: float | None = None
    dead: float | None = None


@dataclass(frozen=True)
class Health:
    """The health of a model on a batch.

    Attributes:
        loss: its loss there.
        layers: in the order of the calls.
        silent: share of the examples that have a loss but no gradient, as where a loss clips its errors.
        examples: rows looked at.
        advice: sentences: what seems wrong, and what to try.
    """

    loss: float
    layers: tuple[LayerHealth, ...]
    silent: float
    examples: int
    advice: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Everything as plain numbers and texts, as JSON has them; `from_json` is the inverse."""
        layers = [{name: _plain(value) for name, value in asdict(layer).items()} for layer in self.layers]
        return {**asdict(self), "loss": plain(self.loss), "layers": layers, "advice": list(self.advice)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Health:
        """The health that `to_json` wrote down."""
        layers = tuple(_layer_from(layer) for layer in record["layers"])
        advice = tuple(str(sentence) for sentence in record["advice"])
        return cls(number(record["loss"]), layers, number(record["silent"]), int(record["examples"]), advice)

    def __str__(self) -> str:
        from retrograd.train.diagnostics.wording import health_text

        return health_text(self)


def _plain(value: Any) -> Any:
    """A figure of a layer as JSON can hold it."""
    return plain(value) if isinstance(value, float) else value


def _layer_from(saved: Mapping[str, Any]) -> LayerHealth:
    """The layer whose figures were made plain."""
    figures = {name: None if value is None else number(value) for name, value in saved.items() if name != "name"}
    return LayerHealth(str(saved["name"]), int(figures.pop("units") or 0), **figures)  # type: ignore[arg-type]


class _Calls:
    """Watches the layers of a model: modules that hold no others."""

    def __init__(self, model: Module) -> None:
        self.names = {
            id(m): f"{path} {type(m).__name__}".strip()
            for path, m in model.named_modules()
            if sum(1 for _ in m.modules()) == 1
        }
        self.begin()

    def begin(self, nudges: list[Any] | None = None) -> None:
        """Forget what was seen; `nudges` are added to the outputs, in the order of the calls."""
        self.nudges = nudges
        self.modules: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def __call__(self, module: Any, args: tuple[Any, ...], output: Any) -> Any:
        if id(module) not in self.names or getattr(output, "dtype", None) is None or output.dtype.kind != "f":
            return output
        if self.nudges is not None:
            output = output + self.nudges[len(self.outputs)]
        self.modules.append(module)
        self.inputs.append(stop_gradient(args[0]) if args and isinstance(module, ELEMENTWISE) else None)
        self.outputs.append(stop_gradient(output))
        return output


def health(model: Module, loss: Callable[[Any, Any], Any], x: Any, y: Any) -> Health:
    """Look at one batch, forward and backward, in evaluation mode; nothing of the model is changed.

    Args:
        model: a module; its layers are the modules in it that hold no others, named by their paths.
        loss: a function of outputs and targets.
        x: n rows of inputs.
        y: n targets.

    Returns:
        Figures for each layer, and advice. Printed, they are a table.

    Raises:
        DataError, ShapeError: the arrays do not fit.

    Glorot and Bengio (2010) for the figures; Karpathy (2016) for what goes wrong silently.

    >>> import numpy as np
    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(2, 3), rg.nn.ReLU(), rg.nn.Linear(3, 1))
    >>> net[0].bias = [-9.0, -9.0, -9.0]
    >>> x = np.ones((4, 2), "float32")
    >>> found = health(net, rg.nn.mse_loss, x, x[:, :1])
    >>> [layer.name for layer in found.layers], found.layers[1].dead
    (['0 Linear', '1 ReLU', '2 Linear'], 1.0)
    """
    rows = admit(model, loss, x, y)
    with evaluating(model), np.errstate(all="ignore"):
        shapes = _Calls(model)
        with watching(shapes), interpreter(Overlay(current(), {})):
            output = model(rows.x)
        nudges = [np.zeros(o.shape, o.dtype) for o in shapes.outputs]
        parameters = {path: constant(cell) for path, cell in model.named_parameters() if cell.requires_grad}
        calls = _Calls(model)

        def loss_of(values: Mapping[str, Any], moved: list[Any]) -> Any:
            calls.begin(moved)
            given: dict[Cell, Any] = {cell: values[path] for path, cell in model.named_parameters() if path in values}
            with watching(calls), interpreter(Overlay(current(), given)):
                found = loss(model(rows.x), rows.y)
            return found, (found, calls.inputs, calls.outputs)

        gradients, (value, inputs, outputs) = grad(loss_of, argnums=(0, 1), has_aux=True)(parameters, nudges)
        layers = tuple(
            _layer(model, calls.names[id(m)], m, i, o, g, len(rows), gradients[0])
            for m, i, o, g in zip(calls.modules, inputs, outputs, gradients[1], strict=True)
        )
        silent = _silent(loss, output, rows.y)
    found = Health(float(value), layers, silent, len(rows))
    return replace(found, advice=advice(found))


def _layer(
    model: Module, name: str, module: Any, input: Any, output: Any, gradient: Any, rows: int, gradients: Any
) -> LayerHealth:
    """The figures of one call."""
    value = np.asarray(output)
    own = {id(cell) for cell in module.parameters()}
    of_weights = [
        np.asarray(gradients[path]) for path, c in model.named_parameters() if id(c) in own and path in gradients
    ]
    weights = [np.asarray(c.numpy()) for c in module.parameters()]
    slope = None
    if input is not None:  # of an elementwise module that was not called with its input by name
        slope = np.abs(np.asarray(vjp(module.forward, input)[1](np.ones(value.shape, value.dtype))[0]))
    by_unit = None if slope is None else slope.reshape(-1, slope.shape[-1] if slope.ndim else 1)
    return LayerHealth(
        name,
        value.shape[-1] if value.ndim else 1,
        _rms(value),
        _rms(np.asarray(gradient)) * rows,
        _norm(of_weights) if of_weights else None,
        _norm(weights) if weights else None,
        None if slope is None else float(slope.mean()),
        None if slope is None else float((slope < SATURATED).mean()),
        None if by_unit is None else float((by_unit == 0).all(axis=0).mean()),
    )


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 0.0


def _norm(arrays: list[np.ndarray]) -> float:
    return math.sqrt(sum(float(np.square(a, dtype=np.float64).sum()) for a in arrays))


def _silent(loss: Callable[[Any, Any], Any], output: Any, target: Any) -> float:
    """The share of examples that have a loss of their own but hand back no gradient."""
    outputs = np.asarray(array_of(output))
    if not outputs.ndim:
        return 0.0
    own = np.asarray(grad(lambda o: loss(o, target))(outputs))
    without = np.all(own.reshape(len(own), -1) == 0, axis=1)
    places = np.flatnonzero(without)[:100]  # each is a call of the loss: a hundred are enough for a share
    costly = [float(loss(outputs[i : i + 1], target[i : i + 1])) > 0 for i in places]
    return float(without.mean() * np.mean(costly)) if costly else 0.0


def dead_fraction(model: Module, x: Any) -> float:
    """The share of the units behind rectifiers that are 0 on every one of the rows x; 0 without rectifiers."""
    inputs, _ = admit_inputs(model, x)
    calls = _Calls(model)
    with evaluating(model), watching(calls), interpreter(Overlay(current(), {})):
        model(inputs)
    outputs = [
        np.asarray(o) for m, o in zip(calls.modules, calls.outputs, strict=True) if isinstance(m, activation.ReLU)
    ]
    units = [(o.reshape(-1, o.shape[-1]) == 0).all(axis=0) for o in outputs]
    return float(np.concatenate(units).mean()) if units else 0.0
