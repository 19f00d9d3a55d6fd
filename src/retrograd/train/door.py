"""The door of a trainer: arrays are checked and cast to the model's dtype once, before the first step."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.config import FLOATS, INT, default_float
from retrograd.core.dispatch import QUIET, interpreter
from retrograd.core.overlay import Overlay
from retrograd.errors import DataError, ShapeError, UnsupportedDtype
from retrograd.nn.layers.embedding import Embedding
from retrograd.ops.inputs import face
from retrograd.train.forward import evaluating


@dataclass(frozen=True, eq=False)
class Rows:
    """Inputs and targets, one row each along the first axis.

    Attributes:
        x: in the model's dtype.
        y: class indices (int64), or amounts in the model's dtype.
        notes: sentences on what was cast.
    """

    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> "Rows":
        """Some of the rows, copied."""
        return Rows(self.x[rows], self.y[rows])


def dtype_of_model(model: Any) -> np.dtype:
    """The dtype of the first parameter that holds floats; the default float for a model without any."""
    return next((p.dtype for p in model.parameters() if p.dtype in FLOATS), default_float())


def admit(model: Any, loss: Any, x: Any, y: Any, what: str = "") -> Rows:
    """Rows fit for the model and the loss: converted, cast, and tried on two of them.

    Args:
        model: a module.
        loss: a function of outputs and targets.
        x: n rows of inputs; anything that NumPy takes for an array.
        y: n targets.
        what: what the rows are called in messages: `validation `, with the blank.

    Raises:
        DataError: no rows, different numbers of rows, or labels that are no classes of the model.
        ShapeError: targets that the loss cannot set against the outputs, or inputs of the wrong width.
        UnsupportedDtype: text, objects, complex numbers.
    """
    inputs, noted = admit_inputs(model, x, f"{what}x")
    targets = as_array(y, f"{what}y")
    if not targets.ndim or len(inputs) != len(targets):
        rows = f"{len(targets)} rows" if targets.ndim else "none: it is a single number"
        raise DataError(f"{what}x has {len(inputs)} rows, {what}y has {rows}: give one target for each row")
    if not len(inputs):
        raise DataError(f"{what}x has no rows: there is nothing to learn from")
    probed = _telling_rows(targets)
    outputs = _probe(model, inputs[probed])
    targets, cast = _as_targets(targets, outputs, dtype_of_model(model), f"{what}y")
    _try_loss(loss, outputs, targets, probed, f"{what}y")
    return Rows(_packed(inputs), _packed(targets), (*noted, *cast))


def admit_inputs(model: Any, x: Any, name: str = "x") -> tuple[np.ndarray, list[str]]:
    """The inputs in the model's dtype, and a sentence if that took a cast; what an `Embedding` looks up stays whole."""
    wanted, array = dtype_of_model(model), as_array(x, name)
    if not array.ndim:
        raise DataError(f"{name} is a single number: give an array with a row for each example")
    indices = array.dtype.kind in "iu" and any(isinstance(module, Embedding) for module in model.modules())
    if array.dtype == wanted or indices:
        return array, []
    return _cast(array, wanted), [f"{name} is cast from {array.dtype} to {wanted}, as the model computes."]


def as_array(data: Any, name: str) -> np.ndarray:
    """An ndarray of bools, integers or floats.

    Raises:
        UnsupportedDtype: it would hold anything else.
    """
    try:
        array = np.asarray(data)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{name} is no array: its rows differ in shape") from error
    if array.dtype.kind not in "biuf":
        remedy = "encode text as numbers first" if array.dtype.kind in "OUST" else "give real numbers"
        raise UnsupportedDtype(f"{name} holds {array.dtype}: {remedy}")
    return array


def _packed(array: np.ndarray) -> np.ndarray:
    """Rows side by side in memory, as both engines want to take them."""
    return np.require(array, requirements=("C", "A"))


def _cast(array: np.ndarray, wanted: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def _telling_rows(targets: np.ndarray) -> np.ndarray:
    """The first two rows (one would hide (1, n) against (n, 1)) and those with the smallest and the largest target."""
    extremes = (int(place) // max(targets[0].size, 1) for place in (np.argmin(targets), np.argmax(targets)))
    return np.array([0, min(1, len(targets) - 1), *(extremes if targets.size else ())])


def _probe(model: Any, x: np.ndarray) -> np.ndarray:
    """The outputs for a few rows; the model is as it was afterwards."""
    with evaluating(model), interpreter(Overlay(QUIET, {})):
        outputs = np.asarray(model(face(x)))
    if not outputs.ndim or len(outputs) != len(x):
        raise ShapeError(f"the model gives shape {outputs.shape} for {len(x)} rows: a row must yield a row")
    return outputs


def _try_loss(loss: Any, outputs: np.ndarray, y: np.ndarray, probed: np.ndarray, name: str) -> None:
    """The loss of the probed rows: what it refuses is refused before training."""
    try:
        with interpreter(Overlay(QUIET, {})):
            value = loss(face(outputs), face(y[probed]))
    except IndexError as error:
        raise _no_class(y, probed, outputs.shape[1] if outputs.ndim > 1 else 1, name) from error
    if np.shape(value) != ():
        raise ShapeError(f"the loss has shape {np.shape(value)}: reduce it to one number, with rg.mean for example")


def _as_targets(y: np.ndarray, outputs: np.ndarray, wanted: np.dtype, name: str) -> tuple[np.ndarray, list[str]]:
    """Class indices as int64 where there is one axis less than in the outputs, amounts in the model's dtype."""
    if y.dtype.kind in "biu" and y.ndim < outputs.ndim:
        return y.astype(INT, copy=False), []
    if y.dtype == wanted:
        return y, []
    return _cast(y, wanted), [f"{name} is cast from {y.dtype} to {wanted}, as the model computes."]


def _no_class(y: np.ndarray, probed: np.ndarray, classes: int, name: str) -> DataError:
    """The error for integer targets that are no classes of the model."""
    if classes == 1:
        return DataError(
            f"{name} holds whole numbers, which are taken for classes, and the model has one output: for regression "
            f"give floats of shape {(len(y), 1)}, for example y[:, None].astype('float32')"
        )
    row = next((row for row in probed if ((y[row] < 0) | (y[row] >= classes)).any()), probed[0])
    label = next((v for v in np.ravel(y[row]) if not 0 <= v < classes), np.ravel(y[row])[0])
    hint = "; labels start at 0" if y.min() == 1 and y.max() == classes else ""
    return DataError(
        f"{name} has label {label} in row {row}, but the model's {classes} outputs stand for 0 to {classes - 1}{hint}"
    )
