"""Parts run once each, whoever runs them, and whatever becomes of the process."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from retrograd import config
from retrograd.native.llvm.builder import Module
from retrograd.native.runtime import cpu, linker, pool_ir
from retrograd.native.runtime.pool import declare, pool

PIECES = """
declare void @rg_run(ptr, ptr, ptr)
declare void @rg_run_light(ptr, ptr, ptr)
declare void @rg_wake(ptr)
@rg_pool = external global i8
; counts[16 part] += 1; counts[16 part + 8] = parts
define void @count(ptr %counts, i64 %part, i64 %parts) nounwind {
  %place = shl i64 %part, 4
  %p = getelementptr i64, ptr %counts, i64 %place
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  %q = getelementptr i64, ptr %p, i64 8
  store i64 %parts, ptr %q
  ret void
}
define void @inside(ptr %counts, i64 %part, i64 %parts) nounwind {
  %first = icmp eq i64 %part, 0
  br i1 %first, label %again, label %back
again:
  call void @rg_run(ptr @rg_pool, ptr @count, ptr %counts)
  br label %back
back:
  ret void
}
"""
LOOP = """
define void @NAME(ptr %counts, i64 %n) nounwind {
entry:
  call void @rg_wake(ptr @rg_pool)
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]
  call void @RUN(ptr @rg_pool, ptr @TASK, ptr %counts)
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %loop, label %back
back:
  ret void
}
"""
LOOPS = {"many": ("rg_run", "count"), "light": ("rg_run_light", "count"), "nested": ("rg_run", "inside")}
TEXT = PIECES + "".join(
    LOOP.replace("NAME", name).replace("RUN", run).replace("TASK", task) for name, (run, task) in LOOPS.items()
)


class Program:
    """A program that counts who ran what, over one pool."""

    def __init__(self, parts, code=None):
        self.pool = pool(parts)
        self.parts = self.pool.parts
        code = code or linker.compile_text(TEXT, cpu.host_target())
        self.linked = linker.link(code, [*LOOPS], imports=self.pool.symbols)

    def run(self, name, n):
        counts = np.zeros(16 * self.parts, np.int64)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.linked.address(name))
        call(counts.ctypes.data, n)
        assert (counts[8::16] == self.parts).all()
        return counts[::16].tolist()


@pytest.fixture(scope="module")
def code():
    return linker.compile_text(TEXT, cpu.host_target())


@pytest.mark.parametrize("parts, forks", [(1, 1000), (2, 100_000), (3, 300), (5, 100)])
def test_every_part_runs_once(code, parts, forks):
    program = Program(parts, code)
    assert program.run("many", forks) == [forks] * parts


def test_light_work_runs_once_whether_the_workers_sleep_or_not(code):
    program = Program(2, code)
    for pause in (0.0, 0.003, 0.0, 0.003):
        time.sleep(pause)
        assert program.run("light", 100) == [100, 100]


def test_workers_sleep_and_wake(code):
    program = Program(2, code)
    asleep = ctypes.c_int32.from_address(program.pool.address + pool_ir.SLEEPERS)
    for _ in range(5):
        late = time.monotonic() + 20
        while not asleep.value and time.monotonic() < late:
            time.sleep(0.001)
        assert asleep.value == 1
        assert program.run("many", 3) == [3, 3]


def test_work_inside_work_runs_on_the_spot(code):
    program = Program(2, code)
    assert program.run("nested", 1000) == [1000, 1000]


def test_two_threads_use_one_pool(code):
    program = Program(2, code)
    found = []
    threads = [threading.Thread(target=lambda: found.append(program.run("many", 50_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[50_000, 50_000]] * 4
    assert program.run("many", 10) == [10, 10]


def test_pools_of_several_sizes_live_side_by_side(code):
    programs = [Program(n, code) for n in (2, 3, 1, 2)]
    for program in programs:
        assert program.run("many", 20) == [20] * program.parts
    assert programs[0].pool is programs[3].pool


def test_the_number_of_parts_is_that_of_the_threads():
    with config.threads(3):
        assert pool().parts == 3
    assert pool(1).parts == 1
    assert pool(1)._threads == []


def test_a_module_is_told_the_names():
    module = Module()
    declare(module)
    f = module.function("f", [])
    f.do("call void @rg_run(ptr @rg_pool, ptr @f, ptr null)")
    f.do("ret void")
    text = str(module)
    assert "declare void @rg_run(ptr, ptr, ptr)" in text
    linker.link(linker.compile_text(text, cpu.host_target()), ["f"], imports=pool(1).symbols)


def test_the_text_is_ir_for_every_system():
    if cpu.machine() == "x86_64":
        for system in ("linux", "darwin", "win32"):
            linker.compile_text(pool_ir.pool_ir("x86_64", system), cpu.target_for("x86-64-v2"))
    for architecture in ("aarch64", "riscv64"):
        text = pool_ir.pool_ir(architecture, "linux")
        assert "x86" not in text
        assert "readcyclecounter" not in text


PROGRAM = f"""
import os, signal, sys, threading, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_pool import Program, linker, pool
"""


def program(text, **environment):
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + text],
        capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONFAULTHANDLER": "1", **environment},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert not run.stderr, run.stderr
    return run.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_works_alone_and_with_workers_of_its_own():
    out = program("""
first = Program(2)
first.run("many", 1000)
def child():
    assert first.run("many", 1000) == [1000, 1000]
    assert not first.pool._threads
    assert Program(2).pool is first.pool
    assert len(first.pool._threads) == 1 and first.pool._threads[0].is_alive()
    assert first.run("many", 1000) == [1000, 1000]
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
print(first.run("many", 1000))
""")
    assert out == "[1000, 1000]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_is_at_work():
    out = program("""
first = Program(2)
busy = True
def work():
    while busy:
        first.run("many", 1000)
at_work = threading.Thread(target=work)
at_work.start()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        assert first.run("many", 100) == [100, 100]
        Program(2)
        assert first.run("many", 100) == [100, 100]
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
busy = False
at_work.join()
print(first.run("many", 100))
""")
    assert out == "[100, 100]\n"


@pytest.mark.parametrize("wait", [0.0, 0.0003, 0.02])
def test_the_interpreter_ends_with_workers_spinning_or_asleep(wait):
    assert program(f"print(Program(3).run('many', 10)); time.sleep({wait})") == "[10, 10, 10]\n"


def test_the_interpreter_ends_while_a_daemon_is_at_work():
    text = """
first = Program(2)
def work():
    while True:
        first.run("many", 1000)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
print("end")
"""
    assert program(text) == "end\n"


def test_programs_still_run_while_the_interpreter_ends():
    text = """
import atexit
atexit.register(lambda: print(first.run("many", 10), Program(3).run("many", 10)))
first = Program(2)
"""
    assert program(text) == "[10, 10] [10, 10, 10]\n"


def test_a_pool_restarts_after_a_stop():
    text = """
first = Program(2)
for _ in range(20):
    first.pool.stop()
    assert not first.pool._threads
    assert first.run("many", 10) == [10, 10]
    pool(2)
    assert len(first.pool._threads) == 1
    assert first.run("many", 10) == [10, 10]
print("end")
"""
    assert program(text) == "end\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_one_core_for_all_threads():
    text = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
assert pool().parts == 1
print(Program(2).run("many", 200), Program(3).run("many", 50))
"""
    assert program(text) == "[200, 200] [50, 50, 50]\n"
