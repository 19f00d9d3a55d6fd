"""The model's outputs for any number of rows, in batches that are always put together alike."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from retrograd.ops.inputs import face
from retrograd.transforms.gradients import no_grad

BATCH = 256
"""Rows in a batch: enough for a matrix product's speed."""


def evaluating(model: Any) -> AbstractContextManager[None]:
    """Within the context every module is in evaluation mode; each is as it was afterwards."""
    return _in_mode(model, False)


def training(model: Any) -> AbstractContextManager[None]:
    """Within the context every module is in training mode; each is as it was afterwards."""
    return _in_mode(model, True)


@contextmanager
def _in_mode(model: Any, train: bool) -> Iterator[None]:
    modules = list(model.modules())
    modes = [module.training for module in modules]
    try:
        model.train(train)
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def outputs_of(model: Any, x: np.ndarray) -> np.ndarray:
    """The outputs for all rows, in evaluation mode and without a tape.

    Every batch has `BATCH` rows, the last one filled up with copies of its last row, because a matrix product rounds
    differently for another number of rows. BLAS also rounds by a row's place in the product; so a row's output depends
    on the row and its place, and not on what other rows hold or how many follow.

    Args:
        x: n rows in the model's dtype.

    Returns:
        n rows; the same bits for the same rows, every time.
    """
    with evaluating(model), no_grad():
        return in_batches(lambda rows: model(face(rows)), x)


def in_batches(call: Callable[[np.ndarray], Any], x: np.ndarray, rows_in: int = 0, rows_out: int = 0) -> np.ndarray:
    """What `call` makes of `x`, batch by batch as `outputs_of` says.

    Args:
        call: a function of a batch of rows.
        x: the rows.
        rows_in: along which axis of `x` they lie.
        rows_out: along which axis of the results.
    """
    parts = []
    ordered = np.moveaxis(x, rows_in, 0)
    for at in range(0, max(len(ordered), 1), BATCH):
        rows = ordered[at : at + BATCH]
        lacking = BATCH - len(rows)
        full = np.concatenate([rows, np.repeat(rows[-1:], lacking, axis=0)]) if lacking and len(rows) else rows
        outputs = np.asarray(call(np.ascontiguousarray(np.moveaxis(full, 0, rows_in))))
        parts.append(np.moveaxis(outputs, rows_out, 0)[: len(rows)])
    return np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, rows_out))
