"""Objects made here are kept in a folder of the test's own."""

import pytest

from retrograd.native.runtime import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RETROGRAD_CACHE_DIR", str(tmp_path / "objects"))
    monkeypatch.delenv("RETROGRAD_CACHE", raising=False)
    monkeypatch.delenv("RETROGRAD_CPU", raising=False)
    monkeypatch.delenv("RETROGRAD_THREADS", raising=False)
    monkeypatch.setattr(cache, "_digest", lambda: "sources")  # also while somebody edits them
