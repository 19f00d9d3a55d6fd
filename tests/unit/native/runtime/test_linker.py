"""Text becomes code in this process, and goes again."""

import ctypes
import gc
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")

from retrograd.native.runtime import cpu, linker

SINE = """
declare float @sinf(float)
@table = private constant [2 x float] [float 1.0, float 2.0]
define float @f(float %x, i64 %k) nounwind {
  %p = getelementptr float, ptr @table, i64 %k
  %c = load float, ptr %p
  %s = call float @sinf(float %x)
  %r = fadd float %s, %c
  ret float %r
}
"""
CELL = """
@cell = external global i64
declare i64 @twice(i64)
define i64 @g() nounwind {
  %v = load i64, ptr @cell
  %w = call i64 @twice(i64 %v)
  ret i64 %w
}
"""
TWICE = "define i64 @twice(i64 %x) nounwind {\n  %y = shl i64 %x, 1\n  ret i64 %y\n}"


def sine(linked):
    return ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float, ctypes.c_int64)(linked.address("f"))


@pytest.fixture(scope="module")
def code():
    return linker.compile_text(SINE, cpu.host_target())


def test_the_c_library_is_reached_from_code_far_away(code):
    linked = linker.link(code, ["f"])
    assert sine(linked)(1.0, 1) == pytest.approx(math.sin(1.0) + 2.0, abs=1e-6)


def test_code_is_the_same_every_time(code):
    assert linker.compile_text(SINE, cpu.host_target()) == code
    assert "sinf" in linker.assembly(SINE, cpu.host_target())


@pytest.mark.parametrize("level", ["native", "x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_every_level_that_the_host_has(level):
    try:
        target = cpu.target_for(level)
    except linker.RetrogradError as missing:
        pytest.skip(str(missing))
    assert sine(linker.link(linker.compile_text(SINE, target), ["f"]))(0.0, 0) == 1.0


def test_imported_addresses_are_filled_in_when_linked():
    target = cpu.host_target()
    twice = linker.link(linker.compile_text(TWICE, target), ["twice"])
    code = linker.compile_text(CELL, target)
    for value in (21, -4):
        cell = ctypes.c_int64(value)
        imports = {"cell": ctypes.addressof(cell), "twice": twice.address("twice")}
        linked = linker.link(code, ["g"], imports=imports)
        assert ctypes.CFUNCTYPE(ctypes.c_int64)(linked.address("g"))() == 2 * value


@pytest.mark.parametrize(
    "text",
    [
        "define nonsense",
        "define float @f() {\n  ret i32 0\n}",
        "define void @f() {\n  %x = add i32 %y, 1\n  ret void\n}",
    ],
)
def test_text_that_is_no_ir_is_a_defect_of_ours(text):
    with pytest.raises(linker.CompilerDefect, match="error|use of undefined"):
        linker.compile_text(text, cpu.host_target())


def test_what_cannot_be_linked_is_a_defect_too(code):
    with pytest.raises(linker.CompilerDefect, match="linking odd"):
        linker.link(code[: len(code) // 2], ["f"], "odd")
    with pytest.raises(linker.CompilerDefect, match="linking odd"):
        linker.link(code, ["absent"], "odd")


def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


def mappings():
    return len(Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_hundred_programs_come_and_go(code):
    kept = linker.link(code, ["f"])
    for _ in range(100):
        linker.link(code, ["f"])
    before = pages(), mappings()
    for i in range(200):
        assert sine(linker.link(code, ["f"]))(0.0, i % 2) == 1.0 + i % 2
    gc.collect()
    assert pages() - before[0] < 500, "2 MB"
    assert mappings() - before[1] < 20
    assert sine(kept)(0.0, 1) == 2.0


def test_threads_compile_and_link_at_once():
    found = []

    def work(n):
        text = TWICE.replace("shl i64 %x, 1", f"add i64 %x, {n}")
        linked = linker.link(linker.compile_text(text, cpu.host_target()), ["twice"])
        found.append(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(linked.address("twice"))(100))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(100, 108))


PROGRAM = f"""
import ctypes, os, threading, sys
from retrograd.native.runtime import cpu, linker
SINE = {SINE!r}
target = cpu.host_target()
def run(linked):
    return ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float, ctypes.c_int64)(linked.address("f"))(0.0, 1)
"""


def program(text):
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + text],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_compiles_and_runs_old_code_while_a_thread_was_compiling():
    out = program("""
old = linker.link(linker.compile_text(SINE, target), ["f"])
busy = True
def churn():
    while busy:
        linker.link(linker.compile_text(SINE, target), ["f"])
threads = [threading.Thread(target=churn) for _ in range(2)]
for t in threads: t.start()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        ok = run(old) == 2.0 and run(linker.link(linker.compile_text(SINE, target), ["f"])) == 2.0
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
busy = False
for t in threads: t.join()
print(run(old))
""")
    assert out == "2.0\n"


def test_the_interpreter_ends_while_code_is_running():
    out = program("""
text = "define void @f() nounwind {\\nentry:\\n  br label %l\\nl:\\n  fence seq_cst\\n  br label %l\\n}"
linked = linker.link(linker.compile_text(text, target), ["f"])
threading.Thread(target=ctypes.CFUNCTYPE(None)(linked.address("f")), daemon=True).start()
print("end")
""")
    assert out == "end\n"
