"""Compile the code of a product and call it."""

import ctypes
import functools

import numpy as np

from retrograd.native.contraction import emit, pack, plan
from retrograd.native.llvm.builder import Module
from retrograd.native.llvm.target import Target

BASE = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}

# The last has vectors wider than the registers of its CPU: the code for wide registers runs on narrow ones.
TARGETS = {
    "v2": Target("x86-64-v2", "", 16, 16, False),
    "v3": Target("x86-64-v3", "", 32, 16, True),
    "v4": Target("x86-64-v4", "", 64, 32, True),
    "wide": Target("x86-64-v3", "", 64, 32, True),
}


@functools.cache
def runs(name):
    """Whether this machine can run the code."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    needs = {"v2": "sse4.2", "v3": "avx2 fma bmi2", "v4": "avx512f avx512vl avx512dq avx512bw"}
    return all(features.get(n) for n in needs.get(name, needs["v3"]).split())


def machine(target):
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.Target.from_default_triple()
    return triple.create_target_machine(cpu=target.cpu, features=target.features, opt=2, jit=True)


def write(target, product, *, alpha=None, part=(), packs=False, epilogue_size=8):
    """A module with `run`: C is stored row by row, n elements a row; `part` names what is an argument."""
    module = Module()
    arguments = [("ptr", x) for x in ("a", "b", "c", "scratch", "packed")]
    f = module.function("run", [*arguments, *[("i64", x) for x in ("r0", "r1", "c0", "c1")]])

    def store(f, t, value, row, column, mask):
        base = f.value(f"mul i64 {row}, {product.n}")
        place = f.offset("%c", t.base, f.value(f"add i64 {base}, {column}"))
        # Adds to what is there: a second call for an element would show.
        old = f.load(t, place) if mask is None else f.masked_load(t, place, mask)
        value = f.op("fadd", t, old, value)
        f.store(t, value, place) if mask is None else f.masked_store(t, value, place, mask)

    rows = ("%r0", "%r1") if "rows" in part else None
    columns = ("%c0", "%c1") if "columns" in part else None
    if packs:
        pack(f, target, product, "%b", "%packed")
    emit(
        f, target, product, "%a", "%b", store, "%scratch", rows, columns,
        packed="%packed" if packs else None, epilogue_size=epilogue_size,
    )  # fmt: skip
    f.do("ret void")
    return module


def aligned(size, dtype=np.uint8):
    """Zeros, 64-byte aligned, and the array that owns them."""
    room = np.zeros(size * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size * np.dtype(dtype).itemsize].view(dtype)


class Code:
    """Compiled `run`."""

    def __init__(self, target, product, **options):
        import llvmlite.binding as llvm

        self.plan = plan(target, product)
        self.text = str(write(target, product, **options))
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(self.text), machine(target))
        self.engine.verify = True
        self.engine.finalize_object()
        address = self.engine.get_function_address("run")
        self.function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 4)(address)
        self.scratch = aligned(self.plan.scratch_bytes + 64)
        self.packed = aligned(self.plan.packed_bytes + 64)
        for memory in (self.scratch, self.packed):  # what is not written must not matter, and nothing beyond be written
            memory[:-64], memory[-64:] = 255, 77

    def __call__(self, a, b, c, rows=(0, 0), columns=(0, 0)):
        """`a`, `b`: arrays whose first element is the operand's."""
        pointers = [x.ctypes.data for x in (a, b, c, self.scratch, self.packed)]
        self.function(*pointers, *rows, *columns)
        assert (self.scratch[-64:] == 77).all() and (self.packed[-64:] == 77).all()
