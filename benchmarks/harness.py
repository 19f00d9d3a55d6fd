"""How a row is measured.

A row names its contestants; each does the same work, and shows that it does (`evidence`) before anything is timed. One
process runs all of them in turn, round after round, so that a slow spell of the machine hits all alike; the order
rotates, so that nobody always follows the same neighbour. Several fresh processes do that. The figure that counts is
a ratio: within a process the median over rounds of ours / theirs in the same round, then the median over processes,
with the lowest and the highest beside it. A row is won only if all processes agree on which side of 1 it lies.
"""

import gc
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = "retrograd"

ROUND_SECONDS = 0.05  # long enough that the clock costs nothing, short enough for many rounds
# Threads that BLAS and OpenMP woke keep spinning after their last job (OpenBLAS for 2^26 cycles, some 27 ms) and would
# take a core away from the next contestant.
SETTLE_SECONDS = 0.04
WARM_SECONDS = 0.005


@dataclass(frozen=True)
class Contestant:
    """One way of doing a row's work."""

    name: str
    run: Callable[[], object]
    evidence: Sequence[float] = ()
    threads: int | None = None
    scale: float = 1.0  # what is reported is the time of one `run` times this

    @property
    def label(self) -> str:
        """The name with the number of threads."""
        return f"{self.name}, {self.threads} thread{'s' * (self.threads > 1)}" if self.threads else self.name


Maker = Callable[[], Contestant]


@cache
def _pools() -> Any:
    """The thread pools of the libraries in this process, looked up once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def use_threads(count: int) -> None:
    """Set the number of threads of NumPy's BLAS, and of PyTorch if this process has loaded it."""
    _pools().limit(limits=count, user_api="blas")
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def enter(makers: Iterable[Maker]) -> tuple[list[Contestant], list[str]]:
    """The contestants whose package is here, and what the others lacked."""
    present, absent = [], []
    for make in makers:
        try:
            present.append(make())
        except ImportError as error:
            absent.append(str(error))
    return present, absent


def agree(contestants: Sequence[Contestant], tolerance: float) -> None:
    """Stop unless every contestant computes what the first one does."""
    first, *others = [c for c in contestants if c.evidence]
    for other in others:
        if len(other.evidence) != len(first.evidence) or not all(
            math.isclose(a, b, rel_tol=tolerance) for a, b in zip(first.evidence, other.evidence, strict=True)
        ):
            raise SystemExit(f"not the same work:\n{first.label}: {first.evidence}\n{other.label}: {other.evidence}")


def seconds_for(run: Callable[[], object], times: int) -> float:
    """The time of one run, over `times` of them."""
    clock = time.perf_counter
    begin = clock()
    for _ in range(times):
        run()
    return (clock() - begin) / times


def warm(contestant: Contestant) -> None:
    """Everything that is not to be timed: thread counts, spinning neighbours, garbage, cold caches."""
    if contestant.threads:
        use_threads(contestant.threads)
    gc.collect()
    time.sleep(SETTLE_SECONDS)
    until = time.perf_counter() + WARM_SECONDS
    while True:
        contestant.run()
        if time.perf_counter() >= until:
            return


def rounds_of(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[float]]:
    """Interleaved rounds in this process: seconds for each label, one a round."""
    times = {}
    for contestant in contestants:
        warm(contestant)
        times[contestant.label] = max(1, round(ROUND_SECONDS / seconds_for(contestant.run, 1)))
    measured: dict[str, list[float]] = {c.label: [] for c in contestants}
    for turn in range(rounds):
        shift = turn % len(contestants)
        for contestant in (*contestants[shift:], *contestants[:shift]):
            warm(contestant)
            seconds = seconds_for(contestant.run, times[contestant.label])
            measured[contestant.label].append(seconds * contestant.scale)
    return measured


Process = Mapping[str, Sequence[float]]


def fresh_processes(row: str, processes: int, rounds: int) -> tuple[list[Process], list[str]]:
    """`benchmarks.worker` for one row, several times over: what each measured, and who was absent."""
    results, absent = [], []
    for number in range(processes):
        print(f"\r{row}: process {number + 1} of {processes} ", end="", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks.worker", row, str(rounds)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)  # the worker has said why on stderr
        answer = json.loads(done.stdout.splitlines()[-1])
        results.append(answer["seconds"])
        absent = answer["absent"]
    print(file=sys.stderr)
    return results, absent


@dataclass(frozen=True)
class Spread:
    """A figure over processes."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Lowest, median, highest."""
        return cls(min(values), median(values), max(values))

    def text(self, per_second: float = 1) -> str:
        """`0.520 (0.501 to 0.553)`, three digits at least, no exponents."""
        places = max(0, 2 - math.floor(math.log10(abs(self.middle * per_second))))
        low, middle, high = (f"{v * per_second:,.{places}f}" for v in (self.low, self.middle, self.high))
        return f"{middle} ({low} to {high})"


def time_of(label: str, processes: Sequence[Process]) -> Spread:
    """Seconds over processes; the median round stands for a process."""
    return Spread.of([median(process[label]) for process in processes])


def ratio(ours: str, theirs: str, processes: Sequence[Process]) -> Spread:
    """Our time over theirs: rounds of one process are paired, then processes compared."""
    return Spread.of(
        [median(a / b for a, b in zip(process[ours], process[theirs], strict=True)) for process in processes]
    )


def verdict(spread: Spread) -> str:
    """Won or lost only where every process says so."""
    return "won" if spread.high < 1 else "lost" if spread.low > 1 else "even"


def our_best(processes: Sequence[Process]) -> str | None:
    """Our fastest form, chosen once for all processes."""
    forms = [label for label in processes[0] if label.startswith(OURS)]
    return min(forms, key=lambda label: time_of(label, processes).middle, default=None)


def report(processes: Sequence[Process], unit: tuple[str, float], aims: Mapping[str, float]) -> list[str]:
    """The row's table in Markdown, peers in the order in which they were named, losses included.

    `unit` is a name and how many of it make a second; `aims` gives, by the start of a peer's name, the ratio we want.
    """
    name, per_second = unit
    best = our_best(processes)
    lines = [f"| | {name} | ours / theirs | | aim |", "| --- | ---: | ---: | --- | --- |"]
    for label in processes[0]:
        versus, judged, aimed = "", "", ""
        aim = next((aim for start, aim in aims.items() if label.startswith(start)), None)
        if best is not None and aim is not None:
            against = ratio(best, label, processes)
            versus, judged = against.text(), verdict(against)
            aimed = f"{aim:g}: {'reached' if against.middle <= aim else 'missed'}"
        lines.append(f"| {label} | {time_of(label, processes).text(per_second)} | {versus} | {judged} | {aimed} |")
    if best is not None:
        lines += ["", f"Ours is {best}."]
    return lines
