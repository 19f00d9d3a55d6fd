"""What `import retrograd` costs beyond NumPy: pairs of fresh interpreters, one importing each, in turn.

Both load their byte code from disk, as an installed package does, also where the environment says to write none.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

from benchmarks.harness import ROOT, Spread

TITLE = "Import"
AIM_SECONDS = 0.1


def import_seconds(byte_code: str, module: str) -> float:
    """The time that a fresh interpreter takes to import `module`, its own start not counted."""
    program = f"import time; begin = time.perf_counter(); import {module}; print(time.perf_counter() - begin)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = byte_code
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def report(pairs: int) -> list[str]:
    """The row's table in Markdown."""
    with tempfile.TemporaryDirectory() as byte_code:
        return table(pairs, partial(import_seconds, byte_code))


def table(pairs: int, seconds: Callable[[str], float]) -> list[str]:
    """The table, given how to time the import of a module."""
    for module in ("numpy", "retrograd"):
        seconds(module)  # writes the byte code
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
