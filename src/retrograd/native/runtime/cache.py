"""Object code kept between processes.

A file has one line of JSON and then the object; it is named by its key. The key is a hash of everything the object
depends on: what the caller says of the program, the target, LLVM's version and our own sources. Whatever is doubtful
about a file, or about the folder it lies in, makes it a miss; nothing here ever raises. Code is run from here, so the
folder and its files have to belong to this user, and nobody else may write to them.

``RETROGRAD_CACHE=off`` keeps nothing. The folder is ``RETROGRAD_CACHE_DIR``, or ``retrograd`` in ``XDG_CACHE_HOME``,
or ``~/.cache/retrograd``.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from retrograd.native.llvm.target import Target
from retrograd.native.runtime import linker

FORMAT = 1
LIMIT = 256 << 20  # bytes of a folder, beyond which the files unused for longest go
HEADER = 4096  # bytes that a header may have
SUFFIX, UNFINISHED = ".o", ".tmp"
HOUR = 3600.0
# What a program's code depends on; what stands above the compiler (layers, training, the command line) does not.
SOURCES = ("core", "graph", "primitives", "ops", "tensor", "transforms", "passes", "native", "jit")

_started = time.time()


@dataclass
class Statistics:
    """How often this process found an object, and how often it did not."""

    hits: int = 0
    misses: int = 0
    stored: int = 0


def key(*parts: Any) -> str:
    """The name of an object. `parts` are text, bytes, or values whose `repr` says all there is, a `Target` for one."""
    whole = hashlib.sha256()
    for part in (FORMAT, linker.llvm_version(), _digest() or "", *parts):
        data = part if isinstance(part, bytes) else (part if isinstance(part, str) else repr(part)).encode()
        whole.update(b"%d:" % len(data))
        whole.update(data)
    return whole.hexdigest()


def compiled(ir: str, target: Target) -> bytes:
    """The object code of a module, from the cache or made now."""
    store = default()
    name = key("ir", ir, target)
    code = store.load(name)
    if code is None:
        code = linker.compile_text(ir, target)
        store.store(name, code, target.cpu)
    return code


def default() -> Cache:
    """The cache that the environment names."""
    if os.environ.get("RETROGRAD_CACHE", "").lower() in ("off", "0", "no") or _digest() is None:
        return _cache_in(None)
    if named := os.environ.get("RETROGRAD_CACHE_DIR"):
        return _cache_in(named)
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return _cache_in(str((Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache") / "retrograd"))
    except RuntimeError:  # nobody has a home here
        return _cache_in(None)


@cache
def _cache_in(folder: str | None) -> Cache:
    return Cache(Path(folder) if folder else None)


@dataclass
class Cache:
    """Objects in a folder; with None, or where the folder cannot be trusted, there are never any."""

    folder: Path | None
    limit: int = LIMIT
    statistics: Statistics = field(default_factory=Statistics)
    _since_pruned: int = field(default=-1, repr=False)  # bytes stored; -1: never looked
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def load(self, key: str) -> bytes | None:
        """The object, if it is there and beyond doubt."""
        code = self._read(key) if self.folder is not None and _trusted(self.folder) else None
        if code is None:
            self.statistics.misses += 1
        else:
            self.statistics.hits += 1
        return code

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | _flags()), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or not _private(status) or status.st_size > self.limit:
                    return None
                header, code = file.readline(HEADER), file.read()
            said = json.loads(header)
            if said != {**said, "format": FORMAT, "key": key, "llvm": linker.llvm_version(), "length": len(code)}:
                return None
            if said.get("sha256") != hashlib.sha256(code).hexdigest():
                return None
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        if time.time() - status.st_mtime > HOUR:
            _touch(path)
        return code

    def store(self, key: str, code: bytes, cpu: str = "") -> None:
        """Keep an object for later processes, if that can be done."""
        if self.folder is None:
            return
        header = {
            "format": FORMAT,
            "key": key,
            "length": len(code),
            "sha256": hashlib.sha256(code).hexdigest(),
            "llvm": linker.llvm_version(),
            "cpu": cpu,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _trusted(self.folder):
                return
            self._write(key, json.dumps(header).encode() + b"\n" + code)
            self.statistics.stored += 1
            self._prune(len(code))
        except OSError:
            return

    def _write(self, key: str, data: bytes) -> None:
        """Whole or not at all: readers see the old file or the new one."""
        handle, name = tempfile.mkstemp(UNFINISHED, key[:8], self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(self._path(key))
        except OSError:
            _remove(Path(name))
            raise

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}{SUFFIX}"

    def _prune(self, added: int) -> None:
        """Keep the folder within its limit. Looked at once a process, and again for each sixteenth of it stored."""
        with self._lock:
            self._since_pruned += added
            if 0 <= self._since_pruned - added and self._since_pruned < self.limit // 16:
                return
            self._since_pruned = 0
        assert self.folder is not None
        files = []
        for entry in os.scandir(self.folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # somebody else was faster
                continue
            if entry.name.endswith(SUFFIX):
                files.append((status.st_mtime, status.st_size, Path(entry.path)))
            elif entry.name.endswith(UNFINISHED) and time.time() - status.st_mtime > HOUR:
                _remove(Path(entry.path))  # left by a process that died
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self.limit:
                break
            _remove(path)
            total -= size


def _flags() -> int:
    """Follow no link, hand nothing on to other programs, change no line ends."""
    return getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def _trusted(folder: Path) -> bool:
    try:
        status = folder.stat()
        return stat.S_ISDIR(status.st_mode) and _private(status)
    except OSError:
        return False


def _private(status: os.stat_result) -> bool:
    """Whether it is ours, and nobody else may write to it."""
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:  # somebody else's file system, or read-only
        pass


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass


@cache
def _digest() -> str | None:
    return source_digest(Path(__file__).parents[2], _started)


def source_digest(root: Path, loaded: float) -> str | None:
    """A hash of the compiler's sources; None if they are not there, or newer than the code that was loaded."""
    whole = hashlib.sha256()
    files = [path for package in SOURCES for path in sorted((root / package).rglob("*.py"))]
    try:
        for path in files:
            if path.stat().st_mtime > loaded:
                return None
            data = path.read_bytes()
            whole.update(f"{path.relative_to(root).as_posix()}:{len(data)}:".encode())
            whole.update(data)
    except OSError:
        return None
    return whole.hexdigest() if files else None
