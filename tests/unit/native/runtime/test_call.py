"""Arrays reach compiled code through one built-in function, or are refused before anything runs."""

import array
import ctypes
import gc
import sys
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from retrograd.config import SUPPORTED
from retrograd.native.runtime import call, cpu, linker
from retrograd.native.runtime.call import Argument, function, make_entry, make_function

F32, I64 = np.dtype("float32"), np.dtype("int64")

# b[0] = a[0] + 1; how often it ran in slot 1
TEXT = """
define i64 @main(ptr %table) nounwind {
  %a = load ptr, ptr %table
  %count.p = getelementptr ptr, ptr %table, i64 1
  %b.p = getelementptr ptr, ptr %table, i64 2
  %b = load ptr, ptr %b.p
  %x = load float, ptr %a
  %y = fadd float %x, 1.0
  store float %y, ptr %b
  %n = load i64, ptr %count.p
  %m = add i64 %n, 1
  store i64 %m, ptr %count.p
  ret i64 %m
}
define i64 @count(ptr %table) nounwind {
  %n = load i64, ptr %table
  %m = add i64 %n, 1
  store i64 %m, ptr %table
  ret i64 %m
}
define i64 @spin(ptr %table) nounwind {
entry:
  br label %loop
loop:
  %go = load atomic i64, ptr %table acquire, align 8
  %set = icmp ne i64 %go, 0
  br i1 %set, label %back, label %loop
back:
  ret i64 0
}
declare ptr @PyLong_FromLongLong(i64)
define ptr @answer(ptr %self, ptr %nothing) nounwind {
  %r = call ptr @PyLong_FromLongLong(i64 42)
  ret ptr %r
}
"""


@pytest.fixture(scope="module")
def code():
    return linker.link(linker.compile_text(TEXT, cpu.host_target()), ["main", "count", "spin", "answer"])


@pytest.fixture(params=["in place", "by buffers"])
def entry(code, request, monkeypatch):
    """The function of a program with `a` (3, 4) and a writable `b` (5,), and how often it ran."""
    if request.param == "by buffers":
        monkeypatch.setattr(call, "arrays_are_known", lambda: False)
    table = (ctypes.c_int64 * 3)()
    arguments = [Argument(0, F32, (3, 4)), Argument(2, F32, (5,), writable=True)]
    return make_entry(code.address("main"), ctypes.addressof(table), arguments, "step", keep=(code, table))


def arrays():
    return np.arange(12, dtype=F32).reshape(3, 4), np.zeros(5, F32)


def test_arrays_are_read_in_place():
    assert call.arrays_are_known() == (sys.implementation.name == "cpython")


def test_a_program_runs(entry):
    a, b = arrays()
    a[0, 0] = 6.5
    assert entry(a, b) == 1
    assert b[0] == 7.5
    assert entry(memoryview(a), memoryview(b)) == 2
    assert entry(a, array.array("f", b)) == 3
    a.flags.writeable = False
    assert entry(a, b) == 4


def misfits():
    a, b = arrays()
    readonly = b.copy()
    readonly.flags.writeable = False
    askew = np.zeros(21, np.uint8)[1:].view(F32)
    return {
        "order": (a.T.copy().T, b, -1),
        "transposed": (a.T, b, -1),
        "one dimension more": (a[None], b, -1),
        "one dimension less": (a[0], b, -1),
        "float64": (a.astype("f8"), b, -1),
        "int32": (a.view("i4"), b, -1),
        "swapped bytes": (a.astype(">f4"), b, -1),
        "a list": ([1.0], b, -1),
        "None": (None, b, -1),
        "strides": (a, np.zeros(10, F32)[::2], -2),
        "length": (a, np.zeros(4, F32), -2),
        "no dimension": (a, np.zeros((), F32), -2),
        "read-only": (a, readonly, -2),
        "read-only buffer": (a, bytes(20), -2),
        "bytes": (a, bytearray(20), -2),
        "alignment": (a, askew, -2),
        "both": (a.T, readonly, -1),
        "structure": (a, np.zeros(5, [("x", "f4")]), -2),
    }


@pytest.mark.parametrize("name", [*misfits()])
def test_what_does_not_fit_is_named_and_nothing_runs(entry, name):
    a, b, status = misfits()[name]
    before = [sys.getrefcount(x) for x in (a, b) if x is not None]
    for _ in range(3):
        assert entry(a, b) == status
    assert [sys.getrefcount(x) for x in (a, b) if x is not None] == before
    assert entry(*arrays()) == 1


def test_a_wrong_number_of_arrays_raises(entry):
    a, b = arrays()
    for given in ((), (a,), (a, b, b)):
        with pytest.raises(TypeError, match="wrong number of arrays"):
            entry(*given)


def test_views_are_closed_again(entry):
    a, b = bytearray(48), bytearray(20)
    assert entry(memoryview(a).cast("f", (3, 4)), memoryview(b).cast("f")) == 1
    a.append(0)
    b.append(0)


@pytest.mark.parametrize("dtype", sorted(SUPPORTED, key=str), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 2, 3, 4, 5)], ids=str)
def test_every_type_and_shape(code, dtype, shape):
    table = (ctypes.c_int64 * 2)()
    entry = make_entry(
        code.address("count"), ctypes.addressof(table), [Argument(1, dtype, shape)], keep=(code, table)
    )  # fmt: skip
    x = np.zeros(shape, dtype)
    assert entry(x) == 1
    assert table[1] == x.ctypes.data
    if x.size:
        assert entry(memoryview(x)) == 2
        assert table[1] == x.ctypes.data
    for other in SUPPORTED - {dtype}:
        assert entry(x.astype(other)) == -1


def test_both_names_of_64_bit_integers(code):
    table = (ctypes.c_int64 * 2)()
    entry = make_entry(code.address("count"), ctypes.addressof(table), [Argument(1, I64, (2,))], keep=(code, table))
    for name in "lq":
        assert entry(np.zeros(2, name)) > 0
        assert entry(array.array(name, [1, 2])) > 0


def test_the_gil_is_free_meanwhile(code):
    table = (ctypes.c_int64 * 1)()
    entry = make_entry(code.address("spin"), ctypes.addressof(table), [], keep=(code, table))
    thread = threading.Thread(target=entry)
    thread.start()
    table[0] = 1
    thread.join()
    held = make_entry(code.address("spin"), ctypes.addressof(table), [], release_gil=False, keep=(code, table))
    assert held() == 0


class Owner:
    """Something that can be watched going."""


def test_a_function_holds_what_it_needs_and_lets_go():
    linked = linker.link(linker.compile_text(TEXT, cpu.host_target()), ["count"])
    owner = Owner()
    owner.table = (ctypes.c_int64 * 2)()
    gone = weakref.ref(owner), weakref.ref(linked)
    entry = make_entry(linked.address("count"), ctypes.addressof(owner.table), [], keep=(linked, owner))
    del linked, owner
    gc.collect()
    assert [entry() for _ in range(3)] == [1, 2, 3]
    assert all(ref() is not None for ref in gone)
    del entry
    gc.collect()
    assert all(ref() is None for ref in gone)


def test_nothing_is_lost_over_many_calls(entry):
    a, b = arrays()
    entry(a, b)
    before = [sys.getrefcount(x) for x in (a, b, a.dtype, None)]
    for _ in range(1000):
        entry(a, b)
    after = [sys.getrefcount(x) for x in (a, b, a.dtype, None)]
    assert all(abs(x - y) < 100 for x, y in zip(before, after, strict=True))


def test_a_built_in_function_without_arguments(code):
    answer = make_function(code.address("answer"), "answer", call.METH_NOARGS, keep=code)
    assert answer() == 42
    assert answer.__name__ == "answer"
    with pytest.raises(TypeError, match="takes no arguments"):
        answer(1)


def test_a_plain_function(code):
    table = (ctypes.c_int64 * 1)(9)
    assert function(code.address("count"), ctypes.c_int64, ctypes.c_void_p)(ctypes.addressof(table)) == 10
