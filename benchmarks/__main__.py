"""`python -m benchmarks [ROW ...]`: measure, print, and with --write replace docs/benchmarks.md."""

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import first_call, import_time
from benchmarks.harness import ROOT, ROUND_SECONDS, memory, report
from benchmarks.processes import Effort, measure
from benchmarks.rows import MODULES, find

ROWS = (*MODULES, "first_call", "import_time")
PAGE = ROOT / "docs" / "benchmarks.md"


def machine() -> str:
    """The processor and the versions, on one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    packages = []
    for package in ("retrograd", "numpy", "torch", "jax"):
        try:
            packages.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model or platform.processor()}, {cores} cores; Python {platform.python_version()}, {', '.join(packages)}"


def section(name: str, effort: Effort) -> list[str]:
    """One section of the page."""
    if name == "import_time":
        return [f"## {import_time.TITLE}", "", *import_time.report(pairs=3 * effort.sets)]
    if name == "first_call":
        return [f"## {first_call.TITLE}", "", *first_call.report(effort)]
    row = find(name)
    measured = measure(name, row, effort)
    missing = ["", "Absent: " + "; ".join(measured.absent) + "."] if measured.absent else []
    return [f"## {row.title}", "", *report(row, measured.seconds), *memory(measured.peaks), *missing]


def main() -> None:
    """Measure the rows named, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--processes", type=int, help="fresh sets of processes a row (default: 2; with --write 5)")
    parser.add_argument("--rounds", type=int, default=4, help="interleaved rounds in each (default: 4)")
    parser.add_argument("--quick", action="store_true", help="one set, two short rounds, nothing slow to prepare")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}; needs all rows")
    wanted = parser.parse_args()
    if unknown := set(wanted.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    if wanted.write and (wanted.rows or wanted.quick):
        parser.error("--write needs all rows, at length: the page is the result of one run")

    effort = Effort(wanted.processes or (5 if wanted.write else 2), wanted.rounds, ROUND_SECONDS)
    if wanted.quick:
        effort = Effort(1, 2, ROUND_SECONDS / 5, quick=True)

    lines = [
        "# Benchmarks",
        "",
        f"Written by `python -m benchmarks --write`. {effort.sets} fresh sets of processes a row, in each set one for "
        f"each library and number of threads, which take turns in {effort.rounds} rounds. A figure is the median over "
        "sets, in brackets the lowest and the highest; a ratio below 1 means that retrograd is faster, and counts as "
        "won or lost only if every set agrees. Everyone showed beforehand that they compute the same numbers.",
        "",
        f"{machine()}.",
    ]
    print("\n".join(lines))
    for name in wanted.rows or ROWS:
        part = ["", *section(name, effort)]
        print("\n".join(part), flush=True)
        lines += part
    if wanted.write:
        PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
