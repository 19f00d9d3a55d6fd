"""Worker threads that compiled programs split their work over.

Programs call, with C's conventions, by names that the linker is given:

    void rg_run(pool, task, argument)        run task(argument, part, parts) for every part; all are done afterwards
    void rg_run_light(pool, task, argument)  the same for less than about 100 us of work, which is not worth a wake-up
    void rg_wake(pool)                       wake the workers now: more work than that is coming

The number of parts is fixed for a pool. Who runs a part, and when, is not: a part whose worker has not come is run by
the caller, and where the workers are taken by another thread, or absent, all are. A task may thus not wait for another
part, and no result depends on who ran it. Workers spin for half a millisecond after their last work, then sleep.

The code lives in a module of its own that is never unloaded. A program's object names the functions, and `rg_pool`, the
state block; addresses are filled in when it is linked, so cached objects have none.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import cache

from retrograd.native.llvm.builder import Module
from retrograd.native.runtime import cache as objects
from retrograd.native.runtime import cpu, linker, pool_ir
from retrograd.native.runtime.linker import Linked

SPIN = 20_000  # pauses of about 25 ns before a worker sleeps
PATIENCE = 10.0  # seconds for workers to arrive; without them programs run on the caller's thread alone
SIGNATURES = {"rg_run": "ptr, ptr, ptr", "rg_run_light": "ptr, ptr, ptr", "rg_wake": "ptr"}


def pool(parts: int | None = None) -> Pool:
    """The pool of this process whose work is cut in `parts`; by default one for each thread we may use."""
    parts = parts or cpu.thread_count()
    with _process.lock:
        found = _process.pools.get(parts)
        if found is None:
            found = _process.pools[parts] = Pool(parts)
        found.start()
    return found


def declare(module: Module) -> None:
    """Make the functions, and `@rg_pool`, known to a module that is being written."""
    for name, arguments in SIGNATURES.items():
        module.declare(name, "void", arguments)
    module.globals.setdefault("rg_pool", "@rg_pool = external global i8")


class Pool:
    """Threads that wait for work, and the block of memory through which they get it.

    Attributes:
        parts: how many parts all work is cut in.
        address: the state block, which programs hand to `rg_run`.
        symbols: what to give the linker: the functions' addresses by name, and `rg_pool`.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        size = pool_ir.DONE + pool_ir.STRIDE * (parts + 1)
        self._memory = ctypes.create_string_buffer(size + 64)
        self.address = -(-ctypes.addressof(self._memory) // 64) * 64
        self._size = size
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._memory))  # workers may look at it until the process is gone
        code = _code()
        self.symbols = {name: code.address(name) for name in pool_ir.SYMBOLS} | {"rg_pool": self.address}
        self._threads: list[threading.Thread] = []
        self._reset()

    def _reset(self) -> None:
        """As if nothing had ever run; without workers, hence locked."""
        self._threads = []
        ctypes.memset(self.address, 0, self._size)
        ctypes.c_int64.from_address(self.address + pool_ir.PARTS).value = self.parts
        ctypes.c_int32.from_address(self.address + pool_ir.PAUSES).value = SPIN
        ctypes.c_int32.from_address(self.address + pool_ir.LOCK).value = 1

    def start(self) -> None:
        """See that there are workers. They are waited for: a program that holds the GIL could not let them in."""
        if self._threads or self.parts == 1 or _process.ended:
            return
        self._reset()
        work = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(_code().address("rg_worker"))
        for part in range(1, self.parts):
            thread = threading.Thread(target=work, args=(self.address, part), name=f"retrograd-{part}", daemon=True)
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError:  # no more threads to be had: all stays locked, hence on the caller's thread
                return
        ready = ctypes.c_int32.from_address(self.address + pool_ir.READY)
        late = time.monotonic() + PATIENCE
        while ready.value < self.parts - 1:
            if time.monotonic() > late:
                return
            time.sleep(1e-5)
        _function("rg_open", None)(self.address)

    def stop(self) -> None:
        """Send the workers home, unless some program is at work just now."""
        for _ in range(100):
            if not self._threads or _function("rg_stop", ctypes.c_int)(self.address):
                break
            time.sleep(1e-3)
        else:
            return
        for thread in self._threads:
            thread.join(1.0)
        self._threads = [thread for thread in self._threads if thread.is_alive()]


@cache
def _code() -> Linked:
    """The functions, compiled once and never unloaded."""
    target = cpu.target_for("x86-64-v2" if cpu.machine() == "x86_64" else "native")
    text = pool_ir.pool_ir(cpu.machine(), sys.platform)
    linked = linker.link(objects.compiled(text, target), [*pool_ir.SYMBOLS, *pool_ir.INTERNAL], "pool")
    linked.keep()
    return linked


def _function(name: str, result: type | None) -> Callable[[int], int]:
    return ctypes.CFUNCTYPE(result, ctypes.c_void_p)(_code().address(name))


class _Process:
    """The pools of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pools: dict[int, Pool] = {}
        self.ended = False

    def after_fork(self) -> None:
        """The child has no workers, and its programs run on one thread until it asks for a pool again."""
        self.lock = threading.Lock()
        for each in self.pools.values():
            each._reset()

    def end(self) -> None:
        """What still runs while the interpreter ends runs on one thread."""
        self.ended = True
        for each in list(self.pools.values()):
            each.stop()


_process = _Process()
atexit.register(_process.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.after_fork)
