"""Files that are there whole or not at all: written under another name, forced to the disk, then renamed.

A process that is killed at any moment leaves the old file or the new one under the name, never a part of one. What it
may leave beside it is a hidden temporary, which nothing reads.
"""

import ctypes
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # <linux/fcntl.h>, <linux/fs.h>


def write_whole(path: Path, content: bytes) -> None:
    """Make `content` the file at `path`, in one step as far as any reader or crash can see.

    The temporary has one name for each target, so a killed writer's leftover is overwritten by the next.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with _naming(path):
            _write(temporary, content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder to fill, which takes the name `path` when the block ends without an exception.

    Args:
        path: the name; its parent is made if it is not there.
        replace: whether a folder of that name may be exchanged for the new one.

    Raises:
        FileExistsError: at the end, if something of that name is there and is not to be replaced; an empty folder is
            nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        with _naming(path):
            yield temporary
            for file in temporary.iterdir():
                _flush(file)
        _flush_folder(temporary)
        if replace and is_taken(path):
            _exchange(temporary, path)
        else:
            _take_name(temporary, path)
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """A full disk says which file it was too full for."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def is_taken(path: Path) -> bool:
    """Whether there is something of that name, but for an empty folder."""
    if path.is_symlink() or not path.is_dir():
        return path.is_symlink() or path.exists()
    return any(path.iterdir())


def _take_name(temporary: Path, path: Path) -> None:
    """Rename to a name that must be free, or an empty folder's."""
    if is_taken(path):
        raise FileExistsError(f"{path} is there already")
    try:
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    except OSError as error:  # somebody else took the name since
        raise FileExistsError(f"{path} is there already") from error


def _exchange(temporary: Path, path: Path) -> None:
    """Let two folders change names: in one step where Linux does it, else by way of a third name."""
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None, use_errno=True)
        names = os.fsencode(temporary), os.fsencode(path)
        if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
    aside = path.with_name(f".{path.name}.old-{secrets.token_hex(4)}")
    path.rename(aside)
    try:
        temporary.rename(path)
    except OSError:
        aside.rename(path)
        raise
    aside.rename(temporary)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Force a folder's names to the disk; Windows, which cannot open a folder, does without."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
