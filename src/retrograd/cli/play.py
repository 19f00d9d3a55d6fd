"""``retrograd play``: the page of a network, live."""

import threading
import webbrowser

import click

from retrograd.cli.networks import named
from retrograd.errors import RetrogradError


@click.command()
@click.argument("network", metavar="NET")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Listen here; any free port if 0.")
@click.option("--row", type=click.IntRange(min=0), metavar="N", help="Which example of the data, counted from 0.")
@click.option("--data", "source", metavar="DATA", help="For a model: the table; by default the one it was trained on.")
@click.option("--digits", type=click.IntRange(3, 17), help="Decimals shown; by default 9, or 5 for a large network.")
@click.option("--no-browser", is_flag=True, help="Print the address; open nothing.")
def play(network: str, port: int, row: int | None, source: str | None, digits: int | None, no_browser: bool) -> None:
    """Play with a network in the browser: change inputs, weights or the learning rate, and see every number follow.

    NET is what `retrograd explain` takes: mazur, 3-2-2 or xor, a JSON file, or a folder that `retrograd train` wrote.
    The page is served to this machine alone, until Ctrl-C.
    """
    from retrograd.explain.page import PageServer, Player

    found, place = named(network, source, row)
    player = Player(found, place, digits)
    try:
        server = PageServer(player, port)
    except OSError as error:
        raise RetrogradError(
            f"--port {port} cannot be listened at: {error.strerror or error}: choose another, or none for any free one"
        ) from error
    with server:
        click.echo(f"Playing with {found.name} at {server.url} - Ctrl-C ends it.")
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("\nStopped.")
