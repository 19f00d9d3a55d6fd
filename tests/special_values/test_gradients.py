"""Derivatives at zeros, infinities, NaN and ties: what is documented; nothing leaks from branches not taken."""

import math

import numpy as np
import pytest

import retrograd as rg

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

INF, NAN = math.inf, math.nan
DENORMAL = 5e-324
X = [0.0, -0.0, INF, -INF, NAN, DENORMAL, -DENORMAL, 1e-300, 1e300, 1.0, -1.0]

# The derivative at each of X. Exact: these are limits and IEEE's own results, not approximations.
TABLE = {
    "negative": [-1.0] * 11,
    "positive": [1.0] * 11,
    "absolute": [0.0, 0.0, 1.0, -1.0, NAN, 1.0, -1.0, 1.0, 1.0, 1.0, -1.0],
    "sign": [0.0] * 11,
    "floor": [0.0] * 11,
    "ceil": [0.0] * 11,
    "trunc": [0.0] * 11,
    "round": [0.0] * 11,
    "stop_gradient": [0.0] * 11,
    "square": [0.0, 0.0, INF, -INF, NAN, 1e-323, -1e-323, 2e-300, 2e300, 2.0, -2.0],
    "relu": [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0],
    "exp": [1.0, 1.0, INF, 0.0, NAN, 1.0, 1.0, 1.0, INF, math.e, 1 / math.e],
    "expm1": [1.0, 1.0, INF, 0.0, NAN, 1.0, 1.0, 1.0, INF, math.e, 1 / math.e],
    "log": [INF, -INF, 0.0, -0.0, NAN, INF, -INF, 1e300, 1e-300, 1.0, -1.0],
    "log1p": [1.0, 1.0, 0.0, -0.0, NAN, 1.0, 1.0, 1.0, 1e-300, 0.5, INF],
    "sqrt": [INF, -INF, 0.0, NAN, NAN, 0.5 / math.sqrt(DENORMAL), NAN, 5e149, 5e-151, 0.5, NAN],
    "rsqrt": [-INF, -INF, 0.0, NAN, NAN, -INF, NAN, -INF, 0.0, -0.5, NAN],
    "reciprocal": [-INF, -INF, 0.0, 0.0, NAN, -INF, -INF, -INF, 0.0, -1.0, -1.0],
    "sin": [1.0, 1.0, NAN, NAN, NAN, 1.0, 1.0, 1.0, math.cos(1e300), math.cos(1.0), math.cos(1.0)],
    "cos": [0.0, 0.0, NAN, NAN, NAN, -DENORMAL, DENORMAL, -1e-300, -math.sin(1e300), -math.sin(1.0), math.sin(1.0)],
    "tanh": [1.0, 1.0, 0.0, 0.0, NAN, 1.0, 1.0, 1.0, 0.0, 1 - math.tanh(1) ** 2, 1 - math.tanh(1) ** 2],
    "sigmoid": [0.25, 0.25, 0.0, 0.0, NAN, 0.25, 0.25, 0.25, 0.0, 0.19661193324148185, 0.19661193324148185],
    "softplus": [0.5, 0.5, 1.0, 0.0, NAN, 0.5, 0.5, 0.5, 1.0, 0.7310585786300049, 0.2689414213699951],
    "erf": [2 / math.sqrt(math.pi) * v for v in (1.0, 1.0, 0.0, 0.0, NAN, 1.0, 1.0, 1.0, 0.0, 1 / math.e, 1 / math.e)],
}


def gradients(f, *args):
    """The gradient of the sum by every road."""
    total = lambda *a: rg.sum(f(*a))
    places = tuple(range(len(args)))
    yield "grad", rg.grad(total, places)(*args)
    yield "jitted", rg.jit(rg.grad(total, places))(*args)
    leaves = [rg.tensor(a, requires_grad=True) for a in args]
    y = total(*leaves)
    if y.requires_grad:
        y.backward()
        yield "backward", [rg.zeros_like(x) if x.grad is None else x.grad for x in leaves]  # no .grad where it is zero


@pytest.mark.parametrize("name", TABLE)
def test_pointwise(name):
    x, wanted = np.array(X), np.array(TABLE[name])
    for way, (found,) in gradients(getattr(rg, name), x):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=4e-16, atol=1e-323, err_msg=f"{name} {way}")
    tangent = rg.jvp(getattr(rg, name), (x,), (np.ones_like(x),))[1]
    np.testing.assert_allclose(tangent.numpy(), wanted, rtol=4e-16, atol=1e-323, err_msg=f"{name} jvp")


def need(f, args, wanted):
    args = [np.array(a, float) for a in args]
    for way, found in gradients(f, *args):
        for i, (g, w) in enumerate(zip(found, wanted, strict=True)):
            np.testing.assert_array_equal(g.numpy(), np.array(w, float), err_msg=f"{way}, argument {i}")


@pytest.mark.parametrize("f, sign", [(rg.maximum, 1.0), (rg.minimum, -1.0)])
def test_ties_share_evenly(f, sign):
    x, y = np.array([1.0, 2.0, 0.0, INF, NAN]) * sign, np.array([1.0, 1.0, -0.0, INF, 1.0]) * sign
    need(f, (x, y), ([0.5, 1.0, 0.5, 0.5, 0.0], [0.5, 0.0, 0.5, 0.5, 0.0]))


def test_a_value_with_itself_has_the_derivative_of_the_identity():
    for f in (lambda v: rg.maximum(v, v), lambda v: rg.minimum(v, v), lambda v: rg.clip(v, v, v)):
        need(f, ([1.0, 0.0, -INF],), ([1.0, 1.0, 1.0],))


def test_max_shares_among_ties():
    f = lambda v: rg.max(v, axis=1)
    x = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [INF, 0.0, INF], [-INF, -INF, -INF], [0.0, -0.0, -1.0], [NAN, 1.0, 2.0]]
    third = 1 / 3
    wanted = [[0, 0.5, 0.5], [third] * 3, [0.5, 0, 0.5], [third] * 3, [0.5, 0.5, 0], [0, 0, 0]]
    need(f, (x,), (wanted,))


def test_min_shares_among_ties():
    f = lambda v: rg.min(v, axis=1)
    x = [[3.0, 1.0, 1.0], [2.0, 2.0, 2.0], [-INF, 0.0, -INF], [INF, INF, INF], [0.0, -0.0, 1.0], [NAN, 1.0, 2.0]]
    third = 1 / 3
    wanted = [[0, 0.5, 0.5], [third] * 3, [0.5, 0, 0.5], [third] * 3, [0.5, 0.5, 0], [0, 0, 0]]
    need(f, (x,), (wanted,))


def test_remainders_at_jumps_and_infinities():
    x, y = [6.0, -6.0, 7.0, -7.0, 1.0, 5.0, INF, 1.0], [3.0, 3.0, -2.0, -2.0, 0.1, INF, 2.0, 0.0]
    need(rg.remainder, (x, y), ([1.0] * 8, [-2.0, 2.0, 4.0, -3.0, -9.0, 0.0, NAN, -INF]))
    need(rg.fmod, (x, y), ([1.0] * 8, [-2.0, 2.0, 3.0, -3.0, -9.0, 0.0, NAN, NAN]))
    need(rg.floor_divide, (x, y), ([0.0] * 8, [0.0] * 8))


def test_clip_at_its_bounds():
    f = lambda v: rg.clip(v, -1.0, 1.0)
    need(f, ([-1.0, 1.0, -2.0, 2.0, 0.0, INF, -INF],), ([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0],))


def test_logsumexp_and_softmax_of_infinities():
    x = [[-INF, 0.0, 0.0], [-INF, -INF, -INF], [1e4, 0.0, -1e4]]
    need(lambda v: rg.logsumexp(v, axis=1), (x,), ([[0.0, 0.5, 0.5], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]],))
    need(lambda v: rg.softmax(v, axis=1)[:, 0], (x[::2],), ([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],))


def test_power_at_zero():
    need(lambda v: v**0, ([0.0, INF, NAN],), ([0.0, 0.0, 0.0],))
    need(lambda v: v**1, ([0.0, INF],), ([1.0, 1.0],))
    need(lambda v: v**2, ([0.0, -0.0],), ([0.0, 0.0],))
    need(lambda v: v**-1, ([1.0, -2.0],), ([-1.0, -0.25],))
    need(lambda v: v**0.5, ([0.0, 4.0],), ([INF, 0.25],))
    need(rg.power, ([0.0, 0.0, 0.0], [0.0, 1.0, 2.0]), ([0.0, 1.0, 0.0], [0.0, 0.0, 0.0]))
    for order in range(5):
        f, wanted = lambda v: v**3, [0.0, 0.0, 0.0, 6.0, 0.0][order]
        for _ in range(order):
            f = rg.grad(f)
        assert float(f(0.0)) == wanted


SELECTIONS = {
    "where before NaN": (lambda v: rg.where(v > 1.5, v, 0.0) * NAN, [1.0, 2.0], [0.0, NAN]),
    "relu before an infinite slope": (lambda v: rg.relu(v) * INF, [-1.0, 1.0], [0.0, INF]),
    "clip before NaN": (lambda v: rg.clip(v, -1.0, 1.0) * NAN, [2.0, 0.0], [0.0, NAN]),
    "maximum before an infinite slope": (lambda v: rg.maximum(v, 0.5) * INF, [0.0, 1.0], [0.0, INF]),
    "max before NaN": (lambda v: rg.max(v) * NAN, [0.0, 1.0], [0.0, NAN]),
    "min before NaN": (lambda v: rg.min(v) * NAN, [0.0, 1.0], [NAN, 0.0]),
    "gather before an infinite slope": (lambda v: v[1] * INF, [1.0, 2.0], [0.0, INF]),
    "a slice before NaN": (lambda v: v[:1] * NAN, [1.0, 2.0], [NAN, 0.0]),
    "take before NaN": (lambda v: rg.take(v, np.array([1, 1])) * NAN, [1.0, 2.0], [0.0, NAN]),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_cotangents_are_routed_by_selection(name):
    """A factor of zero times infinity would be NaN; what is selected is untouched by what is not."""
    f, x, wanted = SELECTIONS[name]
    need(f, (x,), (wanted,))


def test_where_gives_zero_not_nan_to_the_branch_not_taken():
    c, x, y = np.array([True, False]), np.array([1.0, NAN]), np.array([INF, 2.0])
    need(lambda v, w: rg.where(c, v, w), (x, y), ([1.0, 0.0], [0.0, 1.0]))
    need(lambda v, w: rg.where(c, v, w) * np.array([NAN, INF]), (x, y), ([NAN, 0.0], [0.0, INF]))


def test_a_harmless_argument_keeps_the_gradient_finite():
    """The double where: the way to differentiate past a pole until `piecewise` writes it for you."""
    safe = lambda v: rg.where(v > 0, rg.sqrt(rg.where(v > 0, v, 1.0)), 0.0)
    need(safe, ([0.0, 4.0, -1.0],), ([0.0, 0.25, 0.0],))


def test_signed_zeros_pass_through():
    found = rg.grad(lambda v: rg.sum(v * np.array([-0.0, 0.0])))(np.ones(2)).numpy()
    np.testing.assert_array_equal(np.signbit(found), [True, False])
