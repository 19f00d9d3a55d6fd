"""Files stay readable in one sitting; `python scripts/sizes.py` prints the whole table."""

from scripts import sizes

ROOT = sizes.ROOT
HEART = ROOT / "src" / "retrograd" / "core" / "sweep.py"


def test_no_file_exceeds_the_hard_limit():
    too_long = [f"{path.relative_to(ROOT)}: {lines} lines" for path, lines in sizes.table() if lines > sizes.HARD]
    assert not too_long, too_long


def test_the_reverse_sweep_is_one_file_of_under_200_lines():
    assert sizes.lines_of(HEART) < 200


def test_the_table_counts_the_tests_too():
    assert ROOT / "tests" / "conftest.py" in dict(sizes.table())
