"""`python -m benchmarks [ROW ...]`: measure, print, and with --write replace docs/benchmarks.md."""

import argparse
import importlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import import_time
from benchmarks.harness import ROOT, fresh_processes, report

ROWS = ("mlp_step", "chain", "import_time")
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


def measure(row: str, processes: int, rounds: int) -> list[str]:
    """One section of the page."""
    if row == "import_time":
        return [f"## {import_time.TITLE}", "", *import_time.report(pairs=3 * processes)]
    module = importlib.import_module(f"benchmarks.{row}")
    results, absent = fresh_processes(row, processes, rounds)
    missing = ["", "Absent: " + "; ".join(dict.fromkeys(absent)) + "."] if absent else []
    return [f"## {module.TITLE}", "", *report(results, module.UNIT, module.AIMS), *missing]


def main() -> None:
    """Measure the rows named, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--processes", type=int, default=7, help="fresh processes a row (default: 7)")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds in each (default: 15)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}; needs all rows")
    wanted = parser.parse_args()
    if unknown := set(wanted.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    if wanted.write and wanted.rows:
        parser.error("--write needs all rows: the page is the result of one run")

    lines = [
        "# Benchmarks",
        "",
        f"Written by `python -m benchmarks --write`: {wanted.processes} fresh processes a row, {wanted.rounds} "
        "interleaved rounds in each. A figure is the median over processes, in brackets the lowest and the highest; "
        "a ratio below 1 means that retrograd is faster, and counts as won or lost only if every process agrees.",
        "",
        f"{machine()}.",
    ]
    print("\n".join(lines))
    for row in wanted.rows or ROWS:
        section = ["", *measure(row, wanted.processes, wanted.rounds)]
        print("\n".join(section), flush=True)
        lines += section
    if wanted.write:
        PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
