"""The README's table says the numbers of the generated pages."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def found(page, pattern):
    """The numbers of a generated page, written as the README writes them."""
    text = " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())
    match = re.search(pattern, text)
    assert match, f"{page} no longer says {pattern}"
    return [f"{int(number):,}" for number in match.groups()]


def test_the_readme_has_the_numbers_of_the_pages():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (primitives,) = found("primitives.md", r"All (\d+) operations")
    laws, checks = found("primitives.md", r"how many of the (\d+) laws are tried on how many samples \((\d+) checks")
    (mutants,) = found("primitives.md", r"made automatically \((\d+) in all\)")
    entries, samples = found("op_db.md", r"\*\*(\d+) entries pass on (\d+) samples")
    (exceptions,) = found("op_db.md", r"(\d+) samples ask for something")
    assert f"| {primitives} primitives x {laws} laws, {checks} checks |" in readme
    assert f"| {mutants} of {mutants} |" in readme
    assert f"| {entries} entries, {samples} samples; {exceptions} exceptions, listed |" in readme
