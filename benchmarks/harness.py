"""How a row is measured and reported.

Each library runs in a fresh process of its own for each number of threads (`processes.py`). A set of such processes
takes turns, round after round, so that a slow spell of the machine hits all alike; the order rotates, so that nobody
always follows the same neighbour. Several fresh sets do that. The figure that counts is a ratio: within a set the
median over rounds of ours / theirs in the same round, then the median over sets, with the lowest and the highest beside
it. A row is won only if all sets agree on which side of 1 it lies. Before anything is timed each contestant shows that
it computes what the others do.
"""

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.contest import BY_HAND, FLOOR, OURS, Row, Work

ROOT = Path(__file__).parents[1]

ROUND_SECONDS = 0.03  # long enough that the clock costs nothing, short enough for many rounds
WARM_SECONDS = 0.005


def seconds_for(work: Work, times: int) -> float:
    """The time of one run, over `times` of them."""
    clock, run = time.perf_counter, work.run
    begin = clock()
    for _ in range(times):
        run()
    if work.finish:
        work.finish()
    return (clock() - begin) / times


def warm(work: Work) -> None:
    """What is not to be timed: garbage, cold caches, sleeping threads."""
    gc.collect()
    until = time.perf_counter() + WARM_SECONDS
    while True:
        seconds_for(work, 1)
        if time.perf_counter() >= until:
            return


def repeats(work: Work, round_seconds: float) -> int:
    """How many runs make a round."""
    warm(work)
    return max(1, round(round_seconds / max(seconds_for(work, 1), 1e-9)))


def rounds_of(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Interleaved rounds: seconds for each label, one a round."""
    measured: dict[str, list[float]] = {label: [] for label in contestants}
    turns = list(contestants.items())
    for turn in range(rounds):
        shift = turn % len(turns)
        for label, measure in (*turns[shift:], *turns[:shift]):
            measured[label].append(measure())
    return measured


Process = Mapping[str, Sequence[float]]  # what one set of processes measured: seconds by label, one a round
Peaks = Mapping[str, Sequence[float]]  # by library, MiB beyond its imports and in all


@dataclass(frozen=True)
class Spread:
    """A figure over sets of processes."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Lowest, median, highest."""
        return cls(min(values), median(values), max(values))

    def text(self, per_second: float = 1) -> str:
        """`0.520 (0.501 to 0.553)`, three digits at least, no exponents."""
        size = abs(self.middle * per_second)
        places = max(0, 2 - math.floor(math.log10(size))) if size else 2
        low, middle, high = (f"{v * per_second:,.{places}f}" for v in (self.low, self.middle, self.high))
        return f"{middle} ({low} to {high})"


def time_of(label: str, processes: Sequence[Process]) -> Spread:
    """Seconds over sets; the median round stands for a set."""
    return Spread.of([median(process[label]) for process in processes])


def ratio(ours: str, theirs: str, processes: Sequence[Process]) -> Spread:
    """Our time over theirs: rounds of one set are paired, then sets compared."""
    return Spread.of(
        [median(a / b for a, b in zip(process[ours], process[theirs], strict=True)) for process in processes]
    )


def verdict(spread: Spread) -> str:
    """Won or lost only where every set says so."""
    return "won" if spread.high < 1 else "lost" if spread.low > 1 else "even"


def with_differences(row: Row, process: Process) -> Process:
    """What was measured, with the rows that are made from others."""
    made = {
        label: [x - y for x, y in zip(process[a], process[b], strict=True)]
        for label, a, b in row.differences
        if a in process and b in process
    }
    return {**process, **made}


def fastest(labels: Sequence[str], processes: Sequence[Process]) -> str | None:
    """The label with the least time, chosen once for all sets."""
    return min(labels, key=lambda label: time_of(label, processes).middle, default=None)


def report(row: Row, processes: Sequence[Process]) -> list[str]:
    """The row's table in Markdown, in the order of its entries, losses included."""
    processes = [with_differences(row, process) for process in processes]
    name, per_second = row.unit
    labels = list(processes[0])
    parts = {part for _, a, b in row.differences for part in (a, b)}  # shown, and not compared
    compared = [label for label in labels if label not in parts and not label.startswith(FLOOR)]
    best = fastest([label for label in compared if label.startswith(OURS)], processes)
    rates = bool(row.flop)
    lines = [
        f"| | {name} | {'GFLOP/s | ' if rates else ''}ours / theirs | | aim |",
        f"| --- | ---: | {'---: | ' if rates else ''}---: | --- | --- |",
    ]
    for label in labels:
        time = time_of(label, processes)
        versus, judged, aimed = "", "", ""
        if best is not None and label in compared and not label.startswith(OURS) and time.low > 0:
            against = ratio(best, label, processes)
            versus, judged = against.text(), verdict(against)
            aim = next((aim for start, aim in row.aims.items() if label.startswith(start)), None)
            aimed = "" if aim is None else f"{aim:g}: {_reached(against.middle <= aim)}"
        rate = f"{row.flop / time.middle / 1e9:,.1f} | " if rates else ""
        lines.append(f"| {label} | {time.text(per_second)} | {rate}{versus} | {judged} | {aimed} |")
    return [*lines, "", *_summary(row, processes, compared, best)] if best is not None else lines


def _summary(row: Row, processes: Sequence[Process], compared: Sequence[str], best: str) -> list[str]:
    """Ours against the best peer, the floor, and the times that we aim at."""
    sentences = [f"Ours is {best}."]
    peer = fastest([label for label in compared if not label.startswith((OURS, BY_HAND))], processes)
    if peer is not None and min(time_of(label, processes).low for label in (peer, best)) > 0:
        against = ratio(best, peer, processes)
        sentence = f"The best peer is {peer}: it takes {1 / against.middle:.3g} times as long ({verdict(against)})"
        aim = f"; the aim is {row.factor:g}, {_reached(1 / against.middle >= row.factor)}" if row.factor else ""
        sentences.append(f"{sentence}{aim}.")
    mine = _threads(best)
    floors = [label for label in processes[0] if label.startswith(FLOOR)]
    floors = [label for label in floors if not mine or _threads(label) in (mine, 0)]
    if floors:
        floor = max(floors, key=lambda label: time_of(label, processes).middle)
        sentences.append(f"Ours takes {ratio(best, floor, processes).middle:.3g} times the {floor}.")
    for threads, seconds in row.seconds.items():
        ours = [label for label in compared if label.startswith(OURS) and _threads(label) in (threads, 0)]
        if label := fastest(ours, processes):
            reached = _reached(time_of(label, processes).middle <= seconds)
            where = f" with {threads} thread{'s' * (threads > 1)}" if _threads(label) else ""
            sentences.append(f"The aim{where} is {seconds * row.unit[1]:g} {row.unit[0]}: {reached}.")
    return [" ".join(sentences)]


def _threads(label: str) -> int:
    """The number of threads that a label names; 0 if it names none."""
    words = label.rsplit(", ", 1)[-1].split()
    return int(words[0]) if len(words) == 2 and words[1] in ("thread", "threads") else 0


def _reached(yes: bool) -> str:
    return "reached" if yes else "missed"


def memory(peaks: Sequence[Peaks]) -> list[str]:
    """One sentence on the peak memory of the process of each library after its first entry, with one thread."""
    libraries = [library for library in peaks[0] if library != "llvmlite"]
    if OURS not in libraries:
        return []
    beyond = {library: Spread.of([peak[library][0] for peak in peaks]) for library in libraries}
    whole = {library: median(peak[library][1] for peak in peaks) for library in libraries}
    shown = ", ".join(f"{library} {spread.text()}, {whole[library]:.0f} in all" for library, spread in beyond.items())
    sentence = f"Peak memory beyond the imports, MiB: {shown}."
    peers = [library for library in libraries if library not in (OURS, "numpy")]
    if peers:
        leaner = min(peers, key=lambda library: beyond[library].middle)
        share = beyond[OURS].middle / max(beyond[leaner].middle, 1e-3)
        sentence += f" Ours takes {share:.3g} times the leaner peer's; the aim is 1, {_reached(share <= 1)}."
    return ["", sentence]
