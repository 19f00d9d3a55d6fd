"""``retrograd explain``: every step of a network's forward and backward pass, with its numbers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrograd.errors import DataError, ModelError
from retrograd.explain.network import files
from retrograd.explain.network.compute import UPDATES
from retrograd.explain.network.explanation import MOST_ROUNDS, explain_network

if TYPE_CHECKING:
    from retrograd.data import Table
    from retrograd.explain.network import Network
    from retrograd.train.trained_model import TrainedModel


@click.command()
@click.argument("network", metavar="NET")
@click.option("--row", type=click.IntRange(min=0), metavar="N", help="Which example of the data, counted from 0.")
@click.option("--weight", metavar="NAME", help="Show the chain of this weight or bias alone: w5, b1, 0.weight[3,5].")
@click.option(
    "--rounds", type=click.IntRange(0, MOST_ROUNDS), metavar="N", help="Train for so many updates, on all rows."
)
@click.option(
    "--update",
    type=click.Choice(UPDATES),
    default="simultaneous",
    show_default=True,
    help="sequential overwrites each layer before the gradients of those below it are taken: wrong, but published.",
)
@click.option("--data", "source", metavar="DATA", help="For a model: the table; by default the one it was trained on.")
@click.option("--digits", type=click.IntRange(3, 17), default=9, show_default=True, help="Decimals shown.")
@click.option("--write", metavar="FILE.json", help="Write the network's JSON to a file, to change it; show nothing.")
def explain(
    network: str,
    row: int | None,
    weight: str | None,
    rounds: int | None,
    update: str,
    source: str | None,
    digits: int,
    write: str | None,
) -> None:
    """Show every step of a network's forward and backward pass.

    NET is a JSON file, a folder that `retrograd train` wrote, or a built-in example: mazur (a worked 2-2-2 network) or
    3-2-2. `retrograd explain mazur --write net.json` gives you the file to change.

    For every neuron: net input, output, error; then each gradient as the chain that makes it, with the numbers plugged
    in, the update, and finite differences beside.
    """
    is_model = Path(network).is_dir()
    if write is not None:
        if is_model:
            raise ModelError("--write copies a network's JSON; a trained model has none")
        _write(network, Path(write))
        return
    if not is_model:
        if source is not None:
            raise DataError("--data is for a trained model; a network's JSON has its own inputs")
        found: str | Network = network
        _known(network)
    else:
        if rounds is not None:
            raise ModelError("--rounds is for a network's JSON; a trained model is explained as it is")
        found, row = _of_model(network, source, row or 0), None
    explanation = explain_network(found, row=row, weight=weight, rounds=rounds, update=update)
    _show(explanation.text(digits))


def _known(name: str) -> None:
    """Say what there is, if there is no such file and no such example."""
    if name not in files.BUILT_IN and not Path(name).exists():
        raise ModelError(f"there is no file or folder {name!r}; built-in examples are {' and '.join(files.BUILT_IN)}")


def _write(network: str, path: Path) -> None:
    """Write a network's JSON where there is nothing yet."""
    from retrograd.train.files import write_whole

    if network in files.BUILT_IN and not Path(network).exists():
        text = files.built_in_text(network)
    else:
        _known(network)
        files.load(network)
        text = Path(network).read_text(encoding="utf-8")
    if path.exists() or path.is_symlink():
        raise ModelError(f"{str(path)!r} is there already: choose another name")
    if not path.absolute().parent.is_dir():
        raise ModelError(f"{str(path)!r}: there is no folder {str(path.parent)!r}")
    write_whole(path, text.encode())
    click.echo(f"Wrote {path}. Change a number in it, then: retrograd explain {path}")


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
    return float(model.preprocessor.encode_target(cell)[0]), cell.iloc[0]


def _show(text: str) -> None:
    """Print; headings are bold on a terminal, and nothing is coloured elsewhere."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        heading = (
            line
            and not line.startswith(" ")
            and (i + 1 == len(lines) or not lines[i + 1] or set(lines[i + 1]) == {"="})
        )
        click.echo(click.style(line, bold=True) if heading else line)
