"""``retrograd explain``: every step of a network's forward and backward pass, with its numbers."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrograd.cli.files import check_file
from retrograd.cli.networks import is_built_in, is_model, known, named
from retrograd.errors import ModelError
from retrograd.explain.network import files
from retrograd.explain.network.compute import UPDATES
from retrograd.explain.network.explanation import MOST_ROUNDS, explain_network

if TYPE_CHECKING:
    from retrograd.explain.network import Network


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
@click.option("--digits", type=click.IntRange(3, 17), help="Decimals shown; by default 9, or 5 on a large page.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "latex", "markdown"]),
    default="text",
    show_default=True,
    help="How formulas are written.",
)
@click.option("--html", metavar="FILE.html", help="Write a page that steps through the network; show nothing.")
@click.option("--write", metavar="FILE.json", help="Write the network's JSON to a file, to change it; show nothing.")
def explain(
    network: str,
    row: int | None,
    weight: str | None,
    rounds: int | None,
    update: str,
    source: str | None,
    digits: int | None,
    form: str,
    write: str | None,
    html: str | None,
) -> None:
    """Show every step of a network's forward and backward pass.

    NET is a JSON file, a folder that `retrograd train` wrote, or a built-in example: mazur (a worked 2-2-2 network),
    3-2-2 or xor. `retrograd explain mazur --write net.json` gives you the file to change.

    For every neuron: net input, output, error; then each gradient as the chain that makes it, with the numbers plugged
    in, the update, and finite differences beside.
    """
    if write is not None:
        if is_model(network):
            raise ModelError("--write copies a network's JSON; a trained model has none")
        _write(network, Path(write))
        return
    if is_model(network) and rounds is not None:
        raise ModelError("--rounds is for a network's JSON; a trained model is explained as it is")
    found, place = named(network, source, row)
    if html is not None:
        if update != "simultaneous":
            raise ModelError("--html shows gradient descent; --update sequential is for the text")
        _write_page(found, html, network, row=place, rounds=rounds, weight=weight, digits=digits)
        return
    explanation = explain_network(found, row=place, weight=weight, rounds=rounds, update=update)
    if form == "text":
        _show(explanation.text(digits or 9))
    else:
        click.echo(explanation.latex(digits or 9) if form == "latex" else explanation.markdown(digits or 9))


def _write_page(network: "Network", file: str, name: str, **options: Any) -> None:
    """Write the page of a network."""
    from retrograd.explain.page import page
    from retrograd.train.files import write_whole

    path = check_file("--html", file, name, "network")
    text = page(network, play=f"retrograd play {shlex.quote(name)}", **options)
    write_whole(path, text.encode())
    click.echo(f"Wrote {path}. Open it in a browser; it needs nothing else.")


def _write(network: str, path: Path) -> None:
    """Write a network's JSON where there is nothing yet."""
    from retrograd.train.files import write_whole

    if is_built_in(network):
        text = files.built_in_text(network)
    else:
        known(network)
        files.load(network)
        text = Path(network).read_text(encoding="utf-8")
    if path.exists() or path.is_symlink():
        raise ModelError(f"{str(path)!r} is there already: choose another name")
    if not path.absolute().parent.is_dir():
        raise ModelError(f"{str(path)!r}: there is no folder {str(path.parent)!r}")
    write_whole(path, text.encode())
    click.echo(f"Wrote {path}. Change a number in it, then: retrograd explain {path}")


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
