"""Dates and times of day, read from text: which forms are known, and which day `01/02/2020` is.

A column is read as a whole. Texts that begin with the year, or that name the month, say all; of the others the column
itself shows which of two numbers is the day (one above 12, or points between them), or a person has to say.
"""

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from retrograd.data.numbers import number_of

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?(?:\s*(?P<half>[ap]\.?m\.?))?"
)
_ZONE = r"(?:\s*(?P<zone>Z|UTC|GMT|[-+]\d{2}(?::?\d{2})?))?"
_DAYS = (
    r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?:(?P=s)(?P<d>\d{1,2}))?",
    r"(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})",
    rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -](?P<name>{_NAMED})\.?,?[ -](?P<y>\d{{4}}|\d{{2}})",
    rf"(?P<name>{_NAMED})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})",
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
)
_FORMS = [re.compile(rf"{day}(?:[T ,]\s*{_CLOCK}{_ZONE})?", re.IGNORECASE) for day in _DAYS]
_TIME = re.compile(_CLOCK, re.IGNORECASE)
_SHAPE = re.compile(r"\d{1,4}(?:[-/.: ]|st|nd|rd|th)|[a-z]{3,9}\.? \d", re.IGNORECASE)  # how all but one form begin
_EPOCH = dt.date(1970, 1, 1).toordinal()
DAY = 86400.0
"""Seconds."""


class Moment(NamedTuple):
    """A date with a time of day, or a time of day alone.

    Attributes:
        elapsed: seconds since 1970 began (in UTC, if the text says a zone), or since midnight.
        day: days since 1970 began, by the calendar where it was written; None for a time of day alone.
        seconds: since midnight, by the clock where it was written.
        month: from 1 to 12; 0 for a time of day alone.
        zoned: whether the text says a time zone.
    """

    elapsed: float
    day: int | None
    seconds: float
    month: int
    zoned: bool


@dataclass(frozen=True)
class Doubt:
    """Why a column of dates cannot be read.

    Attributes:
        text: the first text that shows it.
        why: to be read after `holds dates`.
        remedy: an imperative.
    """

    text: str
    why: str
    remedy: str


def moment_of(text: str, *, day_first: bool) -> Moment | None:
    """A text as a moment, or None.

    >>> moment_of("1970-01-02 00:00:01+01:00", day_first=False)
    Moment(elapsed=82801.0, day=1, seconds=1.0, month=1, zoned=True)
    >>> moment_of("2/1/1970", day_first=True).day, moment_of("1:30 pm", day_first=False).seconds
    (1, 48600.0)
    """
    if found := _TIME.fullmatch(text):
        seconds = _clock(found)
        return None if seconds is None else Moment(seconds, None, seconds, 0, zoned=False)
    found = _date(text)
    if found is None:
        return None
    parts = found.groupdict()
    if parts.get("a"):
        parts["d"], parts["m"] = (parts["a"], parts["b"]) if day_first else (parts["b"], parts["a"])
    month = _MONTHS.index(parts["name"][:3].lower()) + 1 if parts.get("name") else int(parts["m"])
    try:
        day = dt.date(_year(parts["y"]), month, int(parts.get("d") or 1)).toordinal() - _EPOCH
    except ValueError:
        return None
    seconds = _clock(found) if parts["hour"] else 0.0
    offset = _offset(parts["zone"])
    if seconds is None or offset is None:
        return None
    return Moment(day * DAY + (seconds - offset), day, seconds, month, zoned=parts["zone"] is not None)


def is_date(text: str) -> bool:
    """Whether a text is a date or a time of day, and not also a number."""
    if not _SHAPE.match(text):
        return False
    found = moment_of(text, day_first=False) or moment_of(text, day_first=True)
    return found is not None and number_of(text) is None


def are_numbered_days(texts: Sequence[str]) -> bool:
    """Whether eight digits are days in every text: `20200131`, from 1900 to 2100, at least three of them."""
    return len(texts) > 2 and all(
        len(text) == 8 and text.isdecimal() and "1900" <= text[:4] <= "2100" and moment_of(text, day_first=True)
        for text in texts
    )


def day_first_in(texts: Sequence[str], told: bool | None) -> bool | Doubt:
    """Whether `1/2/2020` begins with the day, judged from all dates of a column; what a person told decides doubts."""
    pairs = [(int(found["a"]), int(found["b"]), text) for text in texts if (found := _two_numbers(text))]
    day = next((text for a, _, text in pairs if a > 12), None)
    month = next((text for _, b, text in pairs if b > 12), None)
    if day is not None and month is not None:
        why = f"of which {day!r} begins with the day and {month!r} with the month"
        return Doubt(month, why, "write them as 2020-01-31")
    if day is not None or month is not None:
        return day is not None
    if told is not None:
        return told
    open_ = next((text for a, b, text in pairs if a != b), None)
    if open_ is None or "." in open_:  # points part the day from the month wherever they are used
        return True
    return Doubt(
        open_, f"that may begin with the day or the month ({open_!r})", "say it with --day-first or --month-first"
    )


def _two_numbers(text: str) -> "re.Match[str] | None":
    return _FORMS[1].fullmatch(text)


def _date(text: str) -> "re.Match[str] | None":
    return next((found for form in _FORMS if (found := form.fullmatch(text))), None)


def _year(text: str) -> int:
    """A year; of two digits, as POSIX has it: 69 to 99 are of the last century."""
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= 69 else 2000)


def _clock(found: "re.Match[str]") -> float | None:
    """Seconds since midnight; None if no clock shows that."""
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"][0] in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    part = float(f"0.{found['part']}") if found["part"] else 0.0
    return 3600 * hour + 60 * minute + second + part


def _offset(zone: str | None) -> float | None:
    """Seconds east of Greenwich; None if there is no such zone."""
    if zone is None or not zone[1:].replace(":", "").isdecimal():
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 15 or minutes > 59:
        return None
    return math.copysign(3600.0 * hours + 60 * minutes, -1.0 if zone[0] == "-" else 1.0)
