"""What holds for every test: fixed seeds, nothing leaked, a deep ring that can be cut into slices.

- Seeds: `random` and NumPy's legacy generator start alike for every test, and hypothesis derives its examples from the
  test's name. `pytest --hypothesis-profile=explore` draws fresh ones.
- Seals: what a test can leave behind for the next one is looked at before and after its body; see `PROBES`.
- Slices: `pytest -m deep --deep-slice 3/12` keeps one twelfth of the tests marked `deep` (and all the others).
- Systems: the ids that `@pytest.mark.system` names have to exist in `systems.json`.
"""

import hashlib
import importlib
import json
import os
import random
import threading
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import sklearn  # noqa: F401 - writes into the environment at its first import: not while a test is watched

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("fixed")

SYSTEMS = Path(__file__).with_name("systems.json")


# ---------------------------------------------------------------------------------------------------------------- seals


def of_retrograd(module, function):
    """A probe that calls `retrograd.<module>.<function>()`."""

    def probe():
        return getattr(importlib.import_module(f"retrograd.{module}"), function)()

    return probe


def living_threads():
    """Threads that would keep the interpreter from ending. A daemon may wait for work beyond the test that woke it."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


PROBES = {
    "the current interpreter": of_retrograd("core.dispatch", "current"),
    "the default float dtype": of_retrograd("config", "default_float"),
    "debug mode": of_retrograd("config", "debugging"),
    "NumPy's error state": np.geterr,
    "the working directory": os.getcwd,
    "the environment": lambda: {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
    "the running threads": living_threads,
}


def looked_at():
    """What each probe says now."""
    return {name: probe() for name, probe in PROBES.items()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail the test that leaks, not the one that stumbles over the leak."""
    dispatch = importlib.import_module("retrograd.core.dispatch")
    if dispatch.current() is not dispatch.EVALUATE:
        pytest.fail(f"before the test began, the current interpreter was {dispatch.current()!r}", pytrace=False)
    before = looked_at()
    result = yield  # an exception of the test goes on from here: it is the better message
    after = looked_at()
    leaks = [f"{name}: {before[name]!r} became {after[name]!r}" for name in PROBES if before[name] != after[name]]
    if leaks:
        pytest.fail("the test left behind\n  " + "\n  ".join(leaks), pytrace=False)
    return result


@pytest.fixture(autouse=True)
def _seeds():
    """Every test draws the same numbers, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)


# --------------------------------------------------------------------------------------------------------------- slices


def slice_argument(text):
    """`3/12` as (3, 12)."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise pytest.UsageError(f"--deep-slice {text}: give K/N with 0 <= K < N, such as 3/12")
    return int(part), int(parts)


def slice_of(node_id, parts):
    """Which slice a test belongs to: a hash of its name, so that it stays there while other tests come and go."""
    return int.from_bytes(hashlib.sha256(node_id.encode()).digest()[:8], "big") % parts


def pytest_addoption(parser):
    parser.addoption("--deep-slice", metavar="K/N", help="of the tests marked deep, keep slice K of N (from 0)")


def pytest_collection_modifyitems(config, items):
    check_systems(items)
    if text := config.getoption("--deep-slice"):
        part, parts = slice_argument(text)
        out = [i for i in items if i.get_closest_marker("deep") and slice_of(i.nodeid, parts) != part]
        gone = set(out)
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=out)


# -------------------------------------------------------------------------------------------------------------- systems


def check_systems(items):
    """A misspelt id would leave a system unproven without a word."""
    known = json.loads(SYSTEMS.read_text(encoding="utf-8"))["systems"]
    for item in items:
        for marker in item.iter_markers("system"):
            if not marker.args or marker.args[0] not in known or not set(marker.kwargs) <= {"home", "figure"}:
                raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.system{marker.args}: no such id or keyword")
