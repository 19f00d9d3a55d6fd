"""The command `retrograd`: finds the sub-command, and says in one line what went wrong.

Exit status: 0 done; 1 a defect of ours, with a traceback; 2 the input cannot be used, one line on standard error; 130
interrupted by Ctrl-C (what was learned is saved).
"""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from retrograd.errors import RetrogradError

COMMANDS = {
    "train": "Train a network on a table, and save it.",
    "predict": "Predict the rows of a table with a saved model.",
    "evaluate": "Measure a saved model on a table with the target.",
    "explain": "Show every step of a network's forward and backward pass.",
    "play": "Play with a network in the browser: change it, and see every number follow.",
}
"""Each sub-command with its line of help. `name` is the function of that name in `retrograd.cli.name`."""

USAGE, INTERRUPTED = 2, 130


class Commands(click.Group):
    """Sub-commands that are imported when they are called, so that help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"retrograd.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="retrograd", message="retrograd %(version)s")
@click.pass_context
def retrograd(ctx: click.Context) -> None:
    """Backpropagation you can read, check and run at full speed.

    `retrograd train digits` trains a network on a built-in set; `retrograd train data.csv --target COLUMN` on your own.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    try:
        status: Any = retrograd.main(arguments, prog_name="retrograd", standalone_mode=False)
        if sys.stdout is not None:  # None where the caller has closed it
            sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        return _failed(error.format_message(), getattr(error, "ctx", None))
    except RetrogradError as error:
        return _failed(str(error))
    except MemoryError as error:
        return _failed(f"not enough memory{f': {error}' if str(error) else ''}")
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        name = f"{error.filename!r}: " if error.filename else ""
        return _failed(f"{name}{error.strerror or error}")
    except (KeyboardInterrupt, click.Abort):
        click.echo("retrograd: interrupted", err=True)
        return INTERRUPTED


def _failed(message: str, ctx: click.Context | None = None) -> int:
    """One line on standard error."""
    line = " ".join(message.split())
    command = ctx.command_path if ctx is not None else "retrograd"
    click.echo(f"{command}: {line}", err=True)
    return USAGE
