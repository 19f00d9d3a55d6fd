"""Compiled products, each made once."""

import functools

import pytest

from tests.unit.native.contraction.harness import TARGETS, Code, runs


@pytest.fixture(scope="session")
def compiled():
    """``compiled(target name, product, **options)``; skips what this machine cannot run."""

    @functools.cache
    def make(name, product, **options):
        return Code(TARGETS[name], product, **options)

    def get(name, product, **options):
        if not runs(name):
            pytest.skip(f"this CPU is no {name}")
        return make(name, product, **options)

    return get
