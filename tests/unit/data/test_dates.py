"""Dates and times of day: what is read, what is left open, and what a person decides."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data.cells import read_cells
from retrograd.data.date_encoder import Dates
from retrograd.data.dates import Doubt, are_numbered_days, day_first_in, is_date, moment_of
from retrograd.data.fitting import fit_encoder
from retrograd.data.kinds import Choices, Problem, judge
from retrograd.errors import DataError

EPOCH = dt.datetime.fromisoformat("1970-01-01")  # without a zone, as the texts are


@pytest.mark.parametrize(
    "text",
    ["2020-01-31", "2020/1/31", "31.12.2020", "12/31/99", "2020-01", "2020-01-31 12:30", "2020-01-31T12:30:15.5Z",
     "2020-01-31 12:30:00+02:00", "3 Jan 2020", "January 3, 2020", "3-Mar-21", "12:30", "23:59:59", "1:30 pm",
     "3rd Sept 2020", "2020-01-31 01:02 a.m."],
)  # fmt: skip
def test_dates(text):
    assert is_date(text)


@pytest.mark.parametrize(
    "text",
    ["2020", "2020.5", "1-2", "2019-20", "1.2.3", "a", "Mar", "10:1", "2020-01-31x", "", "20200131", "30/30/2020",
     "2021-02-29", "24:00", "12:60", "0:30 pm", "2020-01-01 10:00+99:00", "May be 3, 2020"],
)  # fmt: skip
def test_no_dates(text):
    assert not is_date(text)


@given(st.datetimes(), st.sampled_from(["T", " "]))
def test_iso_moments_agree_with_the_standard_library(moment, between):
    found = moment_of(moment.isoformat(between), day_first=False)
    assert found.elapsed == pytest.approx((moment - EPOCH).total_seconds(), abs=1e-4)
    assert ((found.day + 3) % 7, found.month) == (moment.weekday(), moment.month)


@given(st.datetimes(timezones=st.timezones()).filter(lambda m: 1 < m.year < 9998 and m.utcoffset().seconds % 60 == 0))
def test_zones_agree_with_the_standard_library(moment):
    found = moment_of(moment.isoformat(), day_first=False)
    assert found.zoned
    assert found.elapsed == pytest.approx((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).total_seconds(), abs=1e-4)
    assert found.seconds == pytest.approx(moment.hour * 3600 + moment.minute * 60 + moment.second, abs=1)


@given(st.dates(dt.date(1969, 1, 1), dt.date(2068, 12, 31)))
def test_every_form_of_a_day(day):
    for form, first in (
        ("%Y-%m-%d", False), ("%d/%m/%Y", True), ("%m/%d/%Y", False), ("%d.%m.%Y", True), ("%d %B %Y", False), ("%Y%m%d", False),
        ("%d-%b-%y", False), ("%B %d, %Y", False), ("%d/%m/%y", True),
    ):  # fmt: skip
        assert moment_of(day.strftime(form), day_first=first).day == (day - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    "texts, told, first",
    [
        (["1/2/2020", "13/2/2020"], None, True), (["1/2/2020", "2/13/2020"], None, False), (["1.2.2020"], None, True),
        (["1/2/2020"], True, True), (["1/2/2020"], False, False), (["1.2.2020"], False, False),
        (["13/2/2020"], False, True), (["1/1/2020"], None, True), (["2020-01-02"], None, True),
    ],
)  # fmt: skip
def test_the_column_says_what_comes_first(texts, told, first):
    assert day_first_in(texts, told) is first


def test_what_the_column_leaves_open():
    doubt = day_first_in(["1/1/2020", "1/2/2020"], None)
    assert isinstance(doubt, Doubt)
    assert doubt.why == "that may begin with the day or the month ('1/2/2020')"
    doubt = day_first_in(["13/1/2020", "1/13/2020"], True)
    assert doubt.why == "of which '13/1/2020' begins with the day and '1/13/2020' with the month"


def test_days_of_eight_digits():
    assert are_numbered_days(["20200131", "19991231", "20240229"])
    assert not are_numbered_days(["20200131", "19991231", "20230229"])
    assert not are_numbered_days(["20200131", "19991231"])


def judged(values, dtype=object, **choices):
    return judge(read_cells(pd.Series(values, dtype=dtype), "x"), Choices(**choices))


def fit(values, rows=None, dtype=object, **choices):
    return fit_encoder(judged(values, dtype, **choices), np.arange(len(values)) if rows is None else np.array(rows))


def encoded(encoder, values, dtype=object):
    notes = []
    return encoder.encode(read_cells(pd.Series(values, dtype=dtype), "x"), notes), notes


def test_time_passes_and_comes_round():
    encoder = fit(["2020-01-06 00:00", "2020-07-08 12:00", "2020-01-06 18:00"])
    assert encoder.parts == ("month", "weekday", "time of day")
    assert encoder.input_names == (
        "x", "x (month, sin)", "x (month, cos)", "x (weekday, sin)", "x (weekday, cos)", "x (time of day, sin)",
        "x (time of day, cos)",
    )  # fmt: skip
    x, _ = encoded(encoder, ["2020-01-06", "2020-07-08 12:00"])
    days = np.array([18267.0, 18451.5, 18267.75])
    np.testing.assert_allclose(x[:, 0], (days[:2] - days.mean()) / days.std(), rtol=1e-12)
    np.testing.assert_allclose(x[0, 1:], [0, 1, 0, 1, 0, 1], atol=1e-15)
    np.testing.assert_allclose(x[1, 1:], [0, -1, np.sin(4 * np.pi / 7), np.cos(4 * np.pi / 7), 0, -1], atol=1e-15)


def test_parts_that_do_not_vary_have_no_input():
    assert fit(["2020-01-06", "2020-01-13"]).input_names == ("x",)
    assert fit(["2020-01-06 10:00", "2020-01-13 11:00"]).parts == ("time of day",)
    assert fit(["2020-01-06", "2020-01-06", "2020-02-06"], rows=[0, 1]).kind == "dropped"


def test_missing_dates():
    encoder = fit(["2020-01-06", "", "2020-03-08"])
    assert encoder.input_names[-1] == "x=(missing)"
    x, notes = encoded(encoder, ["", "2020-01-06"])
    assert x[0].tolist() == [0.0] * 5 + [1.0] and x[1, -1] == 0 and notes == []
    encoder = fit(["2020-01-06", "2020-01-16", "2020-03-08"])
    x, notes = encoded(encoder, [None])
    assert notes == ["Column 'x': 1 missing date filled with 2020-01-16, the median in training."]
    assert x[0, 1:].tolist() == [0.0] * 4 and x[0, 0] == encoded(encoder, ["2020-01-16"])[0][0, 0]


def test_time_zones():
    encoder = fit(["2020-01-06 00:00+02:00", "2020-01-06T10:00Z"])
    x, _ = encoded(encoder, ["2020-01-05 22:00Z", "2020-01-06 00:00+02:00"])
    assert x[0, 0] == x[1, 0] and x[0, 1] != x[1, 1]
    aware = pd.Series(pd.to_datetime(["2020-01-06 00:00+02:00", "2020-01-06 12:00+02:00"]))
    assert encoded(encoder, aware, None)[0][0].tolist() == x[1].tolist()
    with pytest.raises(DataError, match="column 'x', row 2: '2020-01-06 00:00' says no time zone, unlike this column"):
        encoded(encoder, ["2020-01-06 00:00Z", "2020-01-06 00:00"])


def test_times_of_day():
    encoder = fit(["10:30", "22:30:00", "1:00 pm"])
    assert encoder.clock and encoder.input_names == ("x", "x (time of day, sin)", "x (time of day, cos)")
    x, _ = encoded(encoder, ["6:00", dt.time(18)])
    np.testing.assert_allclose(x[:, 1:], [[1, 0], [-1, 0]], atol=1e-15)
    with pytest.raises(DataError, match="'2020-01-01' is a date, unlike this column in training"):
        encoded(encoder, ["2020-01-01"])


@pytest.mark.parametrize(
    "values, dtype",
    [(["2020-01-06", "2020-03-08"], "datetime64[ns]"), ([dt.date(2020, 1, 6), dt.date(2020, 3, 8)], object),
     ([pd.Timestamp("2020-01-06"), pd.Timestamp("2020-03-08").to_pydatetime()], object), (["20200106", "20200308", "20200309"], object),
     ([20200106, 20200308, 20200309], "int64"), (["06.01.2020", "08.03.2020"], object), (["6 Jan 2020", "2020-03-08"], object)],
)  # fmt: skip
def test_the_same_inputs_from_every_form(values, dtype):
    expected = encoded(fit(["2020-01-06", "2020-03-08", "2020-03-09"][: len(values)]), ["2020-01-06"])[0]
    encoder = fit(values, dtype=dtype)
    assert isinstance(encoder, Dates)
    assert encoded(encoder, values, dtype)[0][0].tobytes() == expected[0].tobytes()


def test_a_row_alone_gives_the_same_bits():
    draw = np.random.default_rng(0)
    values = [str(np.datetime64(int(s), "s")) for s in draw.integers(0, 2**31, 257)]
    encoder = fit(values)
    whole, _ = encoded(encoder, values)
    for row in (0, 1, 100, 256):
        assert encoded(encoder, [values[row]])[0].tobytes() == whole[row].tobytes()


@pytest.mark.parametrize(
    "values, says",
    [
        (["1/2/2020", "2/3/2020"], "holds dates that may begin with the day or the month ('1/2/2020')"),
        (
            ["13/2/2020", "2/23/2020"],
            "holds dates of which '13/2/2020' begins with the day and '2/23/2020' with the month",
        ),
        (["13/2/2020"] * 9 + ["31/4/2020"], "holds dates or times except in 1 row ('31/4/2020' in row 10)"),
        (["2020-01-01"] * 9 + ["x"], "holds dates or times except in 1 row ('x' in row 10)"),
        (["2020-01-01", "10:30"], "holds dates or times beside times of day ('10:30' in row 2)"),
        (["2020-01-01 10:00", "2020-01-01 10:00Z"], "holds dates or times with a time zone and without one"),
    ],
)
def test_columns_of_dates_that_a_person_has_to_mend(values, says):
    found = judged(values)
    assert isinstance(found, Problem)
    assert found.reason.startswith(says)


def test_a_person_decides():
    assert judged(["1/2/2020", "2/3/2020"], day_first=True).day_first
    assert not judged(["1/2/2020", "2/3/2020"], day_first=False).day_first
