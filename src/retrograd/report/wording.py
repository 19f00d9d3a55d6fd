"""How numbers and names are written for people."""

LONGEST = 60  # characters of a name


def amount(value: float) -> str:
    """Four figures, as people write them.

    >>> amount(54.1234), amount(25774.5), amount(-1.5e12)
    ('54.12', '25,770', '-1.5e+12')
    """
    return f"{float(f'{value:.4g}'):,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def share(value: float) -> str:
    """A percentage.

    >>> share(0.98329)
    '98.33%'
    """
    return f"{value:.2%}"


def counted(number: int, noun: str) -> str:
    """`1 row`, `1,797 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shown(name: object) -> str:
    r"""A name or label from a table: on one line, not too long, and nothing in it that cannot be seen.

    >>> shown("two\nlines"), shown("price \u202e"), len(shown("x" * 1000))
    ('two\\nlines', 'price \\u202e', 60)
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in str(name))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}…{text[-19:]}"  # city=..., the end tells
