"""Everything shown to a reader is executed: doctests of the package, and the examples of README and docs."""

import contextlib
import doctest
import importlib
import pkgutil
from collections import deque
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import pytest

import retrograd as rg
from retrograd import native
from retrograd.core.primitive import REGISTRY
from retrograd.jit import jitted
from retrograd.primitives.vocabulary import BOXES, NUMPY

ROOT = Path(__file__).parents[2]
NEED_NATIVE = {"native.md", "how-it-works.md", "05-compiled-programs.md"}  # what they show the native engine makes
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGES = sorted(p for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if ">>>" in p.read_text())
MODULES = sorted(m.name for m in pkgutil.walk_packages(rg.__path__, "retrograd.") if not m.name.endswith("__main__"))


def run(tests, scope):
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in tests:
        test.globs.update(scope)
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(name)
    found = [t for t in doctest.DocTestFinder().find(module, name) if t.examples]
    run(found, {"np": np, "rg": rg})


@pytest.fixture
def _own_primitives():
    """A page may define a primitive; nobody else is to meet it."""
    known = dict(REGISTRY)
    yield
    for name in set(REGISTRY) - set(known):
        del REGISTRY[name]
        for words in (BOXES, NUMPY):
            vars(words).pop(name, None)


@pytest.fixture
def _own_programs(monkeypatch):
    """What `rg.jit` reports is what a reader sees, who has run that page alone."""
    monkeypatch.setattr(jitted, "_tables", WeakValueDictionary())
    monkeypatch.setattr(jitted, "_recent", deque(maxlen=64))


@pytest.mark.usefixtures("_own_primitives", "_own_programs")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages(page, tmp_path):
    if page.name in NEED_NATIVE and (reason := native.available()):
        pytest.skip(reason)
    test = doctest.DocTestParser().get_doctest(page.read_text(), {}, page.name, str(page), 0)
    with contextlib.chdir(tmp_path):
        run([test], {"np": np, "rg": rg})
