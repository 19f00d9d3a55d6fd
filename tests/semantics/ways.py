"""Ways to run a program, all of which give the same; and what the tests of this folder share to say so."""

import functools

import numpy as np
import pytest

import retrograd as rg


def in_debug(f):
    """`f` with loops that run as plain Python."""

    def run(*args):
        with rg.debug():
            return f(*args)

    return run


WAYS = {"eager": lambda f: f, "jit": rg.jit}
LOOP_WAYS = {**WAYS, "debug": in_debug}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
loop_ways = pytest.mark.parametrize("way", LOOP_WAYS.values(), ids=LOOP_WAYS.keys())


def same(a, b):
    """Equal in dtype and shape, and to the bit."""
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)


def nearly(a, b):
    """The same up to rounding: compiled code adds in another order."""
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-12, strict=True)


class Counted:
    """A jitted function that counts how often it was traced."""

    def __init__(self, f, **options):
        self.count = count = []

        @functools.wraps(f)
        def counted(*args, **kwargs):
            count.append(1)
            return f(*args, **kwargs)

        self.jitted = rg.jit(counted, **options)

    def __call__(self, *args, **kwargs):
        return self.jitted(*args, **kwargs)

    def traces(self, *calls):
        """How many traces a list of calls (tuples of arguments) takes."""
        before = len(self.count)
        for call in calls:
            self(*call)
        return len(self.count) - before


def f32(*shape):
    """Ones of float32."""
    return np.ones(shape, "f")
