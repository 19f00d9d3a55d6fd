"""What is compared: rows, their entries, and the work that an entry builds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

OURS, FLOOR, BY_HAND = "retrograd", "floor", "NumPy by hand"
BLOCK = 1 << 15


@dataclass(frozen=True)
class Work:
    """Something that can be run and timed, once it has shown that it computes what the others do.

    Attributes:
        run: does it once; may return before it is finished if `finish` waits for it.
        evidence: numbers that everyone must agree on.
        scale: what is reported is the time of one `run` times this.
        finish: waits for all runs so far; its time is counted.
    """

    run: Callable[[], object]
    evidence: Sequence[float] = ()
    scale: float = 1.0
    finish: Callable[[], object] | None = None


@dataclass(frozen=True)
class Entry:
    """One way of doing a row's work; `build` raises ImportError where the library is missing."""

    name: str
    library: str
    build: Callable[[], Work]
    slow: bool = False  # to prepare; left out with --quick


@dataclass(frozen=True)
class Row:
    """One table of the page.

    Attributes:
        unit: its name, and how many of it make a second.
        tolerance: of the evidence, relative.
        threads: each entry runs in a process with each of these numbers of threads.
        aims: by the start of a peer's name, the ratio ours / theirs that we want.
        factor: the ratio best peer / ours that we want.
        seconds: by the number of threads, the time that we want.
        flop: floating-point operations of one unit of work; gives a column of GFLOP/s.
        wide: JAX computes in float64.
        differences: (label, a, b): rows made from others, the time of a less that of b in the same round.
    """

    title: str
    unit: tuple[str, float]
    entries: tuple[Entry, ...]
    tolerance: float = 1e-4
    threads: tuple[int, ...] = (1, 2)
    aims: Mapping[str, float] = field(default_factory=dict)
    factor: float | None = None
    seconds: Mapping[int, float] = field(default_factory=dict)
    flop: float = 0.0
    wide: bool = False
    differences: tuple[tuple[str, str, str], ...] = ()

    def label(self, entry: Entry, threads: int) -> str:
        """The name with the number of threads."""
        if len(self.threads) == 1:
            return entry.name
        return f"{entry.name}, {threads} thread{'s' * (threads > 1)}"


def fingerprint(*arrays: object) -> list[float]:
    """Two numbers for each array that do not cancel: its norm, and its norm with weights that tell places apart."""
    numbers = []
    for array in arrays:
        flat = np.asarray(array).reshape(-1)
        plain = weighted = 0.0
        for start in range(0, flat.size, BLOCK):  # a copy of the whole in float64 would show in the peak memory
            part = flat[start : start + BLOCK].astype(np.float64)
            weights = 1.0 + np.arange(start, start + part.size) / flat.size
            plain += part @ part
            weighted += (weights * part) @ part
        numbers += [math.sqrt(plain), math.sqrt(weighted)]
    return numbers


def disagreement(evidence: Mapping[str, Sequence[float]], tolerance: float) -> str | None:
    """What is wrong unless every contestant computes what the first one does. A floor computes nothing."""
    shown = {label: numbers for label, numbers in evidence.items() if numbers}
    if not shown:
        return None
    first, reference = next(iter(shown.items()))
    for label, numbers in shown.items():
        if len(numbers) != len(reference) or not all(
            math.isclose(a, b, rel_tol=tolerance) for a, b in zip(reference, numbers, strict=True)
        ):
            return f"not the same work:\n{first}: {reference}\n{label}: {numbers}"
    return None
