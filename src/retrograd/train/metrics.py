r"""Measures of how good outputs are: functions of the model's outputs and the targets, both NumPy arrays.

Classification: outputs are scores with the classes along the last axis (or one score for each row, positive meaning
class 1), targets class indices. Regression: outputs and targets have one shape.

>>> import numpy as np
>>> accuracy(np.array([[0.2, 0.8], [0.9, 0.1]]), np.array([1, 1]))
0.5
"""

import numpy as np

from retrograd.errors import ShapeError


def predicted_classes(outputs: np.ndarray) -> np.ndarray:
    """The class with the highest score, the first of equals; int64, one axis less than `outputs`."""
    outputs = np.asarray(outputs)
    if outputs.ndim == 1 or outputs.shape[-1] == 1:
        return (outputs.reshape(len(outputs), -1)[:, 0] > 0).astype(np.int64)
    return np.argmax(outputs, axis=-1)


def accuracy(outputs: np.ndarray, targets: np.ndarray) -> float:
    """The share of rows whose predicted class is right."""
    chosen, targets = predicted_classes(outputs), np.asarray(targets)
    if targets.shape == (*chosen.shape, 1):
        targets = targets[..., 0]
    _alike("accuracy", chosen, targets)
    return float(np.mean(chosen == targets))


def confusion(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How often class i (row) was taken for class j (column): int64 (classes, classes)."""
    chosen, targets = predicted_classes(outputs), np.asarray(targets)
    _alike("confusion", chosen, targets)
    classes = max(2, np.asarray(outputs).shape[-1]) if np.asarray(outputs).ndim > 1 else 2
    return np.bincount(targets * classes + chosen, minlength=classes**2).reshape(classes, classes)


def mean_squared_error(outputs: np.ndarray, targets: np.ndarray) -> float:
    r""":math:`\frac1n \sum (\hat y - y)^2`, in float64."""
    return float(np.mean(_differences("mean_squared_error", outputs, targets) ** 2))


def rmse(outputs: np.ndarray, targets: np.ndarray) -> float:
    r"""The root of the mean squared error, in the target's unit."""
    return float(np.sqrt(np.mean(_differences("rmse", outputs, targets) ** 2)))


def mae(outputs: np.ndarray, targets: np.ndarray) -> float:
    """The mean absolute error, in the target's unit."""
    return float(np.mean(np.abs(_differences("mae", outputs, targets))))


def r2(outputs: np.ndarray, targets: np.ndarray) -> float:
    r"""The share of the variance explained, :math:`1 - \sum (\hat y - y)^2 / \sum (y - \bar y)^2`.

    Where all targets are alike it is 1 for exact outputs and 0 otherwise, as in scikit-learn.
    """
    residual = float(np.sum(_differences("r2", outputs, targets) ** 2))
    targets = np.asarray(targets, dtype=np.float64)
    total = float(np.sum((targets - targets.mean()) ** 2))
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1.0 - residual / total


def _differences(name: str, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Outputs less targets in float64; (n, 1) against (n,) would silently become (n, n)."""
    outputs, targets = np.asarray(outputs, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    _alike(name, outputs, targets)
    return outputs - targets


def _alike(name: str, outputs: np.ndarray, targets: np.ndarray) -> None:
    if outputs.shape != targets.shape:
        raise ShapeError(f"{name}: outputs of shape {outputs.shape} against targets of shape {targets.shape}")
