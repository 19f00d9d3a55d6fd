"""How a column writes its numbers: plainly, or as people do, with separators of thousands, decimal commas and signs.

A way of writing is a text: `plain`, or the decimal mark followed by a sign, if there is one: `.`, `,`, `.%`, `,€`.
It is found for a column as a whole, saved with the model, and every later cell has to be written that way.
"""

import math
import re
from collections.abc import Sequence

MISSING_NUMBER = frozenset({"none", "-", "--", "."})
"""Texts that mark a missing cell among numbers only: elsewhere `None` may well be a category."""

PLAIN = "plain"
CURRENCIES = "$€£¥₹"
WRITING = re.compile(rf"{PLAIN}|[.,][%{CURRENCIES}]?")

_SIGN = r"[-+\u2212]?"
_BLANK = r"(?:[1-9]\d{0,2}(?:[ \u00a0\u202f]\d{3})+|[1-9]\d{0,2}(?:['\u2019]\d{3})+)"
_GRAMMAR = {
    ".": re.compile(
        rf"{_SIGN}(?:(?:\d+|[1-9]\d{{0,2}}(?:,\d{{3}})+|[1-9]\d?(?:,\d\d)+,\d{{3}}|{_BLANK})(?:\.\d*)?|\.\d+)"
        r"(?:[eE][-+]?\d+)?"
    ),
    ",": re.compile(
        rf"{_SIGN}(?:(?:\d+|[1-9]\d{{0,2}}(?:\.\d{{3}})+|{_BLANK})(?:,\d*)?|,\d+)(?:[eE][-+]?\d+)?"
    ),
}  # fmt: skip
_GROUPS = {
    ".": str.maketrans("\u2212", "-", ", '\u2019\u00a0\u202f"),
    ",": str.maketrans(",\u2212", ".-", ". '\u2019\u00a0\u202f"),
}


def number_of(text: str) -> float | None:
    """The float64 nearest to a decimal number, NaN for a mark of a missing number, None for anything else.

    >>> number_of("0.1"), number_of("-"), number_of("1_000"), number_of("1,5")
    (0.1, nan, None, None)
    """
    try:
        number = float(text)
    except ValueError:
        return math.nan if text.casefold() in MISSING_NUMBER else None
    return None if "_" in text else number  # Python's own digit grouping is no number in a file


def number_in(text: str, writing: str) -> float | None:
    """`number_of` a text that is written in a column's way.

    >>> number_in("-$1,234.50", ".$"), number_in("1.234,5", ","), number_in("12 %", ".%"), number_in("12", ".%")
    (-1234.5, 1234.5, 12.0, None)
    """
    if writing == PLAIN:
        return number_of(text)
    if text.casefold() in MISSING_NUMBER:
        return math.nan
    mark, sign = writing[0], writing[1:]
    body = _without(text, sign) if sign else text
    if body is None or not _GRAMMAR[mark].fullmatch(body):
        return None
    return float(body.translate(_GROUPS[mark]))


def writing_of(texts: Sequence[str], decimal: str) -> str | None:
    """How numbers are written that are not all plain; None if the texts are no numbers written in one way.

    Args:
        texts: the different cells of a column.
        decimal: the mark to prefer where both `.` and `,` can be meant, as in `1,234`.
    """
    present = [text for text in texts if text.casefold() not in MISSING_NUMBER]
    if not present:
        return None
    sign = next((sign for sign in f"%{CURRENCIES}" if sign in present[0]), "")
    marks = (decimal, "," if decimal == "." else ".")
    return next(
        (mark + sign for mark in marks if all(number_in(text, mark + sign) is not None for text in present)), None
    )


def decimal_of(texts: Sequence[str]) -> str | None:
    """The decimal mark that a column's texts leave no doubt about, or None: `3,14` and `1.234,5` settle it."""
    if texts and number_of(texts[0]) is not None and not any("," in text for text in texts):
        return None  # plain numbers, as nearly always: not worth two grammars
    point, comma = writing_of(texts, "."), writing_of(texts, ",")
    if point is None or point != comma or all(number_of(text) is not None for text in texts):
        return None
    return point[0]


def looks_grouped(texts: Sequence[str]) -> bool:
    """Whether plain numbers, some with a point, could be whole numbers with points between thousands: `12.500`."""
    return any("." in text for text in texts) and all(
        re.fullmatch(rf"{_SIGN}(\d{{1,3}}|[1-9]\d{{0,2}}(\.\d{{3}})+)", text) for text in texts
    )


def is_decorated(text: str) -> bool:
    """Whether a text is a number, but for the way in which it is written: `1,234`, `12%`, `3,14`, `$5`."""
    return number_of(text) is None and writing_of([text], ".") is not None


def _without(text: str, sign: str) -> str | None:
    """The text without its one sign at an end; `-$5` and `$-5` are both `-5`. None if the sign is elsewhere."""
    if text.count(sign) != 1:
        return None
    if text.endswith(sign):
        return text[: -len(sign)].rstrip()
    minus, rest = (text[0], text[1:]) if text[0] in "-+\u2212" else ("", text)
    if sign == "%" or not rest.startswith(sign):
        return None
    rest = rest[len(sign) :].lstrip()
    return None if minus and rest[:1] in {"-", "+", "\u2212"} else minus + rest
