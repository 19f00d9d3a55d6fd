r"""Learning rates as functions of the number of completed steps: ``rg.optim.Adam(model, lr=exponential(1e-3, 0.99))``.

A schedule reads the optimiser's own step count, so nobody has to call it, and a compiled loop, a saved and a resumed
run go on where they were. Names and arguments are those of PyTorch's schedulers, with the rate to begin with first;
they count steps of the optimiser, where PyTorch counts the calls of ``scheduler.step()``. Any function of the step is a
schedule as well; it is written with operators and `rg` functions, because a compiled program traces it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.ops import arithmetic as a
from retrograd.ops.rounding import floor

Schedule = Callable[[Any], Any]


def constant(lr: Any) -> Schedule:
    r"""The same rate at every step; a part for `sequential`: :math:`\eta_t = \eta`."""
    return lambda step: step * 0.0 + lr


def step(lr: Any, step_size: int, gamma: float = 0.1) -> Schedule:
    r"""A factor every `step_size` steps: :math:`\eta_t = \eta\, \gamma^{\lfloor t / s \rfloor}`."""
    _at_least("step: step_size", step_size, 1)
    return lambda step: lr * a.power(gamma, floor(step / float(step_size)))


def multistep(lr: Any, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    r"""A factor at every milestone: :math:`\eta_t = \eta\, \gamma^{\#\{m \le t\}}`."""
    _rising("multistep: milestones", milestones)

    def rate(step: Any) -> Any:
        passed = step * 0.0
        for m in milestones:
            passed = passed + a.where(step >= float(m), 1.0, 0.0)
        return lr * a.power(gamma, passed)

    return rate


def piecewise_constant(values: Sequence[Any], milestones: Sequence[int]) -> Schedule:
    """The first value before the first milestone, then the second, and so on: one more value than milestones."""
    if len(values) != len(milestones) + 1:
        raise RetrogradError(
            f"piecewise_constant: {len(milestones)} milestones part {len(milestones) + 1} values, not {len(values)}"
        )
    return sequential([constant(value) for value in values], milestones, restart=False)


def exponential(lr: Any, gamma: float) -> Schedule:
    r"""A factor every step: :math:`\eta_t = \eta\, \gamma^t`."""
    return lambda step: lr * a.power(gamma, step)


def polynomial(lr: Any, total_iters: int, power: float = 1.0) -> Schedule:
    r"""Down to 0 at step T: :math:`\eta_t = \eta\, (1 - \min(t, T) / T)^p`; with p = 1 along a line."""
    _at_least("polynomial: total_iters", total_iters, 1)
    return lambda step: lr * (1.0 - a.minimum(step, float(total_iters)) / float(total_iters)) ** power


def linear(lr: Any, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5) -> Schedule:
    r"""From one factor of the rate to another along a line, then the latter.

    .. math:: \eta_t = \eta\, (a + (b - a) \min(t, T) / T)
    """
    _at_least("linear: total_iters", total_iters, 1)

    def rate(step: Any) -> Any:
        share = a.minimum(step, float(total_iters)) / float(total_iters)
        return lr * (start_factor + (end_factor - start_factor) * share)

    return rate


def inverse_sqrt(lr: Any, warmup_steps: int) -> Schedule:
    r"""Along a line up to `lr` at step w, then falling with the root of the step.

    .. math:: \eta_t = \eta\, \min\Big(\frac{t + 1}{w}, \sqrt{\frac{w}{t + 1}}\Big)

    Vaswani et al. (2017), equation 3, with the rate at the peak in the place of :math:`(d\,w)^{-1/2}`.
    """
    _at_least("inverse_sqrt: warmup_steps", warmup_steps, 1)
    w = float(warmup_steps)
    return lambda step: lr * a.minimum((step + 1.0) / w, a.sqrt(w / (step + 1.0)))


def cosine_annealing(lr: Any, T_max: int, eta_min: float = 0.0) -> Schedule:
    r"""Down to `eta_min` along half a wave, and from step `T_max` on there.

    .. math:: \eta_t = \eta_{\min} + \tfrac12 (\eta - \eta_{\min}) \big(1 + \cos(\pi\, t / T)\big)

    Loshchilov, Hutter (2017), equation 5. PyTorch lets the rate rise again after `T_max`; for that there is
    `cosine_warm_restarts`.

    >>> [round(float(cosine_annealing(1.0, 4)(t)), 3) for t in (0.0, 1.0, 2.0, 4.0, 9.0)]
    [1.0, 0.854, 0.5, 0.0, 0.0]
    """
    _at_least("cosine_annealing: T_max", T_max, 1)
    return lambda step: _wave(lr, eta_min, a.minimum(step, float(T_max)) / float(T_max))


def cosine_warm_restarts(lr: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> Schedule:
    r"""Half waves of `cosine_annealing`, one after another; each is `T_mult` times as long as the one before.

    Loshchilov, Hutter (2017), section 3.
    """
    _at_least("cosine_warm_restarts: T_0", T_0, 1)
    _at_least("cosine_warm_restarts: T_mult", T_mult, 1)
    first = float(T_0)

    def rate(step: Any) -> Any:
        if T_mult == 1:
            return _wave(lr, eta_min, step / first - floor(step / first))
        # Cycle n begins at first (m**n - 1) / (m - 1). The small number keeps a logarithm of exactly n at n.
        cycle = floor(a.log(step * ((T_mult - 1) / first) + 1.0) / math.log(T_mult) + 1e-9)
        length = a.power(float(T_mult), cycle)
        begin = (length - 1.0) * (first / (T_mult - 1))
        return _wave(lr, eta_min, (step - begin) / (length * first))

    return rate


def one_cycle(
    max_lr: Any,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Up to `max_lr` in the first `pct_start` of the steps, and down to next to nothing in the rest.

    Args:
        max_lr: the rate at the peak.
        total_steps: of the whole cycle; after it the rate stays.
        pct_start: the share of the steps that go up.
        anneal_strategy: "cos" for half waves, "linear" for lines.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first one divided by this.

    Smith, Topin (2019), section 4; PyTorch's with ``cycle_momentum=False``.
    """
    _at_least("one_cycle: total_steps", total_steps, 2)
    if anneal_strategy not in ("cos", "linear"):
        raise RetrogradError(f"one_cycle: anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
    top = float(pct_start * total_steps) - 1.0
    if not 0.0 < top < total_steps - 1:
        raise RetrogradError(f"one_cycle: pct_start={pct_start} of {total_steps} steps leaves none to go up or down")
    first = max_lr / div_factor
    last = first / final_div_factor
    between = _wave if anneal_strategy == "cos" else _line

    def rate(step: Any) -> Any:
        down = (a.minimum(step, total_steps - 1.0) - top) / (total_steps - 1.0 - top)
        return a.where(step <= top, between(first, max_lr, step / top), between(max_lr, last, down))

    return rate


def warmup(schedule: Any, steps: int, start_factor: float = 0.0) -> Schedule:
    """A line from `start_factor` of the schedule's first rate up to it in `steps` steps, then the schedule.

    Args:
        schedule: a schedule, or a number, which then stays.
        steps: how long the rate rises; the schedule begins after them, at its step 0.
        start_factor: of the rate at the first step; with 0 the first step changes nothing.
    """
    _at_least("warmup: steps", steps, 1)
    after = schedule if callable(schedule) else constant(schedule)

    def before(step: Any) -> Any:
        return after(step * 0.0) * (start_factor + (1.0 - start_factor) * a.minimum(step, float(steps)) / float(steps))

    return sequential([before, after], [steps])


def sequential(schedules: Sequence[Schedule], milestones: Sequence[int], *, restart: bool = True) -> Schedule:
    """One schedule after another: the second begins at the first milestone, and so on.

    Args:
        schedules: one more than there are milestones.
        milestones: rising step counts.
        restart: each schedule counts the steps from its own beginning; otherwise all count alike.

    >>> both = sequential([linear(1.0, 0.5, 1.0, 2), exponential(1.0, 0.5)], [2])
    >>> [float(both(float(t))) for t in range(5)]
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """
    if len(schedules) != len(milestones) + 1:
        raise RetrogradError(
            f"sequential: {len(milestones)} milestones part {len(milestones) + 1} schedules, not {len(schedules)}"
        )
    _rising("sequential: milestones", milestones)

    def rate(step: Any) -> Any:
        found = schedules[0](step)
        for milestone, schedule in zip(milestones, schedules[1:], strict=True):
            # Never at a step below 0: what is not chosen is to be a number all the same.
            begun = a.maximum(step - float(milestone), 0.0) if restart else step
            found = a.where(step >= float(milestone), schedule(begun), found)
        return found

    return rate


def _wave(begin: Any, end: Any, share: Any) -> Any:
    """From `begin` to `end` along half a wave of the cosine, as `share` goes from 0 to 1."""
    return end + (begin - end) * ((a.cos(share * math.pi) + 1.0) * 0.5)


def _line(begin: Any, end: Any, share: Any) -> Any:
    return begin + (end - begin) * share


def _at_least(what: str, value: Any, least: int) -> None:
    if type(value) is not int or value < least:
        raise RetrogradError(f"{what} is a whole number from {least} up, not {value!r}")


def _rising(what: str, values: Sequence[int]) -> None:
    for value in values:
        _at_least(what, value, 0)
    if any(y <= x for x, y in pairwise(values)):
        raise RetrogradError(f"{what} rise, which {list(values)} do not")
