"""Files that nobody should send, as hypothesis draws them: bytes of a table, and the column to predict."""

import codecs
import csv
import gzip
import io

from hypothesis import strategies as st

WORDS = ["", " ", "?", "NA", "nan", "inf", "-inf", "-", ".", "None", "null", "yes", "no", "T", "f", "True", "0", "1", "-0.0",
         "1e400", "1e-400", "5e-324", "1.7976931348623157e308", "007", "1_000", "0x10", "12%", "3,14", "1,234", "1.234,5",
         "$5", "5 €", "(3)", "1,2,3", "2020-01-01", "01/02/2020", "13/02/2020", "02/13/2020", "31.12.1999", "10:30", "24:00",
         "2020-02-30", "20200131", "2020-01-01T10:00:00+02:00", "0000-00-00", "9999-12-31", "=1+1", "=cmd|' /C calc'!A0", "@SUM(1)",
         "a", "b", '"', '""', "'", "a\nb", "a\r\nb", "\t", ";", "|", "\\", "\x1b[31m", "\u2028", "\ufeff", "\u202e", "é", "日本", "𝔘",
         "12345678901234567890123456789", "-9223372036854775809", "9007199254740993", "x" * 3000, "1" * 400]  # fmt: skip

texts = st.text(st.characters(codec="utf-8"), max_size=6)
cells = st.one_of(
    st.sampled_from(WORDS),
    st.integers(-3, 3).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    texts,
)
names = st.one_of(
    st.sampled_from(["a", "b", "id", "", " a", "y", "target", "1", "x" * 200, "a\nb", '"', "é", "=a", "a,b", "nan"]),
    texts,
)


@st.composite
def columns(draw, rows, kind=None):
    """One column's cells: of one kind (given, or any), with a few hostile ones among them."""
    kinds = [
        st.integers(-9, 9).map(str), st.floats(-1e3, 1e3).map(str), st.sampled_from(["p", "q", "r"]), st.booleans().map(str),
        st.dates().map(str), st.datetimes().map(str), st.integers(0, 99).map("{}%".format), st.sampled_from(["1,5", "2,25"]), cells,
    ]  # fmt: skip
    found = "drawn" if kind is not None else draw(st.sampled_from(["counted", "constant", "drawn", "drawn", "drawn"]))
    hostile = draw(st.integers(0, 4)) == 0
    kind = draw(st.sampled_from(kinds)) if kind is None else kind
    if found == "counted":
        return [str(row + 1) for row in range(rows)]
    if found == "constant":
        return [draw(kind)] * rows
    values = draw(st.lists(kind, min_size=rows, max_size=rows))
    for place in draw(st.lists(st.integers(0, max(rows - 1, 0)), max_size=2)) if rows and hostile else ():
        values[place] = draw(cells)
    return values


@st.composite
def written(draw, header, body):
    """Rows as bytes, in some dialect and encoding."""
    file = io.StringIO(newline="")
    writer = csv.writer(
        file,
        delimiter=draw(st.sampled_from([",", ",", ";", "\t", "|"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])),
    )
    writer.writerows([header, *body])
    text = file.getvalue()
    encoding = draw(st.sampled_from([*["utf-8"] * 5, "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "shift_jis"]))
    return text.encode(encoding, "replace")


@st.composite
def broken(draw, content):
    """Bytes as they are, or damaged: cut short, with bytes put in, packed, or doubled."""
    how = draw(st.sampled_from([*["not"] * 9, "cut", "put", "pack", "mark", "twice"]))
    place = draw(st.integers(0, len(content)))
    if how == "cut":
        return content[:place]
    if how == "put":
        return (
            content[:place]
            + draw(st.sampled_from([b"\0", b"\xff", b'"', b",", b"\n", b"\r", b"\x1a", b"\x80"]))
            + content[place:]
        )
    if how == "pack":
        return gzip.compress(content)[: None if draw(st.booleans()) else place]
    if how == "mark":
        return codecs.BOM_UTF8 + content
    return content * 2 if how == "twice" else content


@st.composite
def targets(draw, rows):
    """Cells that can be predicted, in most cases."""
    kind = draw(
        st.sampled_from(
            [st.sampled_from("pq"), st.floats(-9, 9).map(str), st.integers(0, 2).map(str), st.booleans().map(str)]
        )
    )
    values = draw(st.lists(kind, min_size=rows, max_size=rows))
    for place in range(min(rows, draw(st.sampled_from([0, 0, 1, 3])))):
        values[place] = draw(st.sampled_from(["", "-", "?", "odd", "inf"]))
    return values


@st.composite
def tables(draw, most_rows=24, required={}):  # noqa: B006 - read only
    """A file's bytes, and a name to predict. `required` are columns that it has in any case, and kinds of cells."""
    rows = draw(st.sampled_from([0, 1, 2, 7, 12, *[most_rows] * 7]))
    odd = draw(st.integers(0, 3)) == 0
    free = draw(st.lists(names, min_size=1, max_size=4)) if odd else ["a", "b", "id"][: draw(st.integers(1, 3))]
    header = [*required, *free]
    wide = [draw(columns(rows, required.get(title))) for title in header]
    if not odd:
        header, wide = [*header, "y"], [*wide, draw(targets(rows))]
    body = [list(row) for row in zip(*wide, strict=True)]
    if body and draw(st.integers(0, 9)) == 0:  # ragged
        row = draw(st.integers(0, len(body) - 1))
        body[row] = body[row][:-1] if draw(st.booleans()) else [*body[row], draw(cells)] * draw(st.integers(1, 3))
    content = draw(broken(draw(written(header, body))))
    return content, draw(st.sampled_from(header)) if odd else "y"


ragged_and_random = st.tuples(
    st.one_of(st.binary(max_size=300), st.lists(st.lists(cells, max_size=60), max_size=12).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode()
    )),
    st.sampled_from(["a", "y", "1"]),
)  # fmt: skip
