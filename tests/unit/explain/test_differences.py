"""Finite differences that know when they can be trusted."""

import math

import pytest

from retrograd.explain.differences import compare


def bump(x):
    return math.exp(-(x**2) * 1e6)


SMOOTH = {
    "sin": (math.sin, math.cos, 0.7),
    "exp of a large number": (math.exp, math.exp, 5.0),
    "log near 0": (lambda x: math.log(x) if x > 0 else math.nan, lambda x: 1 / x, 1e-6),
    "a large argument": (lambda x: x * x, lambda x: 2 * x, 3e7),
    "a cubic": (lambda x: x**3, lambda x: 3 * x**2, 1.0),
    "a constant": (lambda _: 4.0, lambda _: 0.0, 1.0),
    "a narrow bump": (lambda x: bump(x - 1), lambda x: -2e6 * (x - 1) * bump(x - 1), 1.0005),
}  # fmt: skip


@pytest.mark.parametrize("name", SMOOTH)
def test_right_derivatives_agree_and_wrong_ones_do_not(name):
    f, derivative, at = SMOOTH[name]
    right = derivative(at)
    found = compare(lambda offset: f(at + offset), at, right)
    assert found.agrees and not found.kink
    assert found.value == pytest.approx(right, rel=1e-6, abs=1e-6)
    for wrong in (right * 1.001 + 1e-3, -right - 1.0, 0.0 if abs(right) > 1e-3 else 1.0):
        assert not compare(lambda offset: f(at + offset), at, wrong).agrees


@pytest.mark.parametrize("expected, agrees", [(0.0, True), (1.0, True), (0.5, True), (-0.2, False), (1.2, False)])
def test_at_a_corner_everything_between_the_slopes_agrees(expected, agrees):
    found = compare(lambda offset: max(offset, 0.0), 0.0, expected)
    assert found.agrees is agrees and found.kink


def test_beside_a_corner_steps_shrink_until_they_miss_it():
    for at in (1e-3, -1e-4, 1e-5):
        found = compare(lambda offset, at=at: max(at + offset, 0.0), at, float(at > 0))
        assert found.agrees and not found.kink


def test_a_jump_is_a_kink():
    found = compare(lambda offset: float(offset >= 0), 0.0, 0.0)
    assert found.kink and found.agrees


def test_a_steep_smooth_function_is_no_kink():
    found = compare(lambda offset: math.tanh(1e3 * offset), 0.0, 0.0)
    assert not found.agrees and not found.kink
    assert compare(lambda offset: math.tanh(1e3 * offset), 0.0, 1e3).agrees


def test_where_the_function_is_not_finite_nothing_is_said():
    found = compare(lambda _: math.nan, 1.0, 1.0)
    assert not found.agrees and not found.kink and math.isnan(found.value)


def test_the_central_difference_of_a_cube():
    """With a step of 0.01 the plain central difference of x**3 at 1 is 3.0001; ours is closer."""
    plain = (1.01**3 - 0.99**3) / 0.02
    assert plain == pytest.approx(3.0001, abs=1e-12)
    assert compare(lambda offset: (1 + offset) ** 3, 1.0, 3.0).value == pytest.approx(3.0, abs=1e-11)
