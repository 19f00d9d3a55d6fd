"""What the tests of nn share."""

import numpy as np
import pytest

import retrograd as rg


@pytest.fixture
def check_gradient():
    """Forward and reverse mode against a five-point stencil, in one random direction, in float64."""

    def check(f, *arrays):
        rng = np.random.default_rng(0)
        xs = [np.asarray(a, np.float64) for a in arrays]
        y = f(*xs)
        weights = rng.normal(size=y.shape)
        ts = [rng.normal(size=x.shape) for x in xs]

        def total(*values):
            return rg.sum(f(*values) * weights)

        def at(h):
            return total(*[x + h * t for x, t in zip(xs, ts, strict=True)]).item()

        h = 1e-3
        expected = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        reverse = rg.grad(total, argnums=tuple(range(len(xs))))(*xs)
        found = sum(float((g.numpy() * t).sum()) for g, t in zip(reverse, ts, strict=True))
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)
        assert rg.jvp(total, tuple(xs), tuple(ts))[1].item() == pytest.approx(found, rel=1e-12, abs=1e-12)

    return check
