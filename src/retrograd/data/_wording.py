"""How messages about data are worded: quoted names, counts, near names."""

import difflib
import shlex
from collections.abc import Iterable, Sequence

LONGEST_CELL = 40
LONGEST_LIST = 12


def quoted(value: object) -> str:
    r"""A name or a cell in quotes, on one line and not too long.

    >>> quoted("two\nlines")
    "'two\\nlines'"
    """
    text = repr(str(value))
    return text if len(text) <= LONGEST_CELL + 2 else f"{text[:LONGEST_CELL]}…{text[0]}"


def listed(values: Iterable[object], limit: int = LONGEST_LIST) -> str:
    """Names in quotes, with commas; a long list is cut and says by how much.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    names = [quoted(value) for value in values]
    shown, rest = ", ".join(names[:limit]), len(names) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(1797, "row"), counted(2, "class", "classes")
    ('1 row', '1797 rows', '2 classes')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def nearest(name: str, choices: Iterable[object]) -> str | None:
    """The choice that `name` was most likely meant to be, or None; upper and lower case do not count."""
    known = {str(choice).casefold(): str(choice) for choice in choices}
    found = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def meant(name: str, choices: Iterable[object]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    near = nearest(name, choices)
    return f"; did you mean {quoted(near)}?" if near is not None else ""


def drop_options(names: Sequence[str]) -> str:
    """The command-line options that leave columns out, quoted for a shell."""
    return " ".join(f"--drop {shlex.quote(name)}" for name in names)


def keep_option(name: str) -> str:
    """The command-line option that takes a column all the same, quoted for a shell."""
    return f"--keep {shlex.quote(name)}"
