"""Calling compiled code from Python: through ctypes, or as a built-in function, which costs a tenth of that.

`Entry` makes the built-in function of one program. It looks at its array arguments in native code (type, shape, C
order, alignment), writes their addresses into the program's state table, releases the GIL, and calls
``i64 main(ptr table)``. It gives an int: what `main` returned, which must not be negative, or -1 - i where argument i
does not fit; then nothing has run, and the caller says what is wrong or brings a copy that fits. The table is shared by
all calls, so calls of one program take turns: that is the caller's to see to.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from retrograd.native.runtime import cache as objects
from retrograd.native.runtime import call_ir, cpu, linker
from retrograd.native.runtime.linker import Linked

METH_NOARGS, METH_FASTCALL = 0x0004, 0x0080
CODES = "?bBhHiIlLqQfd"  # one-letter types, by which both NumPy and the buffer protocol name what we compute with


def function(address: int, result: type | None, *arguments: type) -> Callable[..., Any]:
    """Plain ctypes; the caller holds on to the code. The GIL is released during the call."""
    return ctypes.CFUNCTYPE(result, *arguments)(address)


class _MethodDef(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def make_function(address: int, name: str, flags: int, self_object: object = None, keep: object = None) -> Any:
    """A built-in function of code that follows Python's C API; `keep` lives as long as the function.

    For METH_FASTCALL the code is ``ptr f(ptr self, ptr arguments, i64 count)``, for METH_NOARGS ``ptr f(ptr self, ptr
    null)``. It returns a new reference, or null with an exception set.
    """
    definition = _MethodDef(name.encode(), address, flags, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    # The function's module is an object that nothing but `__module__` looks at: it holds what has to stay.
    return make(ctypes.addressof(definition), self_object, (definition, keep))


@dataclass(frozen=True)
class Argument:
    """An array that a program takes.

    Attributes:
        slot: which pointer of the state table gets its address.
        dtype, shape: what it has to be, in C order.
        writable: whether the program writes into it.
    """

    slot: int
    dtype: np.dtype
    shape: tuple[int, ...]
    writable: bool = False


class _Argument(ctypes.Structure):
    """`Argument` as the entry reads it; `call_ir` has the offsets."""

    _fields_ = (
        ("place", ctypes.c_int64),
        ("shape", ctypes.c_void_p),
        ("ndim", ctypes.c_int32),
        ("wanted_flags", ctypes.c_int32),
        ("number", ctypes.c_int32 * 2),
        ("code", ctypes.c_uint8 * 2),
        ("align", ctypes.c_uint16),
        ("request", ctypes.c_int32),
    )


class _Entry(ctypes.Structure):
    """The head of what the entry reads; `call_ir` has the offsets."""

    _fields_ = (
        ("main", ctypes.c_void_p),
        ("table", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("array_type", ctypes.c_void_p),
        ("arguments", ctypes.c_void_p),
        ("release", ctypes.c_int64),
    )


def make_entry(
    main: int, table: int, arguments: Sequence[Argument], name: str = "program", *, release_gil: bool = True,
    keep: object = None,
) -> Callable[..., int]:  # fmt: skip
    """The built-in function of a program; see the top of this file. `keep` is its code, and what owns the table."""
    shapes = [(ctypes.c_int64 * max(len(a.shape), 1))(*a.shape) for a in arguments]
    block = (_Argument * max(len(arguments), 1))(*map(_described, arguments, shapes))
    array_type = id(np.ndarray) if arrays_are_known() else 0
    entry = _Entry(main, table, len(arguments), array_type, ctypes.addressof(block), int(release_gil))
    code = _code()
    holds = (entry, block, shapes, code, keep)
    return make_function(code.address("rg_entry"), name, METH_FASTCALL, ctypes.addressof(entry), holds)


def _described(argument: Argument, shape: Any) -> _Argument:
    dtype = argument.dtype
    twins = [c for c in CODES if np.dtype(c) == dtype]  # int64 is both long and long long
    if not twins:
        raise AssertionError(f"no array of {dtype} reaches a program")
    flags = call_ir.C_CONTIGUOUS | call_ir.ALIGNED | (call_ir.WRITEABLE if argument.writable else 0)
    numbers = (ctypes.c_int32 * 2)(np.dtype(twins[0]).num, np.dtype(twins[-1]).num)
    codes = (ctypes.c_uint8 * 2)(ord(twins[0]), ord(twins[-1]))
    request = call_ir.REQUEST | (call_ir.REQUEST_WRITABLE if argument.writable else 0)
    place = argument.slot * ctypes.sizeof(ctypes.c_void_p)
    shape_address = ctypes.addressof(shape)
    return _Argument(place, shape_address, len(argument.shape), flags, numbers, codes, dtype.alignment, request)


@cache
def _code() -> Linked:
    target = cpu.target_for("x86-64-v2" if cpu.machine() == "x86_64" else "native")
    linked = linker.link(objects.compiled(call_ir.call_ir(), target), ["rg_entry"], "call")
    linked.keep()
    return linked


@cache
def arrays_are_known() -> bool:
    """Whether NumPy's arrays lie in memory as its C headers say, so that the entry may read them in place.

    If not, arrays go through the buffer protocol like everything else, at 80 ns each.
    """
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    swapped = np.zeros((2, 3, 4), ">f8").transpose(2, 0, 1)
    swapped.flags.writeable = False
    samples: list[np.ndarray] = [np.zeros((3, 5), np.float32), np.zeros((), np.int64), swapped]
    return ctypes.sizeof(ctypes.c_void_p) == 8 and all(map(_lies_as_expected, samples))


def _lies_as_expected(a: np.ndarray) -> bool:
    at = id(a)

    def read(kind: Any, address: int) -> Any:
        return kind.from_address(address).value

    word, number = ctypes.c_int64, ctypes.c_int32
    if a.__sizeof__() < call_ir.ARRAY_FLAGS + 4 or a.dtype.__sizeof__() < call_ir.DTYPE_NUMBER + 4:
        return False
    if read(word, at + call_ir.TYPE) != id(np.ndarray) or read(word, at + call_ir.ARRAY_DTYPE) != id(a.dtype):
        return False
    dimensions = read(word, at + call_ir.ARRAY_SHAPE)
    return (
        read(word, at + call_ir.ARRAY_DATA) == a.ctypes.data
        and read(number, at + call_ir.ARRAY_NDIM) == a.ndim
        and all(read(word, dimensions + 8 * i) == n for i, n in enumerate(a.shape))
        and read(number, at + call_ir.ARRAY_FLAGS) & 0xFFFF == a.flags.num & 0xFFFF
        and read(number, id(a.dtype) + call_ir.DTYPE_NUMBER) == a.dtype.num
        and read(ctypes.c_char, id(a.dtype) + call_ir.DTYPE_ORDER).decode() == a.dtype.byteorder
    )
