"""What `fit` was asked for, checked, and named so that a run goes on with what it began with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrograd.errors import DataError, ModelError, RetrogradError
from retrograd.train.door import Rows


@dataclass(frozen=True)
class Plan:
    """What `fit` was asked for.

    Attributes:
        epochs: the last epoch, counted from 1.
        batch_size: rows in a step; the last step of an epoch takes what is left.
        validation: the share of rows held out by draw; 0 if there is none, or a set of its own.
        directory: where checkpoints go, or None.
        save_every: steps between checkpoints; None for one at the end of each epoch.
        digest: names the data; empty where nothing is saved or resumed.
    """

    epochs: int
    batch_size: int
    validation: float
    directory: Path | None
    save_every: int | None
    digest: str

    def check(self, saved: Mapping[str, Any]) -> None:
        """Refuse to go on with a run that was another one; `epochs` and when to save may differ.

        Raises:
            ModelError: the batch size, the share of validation rows or the data is not the same.
        """
        for name, now in (("batch_size", self.batch_size), ("validation", self.validation)):
            if saved[name] != now:
                raise ModelError(f"the run to go on with had {name}={saved[name]}, not {now}: resume it as it was")
        if self.digest != saved["digest"]:
            raise ModelError(
                "the run to go on with had other data: give the same x, y and validation in the same order"
            )


def plan_of(
    data: Rows,
    held: Rows | None,
    *,
    epochs: int,
    batch_size: int,
    validation: Any,
    directory: str | Path | None,
    save_every: int | None,
    resumed: bool,
) -> Plan:
    """The plan, if it makes sense.

    Raises:
        RetrogradError, DataError: it does not; one line.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("save_every", save_every)):
        if value is not None and (type(value) is not int or value < 1):
            raise RetrogradError(f"{name} is a whole number from 1 up, not {value!r}")
    if save_every is not None and directory is None:
        raise RetrogradError("save_every needs directory=, the folder to keep the checkpoint in")
    share = float(validation) if is_share(validation) else 0.0
    if not 0 <= share < 1:
        raise DataError(f"validation is a share of the rows below 1, such as 0.2, not {share:g}")
    if share and not 0 < round(len(data) * share) < len(data):
        raise DataError(f"validation={share:g} of {len(data)} rows leaves no rows to train or none to validate")
    digest = _digest(data, held) if resumed or directory is not None else ""
    return Plan(epochs, batch_size, share, None if directory is None else Path(directory), save_every, digest)


def is_share(validation: object) -> bool:
    """Whether `validation` is a number, not a set of its own."""
    return isinstance(validation, (int, float)) and not isinstance(validation, bool)


def _digest(data: Rows, held: Rows | None) -> str:
    """A name for the data: the same bits, the same name."""
    hashed = hashlib.blake2b(digest_size=16)
    for rows in (data, *([held] if held else [])):
        for array in (rows.x, rows.y):
            hashed.update(f"{array.dtype}{array.shape}".encode())
            hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()
