"""One process of one row: `python -m benchmarks.worker ROW ROUNDS` prints what it measured, as JSON."""

import gc
import importlib
import json
import sys

from benchmarks.harness import agree, enter, rounds_of


def main() -> None:
    """Enter the contestants, see that they agree, run the rounds."""
    row = importlib.import_module(f"benchmarks.{sys.argv[1]}")
    contestants, absent = enter(row.makers())
    agree(contestants, row.TOLERANCE)
    # A full collection that walks all of PyTorch's modules takes 0.2 s, and would fall on whoever happens to run then.
    gc.collect()
    gc.freeze()
    print(json.dumps({"seconds": rounds_of(contestants, int(sys.argv[2])), "absent": absent}))


if __name__ == "__main__":
    main()
