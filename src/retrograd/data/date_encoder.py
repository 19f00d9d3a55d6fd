r"""Dates and times of day as inputs: how far along, and where in the day, the week and the year.

The time that has passed is one standardised number. A part that comes round again (the time of day, the weekday, the
month), and that varies in the training rows, is a point on a circle, :math:`(\sin 2\pi t, \cos 2\pi t)`, so that
midnight is near 23:59 and December near January.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from retrograd.data._wording import counted, quoted
from retrograd.data.cells import Cells
from retrograd.data.dates import DAY, Moment, moment_of
from retrograd.data.encoders import Encoder
from retrograd.errors import DataError

PARTS = ("month", "weekday", "time of day")


@dataclass(frozen=True)
class Dates(Encoder):
    r"""Dates, or times of day: :math:`(t - \text{mean}) / \text{scale}` in days, and `sin` and `cos` of each part.

    Attributes:
        name: the column's.
        fill: the median of the training rows, for missing cells.
        mean: of the training rows, filled.
        scale: their root mean square deviation; 0 where all are alike, and then there is no such input.
        parts: those of `PARTS` that vary in the training rows.
        clock: whether the cells are times of day without a date.
        zoned: whether the cells say a time zone; time passes in UTC, parts are as written.
        day_first: whether 1/2/2020 is in February.
        missing: whether training rows miss some, which then has an input. A missing cell has no place on a circle: it
            is (0, 0).
    """

    kind: ClassVar[str] = "date"
    name: str
    fill: float
    mean: float
    scale: float
    parts: tuple[str, ...]
    clock: bool
    zoned: bool
    day_first: bool
    missing: bool

    @property
    def input_names(self) -> tuple[str, ...]:
        names = [self.name] if self.scale else []
        names += [f"{self.name} ({part}, {wave})" for part in self.parts for wave in ("sin", "cos")]
        return (*names, f"{self.name}=(missing)") if self.missing else tuple(names)

    def encode(self, cells: Cells, notes: list[str]) -> np.ndarray:
        gaps = int(cells.missing.sum())
        if gaps and not self.missing:
            what = "time of day" if self.clock else "date"
            filled = f"filled with {shown(self.fill, clock=self.clock)}, the median in training"
            notes.append(f"Column {quoted(self.name)}: {counted(gaps, f'missing {what}')} {filled}.")
        table = [self._row(self._moment(level, cells, place)) for place, level in enumerate(cells.levels)]
        return np.array([*table, self._row(None)])[cells.codes]  # a missing cell has the code -1 and takes the last

    def _row(self, moment: Moment | None) -> list[float]:
        """The inputs of one moment; of a missing one for None."""
        days = self.fill if moment is None else moment.elapsed / DAY
        row = [(days - self.mean) / self.scale] if self.scale else []
        for part in self.parts:
            # math's sine, not NumPy's: that one may round by the place in an array
            angle = 0.0 if moment is None else 2 * math.pi * turn(moment, part)
            row += [0.0, 0.0] if moment is None else [math.sin(angle), math.cos(angle)]
        return [*row, float(moment is None)] if self.missing else row

    def _moment(self, level: str, cells: Cells, place: int) -> Moment:
        moment = moment_of(level, day_first=self.day_first)
        if moment is None:
            what = f"is no {'time of day' if self.clock else 'date'}"
        elif (moment.day is None) != self.clock:
            what = f"is a {'date' if self.clock else 'time of day'}"
        elif moment.zoned != self.zoned:
            what = f"says {'no time zone' if self.zoned else 'a time zone'}"
        else:
            return moment
        row, text = cells.first(np.arange(len(cells.levels)) == place)
        raise DataError(
            f"column {quoted(self.name)}, row {row}: {quoted(text)} {what}, unlike this column in training: "
            "correct it, or leave the cell empty"
        )


def turn(moment: Moment, part: str) -> float:
    """How far round a part is, from 0 up to 1."""
    if part == "month":
        return (moment.month - 1) / 12
    if part == "weekday":
        return _weekday(moment) / 7
    return moment.seconds / DAY


def _weekday(moment: Moment) -> int:
    """Monday is 0; 1970 began on a Thursday."""
    return ((moment.day or 0) + 3) % 7


def fit_dates(cells: Cells, rows: np.ndarray, *, day_first: bool) -> Dates | None:
    """Median, mean and scale of the training rows (int64), and the parts that vary; None if nothing does."""
    codes = cells.codes[rows]
    seen = np.unique(codes[codes >= 0])
    if not len(seen):
        return None
    moments = {code: moment_of(cells.levels[code], day_first=day_first) for code in seen.tolist()}
    known = {code: moment for code, moment in moments.items() if moment is not None}
    clock = next(iter(known.values())).day is None
    days = np.array([known[code].elapsed / DAY if code >= 0 else math.nan for code in codes.tolist()])
    fill = float(np.median(days[codes >= 0]))
    filled = np.where(codes >= 0, days, fill)
    alike = filled.min() == filled.max()
    mean, scale = (fill, 0.0) if alike else (float(filled.mean()), float(filled.std()))
    possible = PARTS[2:] if clock else PARTS
    parts = tuple(part for part in possible if len({turn(moment, part) for moment in known.values()}) > 1)
    missing = bool((codes < 0).any())
    zoned = next(iter(known.values())).zoned
    encoder = Dates(cells.name, fill, mean, scale, parts, clock, zoned, day_first, missing)
    return encoder if encoder.input_names else None


def shown(days: float, *, clock: bool) -> str:
    """Days since 1970 began as a date, or a part of a day as a time of day.

    >>> shown(18262.5, clock=False), shown(0.75, clock=True)
    ('2020-01-01', '18:00:00')
    """
    if clock:
        return str(np.datetime64(round(days * DAY), "s"))[11:]
    return str(np.datetime64(math.floor(days), "D"))
