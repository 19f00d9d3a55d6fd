"""Reading text files: separators, encodings, compression, and one clear line for whatever is no table."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrograd.data.delimited import read_delimited
from retrograd.data.files import content_of
from retrograd.errors import DataError


def read_file(path, **options):
    return read_delimited(content_of(path), repr(path.name), **options)


def assert_one_line(error):
    assert str(error)
    assert "\n" not in str(error)


@pytest.fixture
def file(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **options):
    frame, notes = read_file(path, **options)
    return list(frame.columns), frame.to_numpy().tolist(), notes


def refused(path):
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_cell_is_text_as_written(file):
    columns, rows, notes = read(file("a,b,c\n1,007,x\n1.50,,NA\n"))
    assert columns == ["a", "b", "c"]
    assert rows == [["1", "007", "x"], ["1.50", "", "NA"]]
    assert notes == []


@pytest.mark.parametrize("separator, name", [(",", None), (";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_the_separator_is_found_and_said(file, separator, name):
    text = "a,b\n1,x\n2,y\n".replace(",", separator)
    columns, rows, notes = read(file(text))
    assert (columns, rows) == (["a", "b"], [["1", "x"], ["2", "y"]])
    assert notes == ([] if name is None else [f"'data.csv' separates its columns by {name}."])


def test_commas_inside_semicolon_files_separate_nothing(file):
    assert read(file("size;price\n1,5;2,25\n3,5;4,75\n"))[1] == [["1,5", "2,25"], ["3,5", "4,75"]]


def test_separators_inside_quotes_separate_nothing(file):
    columns, rows, _ = read(file('name,"a; b; c",y\n"Braund, Mr. ""Owen""",1,2\n"two\nlines",3,4\n'))
    assert columns == ["name", "a; b; c", "y"]
    assert rows == [['Braund, Mr. "Owen"', "1", "2"], ["two\nlines", "3", "4"]]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines_do_not_matter(file, ending):
    text = ending.join(["", "a,b", "", "1,2", "   ", "3,4", "", ""])
    assert read(file(text))[:2] == (["a", "b"], [["1", "2"], ["3", "4"]])


def test_blanks_around_names_and_after_separators_go(file):
    assert read(file(' a , "b" \n1, "x, y"\n'))[:2] == (["a", "b"], [["1", "x, y"]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_encodings_with_and_without_a_mark(file, encoding):
    columns, rows, notes = read(file("größe,y\n1,ä\n".encode(encoding)))
    assert (columns, rows) == (["größe", "y"], [["1", "ä"]])
    assert notes == (
        ["'data.csv' is not UTF-8 text: read as Windows-1252 (line 1: 'größe,y'); if that is not how it should look, "
         "save the file as UTF-8."]
        if encoding in {"latin-1", "cp1252"}
        else []
    )  # fmt: skip


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "a,b\n1,2\n")
    return buffer.getvalue()


def test_a_zip_archive_of_one_file(file):
    assert read(file(zipped("x.csv", "__MACOSX/x.csv")))[:2] == (["a", "b"], [["1", "2"]])
    assert "is a zip archive of 2 files ('x.csv', 'y.csv'): unpack it" in refused(file(zipped("x.csv", "y.csv")))
    assert "is a spreadsheet: save the sheet" in refused(file(zipped("[Content_Types].xml", "xl/a.xml")))


def test_files_without_a_header(file):
    columns, rows, _ = read(file("5.1;x\n4.9;y\n"), header=False)
    assert (columns, rows) == (["1", "2"], [["5.1", "x"], ["4.9", "y"]])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_whatever_their_name(file, pack):
    assert read(file(pack(b"a,b\n1,2\n")))[:2] == (["a", "b"], [["1", "2"]])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_cut_short(file, pack):
    whole = pack(b"a,b\n" + b"1,2\n" * 100)
    assert "damaged or cut short" in refused(file(whole[: len(whole) // 2]))


def test_a_saved_index_is_left_out_and_said(file):
    columns, rows, notes = read(file(",a,b\n0,1,2\n1,3,4\n"))
    assert (columns, rows) == (["a", "b"], [["1", "2"], ["3", "4"]])
    assert notes == ["Column 1 has no name and only numbers the rows: left out."]
    assert read(file(",a\n17,1\n5,3\n"))[0] == ["a"]  # a shuffled part of a table


def test_separators_at_line_ends_make_no_column(file):
    assert read(file("a,b,\n1,2,\n3,4,\n")) == (["a", "b"], [["1", "2"], ["3", "4"]], [])


@pytest.mark.parametrize(
    "content, says",
    [
        ("", "'data.csv' is empty: a header line and rows are needed"),
        (" \n\n", "'data.csv' is empty"),
        ("a,b\n", "'data.csv' has a header but no rows below it"),
        ("a,b,a\n1,2,3\n", "has two columns called 'a' (columns 1 and 3): rename one of them"),
        ("a, a\n1,2\n", "has two columns called 'a'"),
        ("a,b\n1,2,3\n", "has 2 columns, but line 2 has 3: correct that line"),
        ("a,b,c\n1,2,3\n1,2\n1\n", "has 3 columns, but line 3 has only 2 (and 1 other line likewise): correct it"),
        ('a,b,c\n"x\ny",2,3\n1,2\n', "line 4 has only 2"),
        ('a,b\n1,"2\n3,4\n', "a double quote that is never closed"),
        (",a\nx,1\ny,2\n", "has a column without a name (column 1): name it"),
        (",\n,\n", "has no named column"),
        (b"a,b\n\x811,2\n", "is not UTF-8 text (line 2, byte 0x81): save it as UTF-8"),
        (b"a,b\n\xff\x01,2\n", "is not UTF-8 text (line 2, byte 0xff)"),
        (b"a,b\n\x00\x01,2\n", "is no text file"),
        (b"PK\x03\x04rest", "is compressed, but locked, damaged or cut short"),
        (b"\xff\xfea", "is not UTF-16 text"),
    ],
)
def test_what_is_no_table_gets_one_line(file, content, says):
    assert says in refused(file(content))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def forbidden(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", forbidden)
    assert refused(tmp_path / "x.csv").endswith("x.csv' cannot be read: Permission denied")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes(content)
    try:
        frame, _ = read_file(path)
    except DataError as error:
        assert_one_line(error)
    else:
        assert len(frame)
        assert len(frame.columns)


cell = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=5)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1)))
def test_what_pandas_writes_reads_back(tmp_path_factory, rows):
    import pandas as pd

    path = tmp_path_factory.mktemp("back") / "x.csv"
    frame = pd.DataFrame(rows, columns=[f"c{place}" for place in range(len(rows[0]))], dtype=object)
    frame.insert(0, "first", "x")
    frame.to_csv(path, index=False, quoting=1)
    read_back, _ = read_file(path)
    assert read_back.to_numpy().tolist() == frame.to_numpy().tolist()
