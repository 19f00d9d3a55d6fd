r"""Finite differences that know when they can be trusted.

The five-point stencil :math:`f' \approx (f(x-2h) - 8f(x-h) + 8f(x+h) - f(x+2h)) / 12h` errs by :math:`h^4 f^{(5)} / 30`
plus rounding of about :math:`\epsilon |f| / h`. A wrong derivative disagrees at every step; a right one agrees at some.
Where it agrees at none, slopes taken from both sides tell a corner or a jump from a mistake.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

EPSILON = 2.0**-52
WELL = 1e-10  # with such an agreement no further step is tried
STEPS = (2.0**-10, 2.0**-13, 2.0**-17, 2.0**-20)


class Difference(NamedTuple):
    """What finite differences say about one derivative."""

    value: float
    agrees: bool
    kink: bool


def compare(f: Callable[[float], float], at: float, expected: float, tolerance: float = 1e-7) -> Difference:
    """Compare `expected` with differences of ``f(offset)``, where the offset is added to a number that is `at` now.

    Args:
        tolerance: relative to the larger of 1 and the derivative; the rounding of `f` is allowed for on top.
    """
    here = f(0.0)
    best = Difference(math.nan, False, False)
    error = math.inf  # of the best
    for h in _steps(at):
        values = [f(-2 * h), f(-h), f(h), f(2 * h)]
        if not all(map(math.isfinite, values)):
            continue
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
        off = abs(slope - expected)
        rounding = 4 * EPSILON * max(map(abs, [here, *values])) / h
        agrees = off <= tolerance * max(1.0, abs(expected)) + rounding
        if agrees and _looks_like_a_kink(values, here, h):  # its mean slope happens to be what was expected
            return Difference(slope, True, _at_a_kink(f, here, at, expected) is not None)
        if agrees >= best.agrees and not off >= error:
            best, error = Difference(slope, agrees, False), off
        if off <= WELL * max(1.0, abs(expected)):
            return best
    return best if best.agrees else _at_a_kink(f, here, at, expected) or best


def _steps(at: float) -> list[float]:
    """Steps to try: relative to the larger of 1 and the number, then, nearer and nearer, relative to the number."""
    size = max(1.0, abs(at)) if math.isfinite(at) else 1.0
    steps = [s * size for s in STEPS]
    if 0 < abs(at) < 1:
        steps += [s * abs(at) for s in STEPS]
    return steps


def _looks_like_a_kink(values: list[float], here: float, h: float) -> bool:
    """Whether the slopes of the two sides differ as much at half the distance; where f is smooth, half as much."""
    near, far = (values[1] - 2 * here + values[2]) / h, (values[0] - 2 * here + values[3]) / (2 * h)
    slopes = abs(values[2] - here) / h, abs(here - values[1]) / h
    return abs(near) > 1e-4 * max(1.0, *slopes) and abs(near) > 0.75 * abs(far)


def _at_a_kink(f: Callable[[float], float], here: float, at: float, expected: float) -> Difference | None:
    """The verdict where the slopes of the two sides stay apart however near they are taken; None if they meet."""
    size = max(1.0, abs(at)) if math.isfinite(at) else 1.0
    gaps, slopes = [], (math.nan, math.nan)
    for h in (STEPS[1] * size, STEPS[3] * size):
        slopes = (here - f(-h)) / h, (f(h) - here) / h
        if not all(map(math.isfinite, slopes)):
            return None
        gaps.append(abs(slopes[1] - slopes[0]))
    room = 1e-4 * max(1.0, *map(abs, slopes))
    if gaps[1] <= room or gaps[1] < 0.5 * gaps[0]:
        return None
    jump = gaps[1] > 4 * gaps[0]
    between = min(slopes) - room <= expected <= max(slopes) + room
    return Difference(sum(slopes) / 2, jump or between or not math.isfinite(expected), True)
