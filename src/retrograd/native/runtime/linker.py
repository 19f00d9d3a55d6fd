"""From LLVM IR text to object code, and from object code to addresses in this process.

Object code is what the cache keeps, so it has no addresses in it: what it needs from outside it names. Names come from
the process (the C library, Python's C API) and from a mapping that the caller gives.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache, lru_cache
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.native.llvm.target import Target

OPTIMIZATION = 2  # of the code generator; passes over modules are never run
LIBRARIES = 32  # that share a linker; each leaves 10 KB in it when it goes, and the linker goes with its last one
SHOWN_LINES = 6

_lock = threading.RLock()  # for what is made once; single calls of LLVM are serialised by llvmlite
_numbers = itertools.count()


class CompilerDefect(RetrogradError, RuntimeError):
    """LLVM refused what the compiler wrote: a defect of ours, never of the user's program."""


def available() -> bool:
    """Whether there is an llvmlite that can be loaded."""
    try:
        _binding()
    except (ImportError, OSError):
        return False
    return True


def llvm_version() -> str:
    """As ``22.1.0``."""
    return ".".join(map(str, _binding().llvm_version_info))


def compile_text(ir: str, target: Target) -> bytes:
    """The object code of a module."""
    return _emit(ir, target, "emit_object")


def assembly(ir: str, target: Target) -> str:
    """The same code to read."""
    return _emit(ir, target, "emit_assembly")


def link(
    code: bytes, symbols: Sequence[str], name: str = "program", imports: Mapping[str, int] | None = None
) -> Linked:  # fmt: skip
    """Load object code. `symbols` are the functions to be called from outside, `imports` the addresses it may name."""
    llvm = _binding()
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for symbol, address in (imports or {}).items():
        library.import_symbol(symbol, address)
    for symbol in symbols:
        library.export_symbol(symbol)
    try:
        number = next(_numbers)
        with _lock:
            engine = _engine(number // LIBRARIES)
        tracker = library.link(engine, f"{name}.{number}")  # LLVM lets no name be used twice
    except RuntimeError as error:
        raise CompilerDefect(f"linking {name}: {_first_lines(str(error))}") from None
    return Linked(engine, tracker, symbols)


class Linked:
    """Code in memory; it is unloaded when this object goes, so whoever calls it holds on to it."""

    def __init__(self, engine: Any, tracker: Any, symbols: Sequence[str]) -> None:
        self._tracker = tracker
        tracker.engine = engine  # outlives the tracker
        self._addresses = {symbol: int(tracker[symbol]) for symbol in symbols}
        _living.add(self)

    def address(self, symbol: str) -> int:
        """Where a symbol is."""
        return self._addresses[symbol]

    def keep(self) -> None:
        """Never unload this code: threads may be inside at any time."""
        _kept.append(self._tracker.engine)
        self._tracker.detach()


_living: weakref.WeakSet[Linked] = weakref.WeakSet()
_kept: list[Any] = []  # linkers with code that is never unloaded


@atexit.register
def _keep_all() -> None:
    """While the interpreter ends daemon threads may still be inside: nothing is unloaded from here on."""
    for linked in list(_living):
        linked.keep()
    for engine in _kept:
        engine.detach()


# LLVM -----------------------------------------------------------------------------------------------------------------


@cache
def _binding() -> Any:
    """The binding to LLVM, ready to make code for the host."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    try:
        ctypes.CDLL("libm.so.6", mode=ctypes.RTLD_GLOBAL)  # sinf and its like, in case Python itself did without
    except OSError:  # another C library, which has them inside
        pass
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
    return llvm


def _hold() -> None:
    """Before a fork: wait until no thread is inside LLVM, whose locks would stay closed in the child."""
    _lock.acquire()
    _library_lock().__enter__()


def _release() -> None:
    _library_lock().__exit__(None, None, None)
    _lock.release()


@cache
def _library_lock() -> Any:
    """The lock that llvmlite takes for every call of LLVM."""
    from llvmlite.binding import ffi

    return getattr(ffi.lib, "_lock", None) or nullcontext()


@cache
def _machine(cpu: str, features: str) -> Any:
    llvm = _binding()
    maker = llvm.Target.from_triple(llvm.get_process_triple())
    return maker.create_target_machine(cpu=cpu, features=features, opt=OPTIMIZATION, jit=True)


@lru_cache(maxsize=1)
def _engine(number: int) -> Any:
    """The linker of this process, a new one for each `number`."""
    return _binding().create_lljit_compiler(_machine("", ""))


def _emit(ir: str, target: Target, method: str) -> Any:
    llvm = _binding()
    with _lock:
        machine = _machine(target.cpu, target.features)
    context = llvm.create_context()  # types and constants go with it
    try:
        with llvm.parse_assembly(ir, context) as module:
            module.verify()
            return getattr(machine, method)(module)
    except RuntimeError as error:
        raise CompilerDefect(_first_lines(str(error))) from None


def _first_lines(message: str) -> str:
    lines = message.strip().splitlines()
    return "\n".join(lines[:SHOWN_LINES] + ["..."] * (len(lines) > SHOWN_LINES))
