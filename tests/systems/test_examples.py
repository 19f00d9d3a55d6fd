"""The files of examples/ run as they stand."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"early_stopping"}  # fifteen thousand epochs of one step
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem != "fixtures")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.deep) if n in SLOW else n for n in EXAMPLES])
def test_it_runs_and_prints(name, capsys):
    importlib.import_module(f"examples.{name}").main()
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_says_how_to_run_it(name):
    assert f"    python -m examples.{name}\n" in (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
