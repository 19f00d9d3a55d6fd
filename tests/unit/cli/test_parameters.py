"""Option values that click does not check."""

import math

import click
import pytest

from retrograd.cli.parameters import Number, Widths


@pytest.mark.parametrize("text, value", [("0", 0.0), ("0.5", 0.5), ("1e-3", 1e-3)])
def test_numbers(text, value):
    assert Number(0, 1).convert(text, None, None) == value


@pytest.mark.parametrize(
    "kind, text, message",
    [
        (Number(0, 1), "x", "'x' is no number"),
        (Number(0, 1), "1.1", "1.1 is not a number from 0 to 1"),
        (Number(0, 1, open_high=True), "1", "1 is not a number from 0 below 1"),
        (Number(0, open_low=True), "0", "0 is not a number above 0"),
        (Number(0), "inf", "inf is not a number from 0"),
        (Number(0, 1), "nan", "nan is not a number from 0 to 1"),
    ],
)
def test_numbers_that_are_refused(kind, text, message):
    with pytest.raises(click.BadParameter, match=f"^{message}$"):
        kind.convert(text, None, None)


@pytest.mark.parametrize("text, value", [("64", (64,)), ("64, 32,16", (64, 32, 16)), ("none", ()), ("NONE ", ())])
def test_widths(text, value):
    assert Widths().convert(text, None, None) == value
    assert Widths().convert(value, None, None) == value


@pytest.mark.parametrize("text", ["", "64,", "0", "-3", "6.5", "a", "64 32", "²"])
def test_widths_that_are_refused(text):
    with pytest.raises(click.BadParameter, match="is no list of widths, such as 64,64, or none"):
        Widths().convert(text, None, None)


def test_a_number_may_be_unbounded():
    assert Number(0).high == math.inf
