"""Print how long the project's Python files are: all above the soft limit, and totals by folder.

    python scripts/sizes.py [--all]

A file above 400 lines asks to be parted; one above 600 fails `tests/architecture/test_sizes.py`.
"""

import argparse
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "scripts", "examples")
SOFT, HARD = 400, 600


def lines_of(path: Path) -> int:
    """The number of lines of a text file."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def table() -> list[tuple[Path, int]]:
    """Every Python file of the project with its lines, the longest first."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(((path, lines_of(path)) for path in paths), key=lambda row: (-row[1], row[0]))


def folder_of(path: Path) -> str:
    """`src/retrograd/core` for a file anywhere in it, `tests/laws` likewise."""
    parts = path.relative_to(ROOT).parts[:-1]
    return "/".join(parts[: 3 if parts[0] == "src" else 2])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="list every file")
    everything = parser.parse_args().all

    rows = table()
    totals: Counter[str] = Counter()
    for path, lines in rows:
        totals[folder_of(path)] += lines
        if everything or lines > SOFT:
            mark = "  too long" if lines > HARD else "  long" if lines > SOFT else ""
            print(f"{lines:6d}  {path.relative_to(ROOT)}{mark}")
    print()
    for folder, lines in sorted(totals.items()):
        print(f"{lines:6d}  {folder}/")
    print(
        f"{sum(totals.values()):6d}  in {len(rows)} files, {sum(lines > SOFT for _, lines in rows)} above {SOFT} lines"
    )


if __name__ == "__main__":
    main()
