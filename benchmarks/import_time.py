"""What `import retrograd` costs beyond NumPy: pairs of fresh interpreters, one importing each, in turn."""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.harness import ROOT, Spread

TITLE = "Import"
AIM_SECONDS = 0.1


def import_seconds(module: str) -> float:
    """The time that a fresh interpreter takes to import `module`, its own start not counted."""
    program = f"import time; begin = time.perf_counter(); import {module}; print(time.perf_counter() - begin)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def report(pairs: int, seconds: Callable[[str], float] = import_seconds) -> list[str]:
    """The row's table in Markdown."""
    for module in ("numpy", "retrograd"):
        seconds(module)  # writes the byte code, fills the file cache
    numpy, ours = [], []
    for turn in range(pairs):
        for module in ("numpy", "retrograd") if turn % 2 else ("retrograd", "numpy"):
            (numpy if module == "numpy" else ours).append(seconds(module))
    beyond = Spread.of([a - b for a, b in zip(ours, numpy, strict=True)])
    lines = ["| | ms | aim |", "| --- | ---: | --- |"]
    rows = (("import numpy", Spread.of(numpy)), ("import retrograd", Spread.of(ours)), ("the difference", beyond))
    for label, spread in rows:
        aimed = ""
        if spread is beyond:
            aimed = f"{AIM_SECONDS * 1e3:g}: {'reached' if spread.middle <= AIM_SECONDS else 'missed'}"
        lines.append(f"| {label} | {spread.text(1e3)} | {aimed} |")
    return lines
