"""Networks that a command line names: built-in ones, JSON files, folders of trained models."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from retrograd.errors import DataError, ModelError
from retrograd.explain.network import files

if TYPE_CHECKING:
    from retrograd.data import Table
    from retrograd.explain.network import Network
    from retrograd.train.trained_model import TrainedModel


def is_model(name: str) -> bool:
    """Whether this is a folder, rather than a network's JSON."""
    return Path(name).is_dir()


def named(name: str, source: str | None, row: int | None) -> tuple["Network", int]:
    """The network of this name, and which of its rows is meant.

    Args:
        name: a built-in network, a JSON file, or a folder.
        source: for a folder: the table that the row is taken from.
        row: which one; the first by default.

    Raises:
        ModelError, DataError: there is none; one line.
    """
    if is_model(name):
        return _of_model(name, source, row or 0), 0
    if source is not None:
        raise DataError("--data is for a trained model; a network's JSON has its own inputs")
    known(name)
    network = files.built_in(name) if is_built_in(name) else files.load(name)
    network.row(row or 0)
    return network, row or 0


def is_built_in(name: str) -> bool:
    """Whether this is a built-in network; a file of that name comes first."""
    return name in files.BUILT_IN and not Path(name).exists()


def known(name: str) -> None:
    """Say what there is, if there is no such file and no such example."""
    if name not in files.BUILT_IN and not Path(name).exists():
        raise ModelError(f"there is no file or folder {name!r}; built-in examples are {files.listed()}")


def _of_model(folder: str, source: str | None, row: int) -> "Network":
    """The network of a trained model, with one row of a table."""
    from retrograd import data
    from retrograd.explain.network.sequential import network_of
    from retrograd.train.trained_model import DESCRIPTION, TrainedModel

    if not (Path(folder) / DESCRIPTION).exists():
        raise ModelError(f"{folder!r} is no model folder: it has no {DESCRIPTION}")
    model = TrainedModel.load(folder)
    table = data.load(_source(model, source))
    if not 0 <= row < len(table.frame):
        raise DataError(f"there is no row {row}: {table.name} has {len(table.frame)} rows, counted from 0")
    frame = table.frame.iloc[[row]]
    inputs = model.preprocessor.transform(frame)
    target = _target(model, table, row)
    classes = list(model.preprocessor.classes)
    outputs = model.outputs(inputs)
    said = model.decoded(outputs)[0]
    about = f"row {row} of {table.name}: {model.preprocessor.target.name} is {target[1]}, the model says {said}"
    return network_of(
        model.network,
        inputs[0],
        target[0],
        name=folder,
        about=about,
        input_names=list(model.preprocessor.input_names),
        classes=classes,
    )


def _source(model: "TrainedModel", source: str | None) -> str:
    """The table to take the row from."""
    from retrograd import data

    if source is not None:
        return source
    trained_on = str(model.training.get("source", ""))
    if trained_on in data.BUILTIN or (trained_on and Path(trained_on).exists()):
        return trained_on
    raise DataError(f"the model was trained on {trained_on or 'a table'!r}, which is not here: give --data FILE.csv")


def _target(model: "TrainedModel", table: "Table", row: int) -> tuple[float, object]:
    """The target of a row, encoded and as it stands in the table."""
    name = model.preprocessor.target.name
    if name not in table.columns:
        raise DataError(f"{table.name} has no column {name!r}: without the target there is no error to explain")
    cell = table.frame[name].iloc[[row]]
    encoded = float(model.preprocessor.encode_target(cell)[0])
    if math.isnan(encoded) or (model.preprocessor.classes and encoded < 0):
        raise DataError(
            f"row {row} of {table.name} has no {name!r}: without the target there is no error to explain; "
            "choose another with --row"
        )
    return encoded, cell.iloc[0]
