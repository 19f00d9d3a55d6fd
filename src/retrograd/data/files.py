"""A file's content: unpacked, recognised by its first bytes, decoded to text."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path

from retrograd.data._wording import counted, listed, quoted
from retrograd.errors import DataError

_ZIP = b"PK\x03\x04"
_PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ\x00": lzma.decompress}
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old Excel file: save the sheet as a CSV file",
    b"\x89HDF": "an HDF5 file: write the table as CSV",
    b"SQLite format 3": "an SQLite database: write the table as CSV",
    b"\x93NUMPY": "a NumPy array: write it as CSV with a header line",
    b"%PDF": "a PDF: a CSV file is needed",
    b"ARROW1": "an Arrow file: write it as Parquet or CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard: unpack it first",
}


def content_of(path: Path) -> bytes:
    """The file's bytes, unpacked.

    Raises:
        DataError: it cannot be read, is damaged, or is of a kind that cannot be a table here.
    """
    name = quoted(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    try:
        if content.startswith(_ZIP):
            return _only_member(content, name)
        for start, unpack in _PACKED.items():
            if content.startswith(start):
                return unpack(content)
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"{name} is compressed, but locked, damaged or cut short: {error}") from error
    for start, what in _FOREIGN.items():
        if content.startswith(start):
            raise DataError(f"{name} is {what}")
    return content


def decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    """Text, every line end a line feed, and sentences on how it was read.

    UTF-8, with or without a byte order mark; UTF-16; otherwise Windows-1252, of which Latin-1 is a part.

    Raises:
        DataError: it is no text.
    """
    encoding, notes = _encoding(content), []
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise DataError(f"{name} is not UTF-16 text: save it as UTF-8") from error
        text = _western(content, name, error.start)
        place = content.count(b"\n", 0, error.start) + 1
        line = text.split("\n")[place - 1]
        notes.append(
            f"{name} is not UTF-8 text: read as Windows-1252 (line {place}: {quoted(line.strip())}); if that is "
            "not how it should look, save the file as UTF-8."
        )
    if "\0" in text:
        raise DataError(f"{name} is no text file (it holds zero bytes): a CSV file is needed")
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _only_member(content: bytes, name: str) -> bytes:
    """The one file of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        names = [member for member in names if not member.startswith("__MACOSX/")]  # what a Mac adds
        if "[Content_Types].xml" in names or "mimetype" in names:
            raise DataError(f"{name} is a spreadsheet: save the sheet as a CSV file")
        if len(names) != 1:
            inside = f"{counted(len(names), 'file')} ({listed(names, 4)})" if names else "no file"
            raise DataError(f"{name} is a zip archive of {inside}: unpack it, and give one CSV file")
        return archive.read(names[0])


def _encoding(content: bytes) -> str:
    """UTF-16 by its mark, or because every other byte of the beginning is zero; else UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = content[:200]
    if len(head) > 3 and head[1::2].count(0) == len(head) // 2 and 0 not in head[::2]:
        return "utf-16-le"
    if len(head) > 3 and head[::2].count(0) == len(head[::2]) and 0 not in head[1::2]:
        return "utf-16-be"
    return "utf-8-sig"


def _western(content: bytes, name: str, start: int) -> str:
    """Text of a one-byte encoding, if all its bytes stand for something in Windows-1252."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        text, start = "", error.start
    if not text or any(ord(letter) < 32 and letter not in "\t\n\r\f\v\x1a\x1b" for letter in set(text)):
        line = content.count(b"\n", 0, start) + 1
        raise DataError(
            f"{name} is not UTF-8 text (line {line}, byte 0x{content[start]:02x}): save it as UTF-8, "
            "or convert it, for example: iconv -f SHIFT_JIS -t UTF-8 old.csv > new.csv"
        )
    return text
