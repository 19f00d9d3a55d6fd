"""Files and folders that are there whole or not at all."""

import os

import pytest

from retrograd.train import files
from retrograd.train.files import new_folder, write_whole


def failing(error):
    """A function that raises."""

    def fail(*args, **kwargs):
        raise error

    return fail


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.bin"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    write_whole(path, b"one")
    monkeypatch.setattr(files.os, "fsync", failing(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_leftover_of_a_killed_writer_does_no_harm(tmp_path):
    (tmp_path / ".a.bin.tmp").write_bytes(b"half of somethi")
    write_whole(tmp_path / "a.bin", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_the_usual_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        write_whole(tmp_path / "a", b"")
        with new_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o755


def fill(path, text, error=None, **options):
    with new_folder(path, **options) as folder:
        (folder / "f").write_text(text)
        if error:
            raise error


def test_a_folder_appears_whole_with_its_parents(tmp_path):
    fill(tmp_path / "x" / "y", "one")
    assert (tmp_path / "x" / "y" / "f").read_text() == "one"
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["y"]


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="disk full"):
        fill(tmp_path / "y", "half", error=OSError("disk full"))
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_old_folder(tmp_path):
    fill(tmp_path / "y", "one")

    with pytest.raises(OSError, match="disk full"):
        fill(tmp_path / "y", "half", replace=True, error=OSError("disk full"))
    assert (tmp_path / "y" / "f").read_text() == "one"


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_name_that_is_taken_is_left_alone(tmp_path, kind):
    path = tmp_path / "y"
    if kind == "file":
        path.write_text("mine")
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.mkdir()
        (path / "mine").write_text("mine")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(FileExistsError):
        fill(path, "new")
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("replace", [True, False])
def test_an_empty_folder_counts_as_none(tmp_path, replace):
    (tmp_path / "y").mkdir()
    fill(tmp_path / "y", "one", replace=replace)
    assert (tmp_path / "y" / "f").read_text() == "one"


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_is_exchanged(tmp_path, monkeypatch, in_one_step):
    if not in_one_step:
        monkeypatch.setattr(files.ctypes, "CDLL", failing(OSError()))
    fill(tmp_path / "y", "one")
    fill(tmp_path / "y", "two", replace=True)
    assert (tmp_path / "y" / "f").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["y"]


def test_where_the_exchange_fails_the_old_folder_is_put_back(tmp_path, monkeypatch):
    fill(tmp_path / "y", "one")
    monkeypatch.setattr(files.ctypes, "CDLL", failing(OSError()))
    rename = type(tmp_path).rename

    def rename_of_the_old(self, target):
        if ".tmp-" in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", rename_of_the_old)
    with pytest.raises(OSError, match="no"):
        fill(tmp_path / "y", "two", replace=True)
    assert (tmp_path / "y" / "f").read_text() == "one"
