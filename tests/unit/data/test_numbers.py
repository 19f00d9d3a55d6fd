"""How people write numbers: one way for a whole column, found from its texts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data.numbers import decimal_of, is_decorated, looks_grouped, number_in, number_of, writing_of


@pytest.mark.parametrize(
    "text, number",
    [("1", 1.0), ("-1.5e3", -1500.0), ("+.5", 0.5), ("1e400", math.inf), ("inf", math.inf), ("1_000", None),
     ("x", None),      ("1,5", None), ("0x10", None), ("12%", None), ("1 2", None)],
)  # fmt: skip
def test_number_of(text, number):
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text, writing, number",
    [
        ("1,234.50", ".", 1234.5), ("-1,234,567", ".", -1234567.0), ("12,34,567", ".", 1234567.0), ("1 234.5", ".", 1234.5),
        ("1'234.5", ".", 1234.5), ("\u2212.5", ".", -0.5), ("1e3", ".", 1000.0), ("7", ".", 7.0),
        ("1.234,50", ",", 1234.5), ("3,14", ",", 3.14), ("1\u00a0234,5", ",", 1234.5), (",5", ",", 0.5), ("7", ",", 7.0),
        ("12%", ".%", 12.0), ("3,5 %", ",%", 3.5), ("$5", ".$", 5.0), ("-$1,200.5", ".$", -1200.5), ("$-5", ".$", -5.0),
        ("5 €", ",€", 5.0), ("€ 1.200", ",€", 1200.0), ("£3", ".£", 3.0),
        ("0,125", ".", None), ("1,23", ".", None), ("1,2345", ".", None), ("1,234 567", ".", None), ("1.23,4", ",", None),
        ("1.5", ",", None), ("12", ".%", None), ("%12", ".%", None), ("1$5", ".$", None), ("$$5", ".$", None),
        ("-$-5", ".$", None), ("€5", ".$", None), ("", ".", None), ("$", ".$", None), ("inf", ".", None), ("1_000", ".", None),
    ],
)  # fmt: skip
def test_numbers_in_a_way_of_writing(text, writing, number):
    assert number_in(text, writing) == number


@pytest.mark.parametrize("mark", ["-", "None", "."])
def test_marks_of_missing_numbers_in_any_writing(mark):
    assert math.isnan(number_in(mark, ".%"))
    assert writing_of([mark, "5%"], ".") == ".%"
    assert writing_of([mark], ".") is None


@pytest.mark.parametrize(
    "texts, decimal, writing",
    [
        (["1,234", "1,234.5"], ",", "."), (["1.234", "1.234,5"], ".", ","), (["3,14", "2"], ".", ","),
        (["1,234", "5"], ".", "."), (["1,234", "5"], ",", ","),
        (["12%", "3.5%"], ".", ".%"), (["12%", "3,5%"], ".", ",%"), (["$5", "-$6"], ".", ".$"), (["5€", "€6"], ".", ".€"),
        (["12%", "3"], ".", None), (["$5", "€5"], ".", None), (["1,234.5", "1.234,5"], ".", None), (["a"], ".", None),
    ],
)  # fmt: skip
def test_a_column_has_one_way(texts, decimal, writing):
    assert writing_of(texts, decimal) == writing


@pytest.mark.parametrize(
    "texts, mark",
    [(["3,14", "2"], ","), (["1.234,5"], ","), (["1,234.5"], "."), (["1,234"], None), (["1.5"], None), (["x"], None)],
)
def test_what_leaves_no_doubt(texts, mark):
    assert decimal_of(texts) == mark


def test_decoration_and_groups():
    assert [is_decorated(text) for text in ("1,234", "12%", "3,14", "9.99 €", "12", "a,b", "1,2,3,4", "")] == [
        True
    ] * 4 + [False] * 4
    assert looks_grouped(["12.500", "999", "1.000.000"])
    assert not looks_grouped(["12.500", "1.5"])
    assert not looks_grouped(["12", "999"])
    assert not looks_grouped(["0.500"])


@given(st.floats(-1e12, 1e12).map(lambda x: round(x, 2)), st.sampled_from(["$", "%", ""]))
def test_what_python_groups_reads_back(value, sign):
    assert number_in(f"{value:,.2f}{sign}", f".{sign}") == value
    swapped = f"{value:,.2f}{sign}".translate(str.maketrans(".,", ",."))
    assert number_in(swapped, f",{sign}") == value
