"""The processes of a row: a fresh one for each library and number of threads, which take turns."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.contest import Entry, Row, disagreement
from benchmarks.harness import ROOT, Peaks, Process, rounds_of

# Threads that BLAS and OpenMP woke keep spinning after their last job (OpenBLAS for 2^26 cycles, some 27 ms) and would
# take a core away from the next contestant.
SETTLE_SECONDS = 0.04


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    sets: int
    rounds: int
    round_seconds: float
    quick: bool = False


@dataclass(frozen=True)
class Measured:
    """A row's results: seconds and peak memory of each set of processes, and what was missing."""

    seconds: list[Process]
    peaks: list[Peaks]
    absent: list[str]


@cache
def scratch() -> Path:
    """A folder for the libraries' caches, gone at the end: compiled programs are not made anew in each set."""
    folder = tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True)
    _kept.append(folder)
    return Path(folder.name)


_kept: list[Any] = []


def cpus() -> list[int]:
    """The processors that we may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def environment(threads: int, caches: Path) -> dict[str, str]:
    """What tells each library how many threads to use (NPROC: XLA), and where to keep what it has compiled."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
    return {
        **os.environ,
        **dict.fromkeys(names, count),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
        "RETROGRAD_CACHE": "off",  # JAX keeps none either: both compile, and both show it in their memory
        "JAX_PLATFORMS": "cpu",
        # PyTorch's threads spin for a while and then sleep. Left to themselves they spin on where a core is taken from
        # them, and a barrier lasts until the scheduler's next round: 60 ms on a busy machine.
        "GOMP_SPINCOUNT": "10000",
        "RETROGRAD_THREADS": count,
    }


class Worker:
    """A process that builds the entries of one library and times each when told to."""

    def __init__(self, row: str, library: str, threads: int, turn: int, round_seconds: float) -> None:
        allowed = cpus()
        # A thread is held to one processor, the next one in the next set: one of them may have a noisy neighbour.
        mine = [allowed[(turn + i) % len(allowed)] for i in range(min(threads, len(allowed)))] if allowed else []
        arguments = [row, library, str(round_seconds), ",".join(map(str, mine))]
        self.threads = threads
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            cwd=ROOT,
            env=environment(threads, scratch()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: str, entry: int) -> None:
        """Send an order."""
        with contextlib.suppress(BrokenPipeError):  # it has died, and `answer` says so
            print(what, entry, file=self.process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """What it says to the oldest order that is not answered."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(self.process.wait() or 1)  # it has said why on stderr
        return json.loads(line)

    def seconds(self, entry: int) -> float:
        """One timed round; then its threads may settle."""
        self.ask("time", entry)
        seconds = self.answer()["seconds"]
        if self.threads > 1:
            time.sleep(SETTLE_SECONDS)
        return seconds

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def workers(name: str, row: Row, entries: Sequence[Entry], turn: int, effort: Effort) -> Iterator[dict]:
    """A process for each library and number of threads."""
    most = len(cpus()) or os.cpu_count() or 1
    started: dict[tuple[str, int], Worker] = {}
    try:
        for threads in row.threads:
            for library in dict.fromkeys(e.library for e in entries):
                if threads <= most:
                    started[library, threads] = Worker(name, library, threads, turn, effort.round_seconds)
        yield started
    finally:
        for worker in started.values():
            worker.close()


def measure_set(name: str, row: Row, turn: int, effort: Effort) -> tuple[Process, Peaks, dict[str, str]]:
    """One set of processes: seconds by label, peak memory by library with one thread, what was missing."""
    numbered = [(i, e) for i, e in enumerate(row.entries) if not (effort.quick and e.slow)]
    with workers(name, row, [e for _, e in numbered], turn, effort) as started:
        for i, entry in numbered:
            for (library, _), worker in started.items():
                if library == entry.library:
                    worker.ask("build", i)
        contestants, evidence, peaks, absent = {}, {}, {}, {}
        for threads in row.threads:
            for i, entry in numbered:
                worker = started.get((entry.library, threads))
                if worker is None:
                    continue
                built, label = worker.answer(), row.label(entry, threads)
                if "absent" in built:
                    absent[entry.name] = built["absent"]
                    continue
                contestants[label] = partial(worker.seconds, i)
                evidence[label] = built["evidence"]
                if threads == row.threads[0]:
                    peaks.setdefault(entry.library, built["peak"])
        if wrong := disagreement(evidence, row.tolerance):
            raise SystemExit(f"{name}: {wrong}")
        return rounds_of(contestants, effort.rounds), peaks, absent


def measure(name: str, row: Row, effort: Effort) -> Measured:
    """A row, in several fresh sets of processes."""
    result = Measured([], [], [])
    for turn in range(effort.sets):
        print(f"\r{name}: set {turn + 1} of {effort.sets} ", end="", file=sys.stderr, flush=True)
        seconds, peaks, absent = measure_set(name, row, turn, effort)
        result.seconds.append(seconds)
        result.peaks.append(peaks)
        result.absent[:] = [f"{entry}: {why}" for entry, why in absent.items()]
    print(file=sys.stderr)
    return result
