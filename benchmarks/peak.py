"""Floors: what a row's arithmetic and its memory traffic would cost at the rates measured on this machine.

The rates come from loops written as LLVM IR: fused multiply-adds on registers, and sums over an array that is as large
as what the row has to touch. A row cannot be faster than either; how it compares says what is left to gain.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contest import Entry, Work

CHAINS = 12  # independent sums: latency 4, two units, and some to spare; with a factor they fit 16 registers
ROUNDS = 1_000_000  # of the loop in one call: some 2 ms, against which handing it to threads costs nothing
SUMS = 8  # accumulators of the reading loop
LEAST = 16 << 10  # bytes that a reading loop goes over


def vector_bytes() -> int:
    """The width of the widest vectors."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


def fma_text(base: str, suffix: str, lanes: int) -> str:
    """``double peak(i64 n)``: n rounds of CHAINS fused multiply-adds."""
    t = f"<{lanes} x {base}>"
    half = f"splat ({base} 0.5)"
    phis = [f"  %a{i} = phi {t} [ splat ({base} {i}.0), %entry ], [ %b{i}, %loop ]" for i in range(CHAINS)]
    steps = [f"  %b{i} = call {t} @llvm.fma.v{lanes}{suffix}({t} %a{i}, {t} {half}, {t} {half})" for i in range(CHAINS)]
    sums = [f"  %s{i} = fadd {t} {f'%s{i - 1}' if i > 1 else '%b0'}, %b{i}" for i in range(1, CHAINS)]
    return "\n".join(
        [
            f"declare {t} @llvm.fma.v{lanes}{suffix}({t}, {t}, {t})",
            "define double @peak(i64 %n) {\nentry:\n  br label %loop\nloop:",
            "  %i = phi i64 [ 0, %entry ], [ %j, %loop ]",
            *phis,
            *steps,
            "  %j = add i64 %i, 1\n  %more = icmp ult i64 %j, %n\n  br i1 %more, label %loop, label %done\ndone:",
            *sums,
            f"  %e = extractelement {t} %s{CHAINS - 1}, i64 0",
            "  %r = fpext float %e to double\n  ret double %r\n}" if base == "float" else "  ret double %e\n}",
        ]
    )


def read_text(lanes: int) -> str:
    """``double read(ptr, i64 n, i64 again)``: sum n doubles, a multiple of SUMS times the lanes, so many times."""
    t = f"<{lanes} x double>"
    starts = [f"  %c{i} = phi {t} [ zeroinitializer, %entry ], [ %b{i}, %next ]" for i in range(SUMS)]
    phis = [f"  %a{i} = phi {t} [ %c{i}, %outer ], [ %b{i}, %loop ]" for i in range(SUMS)]
    steps = [
        f"  %p{i} = getelementptr double, ptr %q, i64 {i * lanes}\n  %x{i} = load {t}, ptr %p{i}, align 8\n"
        f"  %b{i} = fadd {t} %a{i}, %x{i}"
        for i in range(SUMS)
    ]
    sums = [f"  %s{i} = fadd {t} {f'%s{i - 1}' if i > 1 else '%b0'}, %b{i}" for i in range(1, SUMS)]
    return "\n".join(
        [
            "define double @read(ptr %base, i64 %n, i64 %again) {\nentry:\n  br label %outer\nouter:",
            "  %k = phi i64 [ 0, %entry ], [ %l, %next ]",
            *starts,
            "  br label %loop\nloop:\n  %i = phi i64 [ 0, %outer ], [ %j, %loop ]",
            *phis,
            "  %q = getelementptr double, ptr %base, i64 %i",
            *steps,
            f"  %j = add i64 %i, {SUMS * lanes}",
            "  %more = icmp ult i64 %j, %n\n  br i1 %more, label %loop, label %next\nnext:",
            "  %l = add i64 %k, 1\n  %further = icmp ult i64 %l, %again",
            "  br i1 %further, label %outer, label %done\ndone:",
            *sums,
            f"  %e = extractelement {t} %s{SUMS - 1}, i64 0\n  ret double %e\n}}",
        ]
    )


_engines: list[Any] = []  # code lives as long as its engine


def compiled(text: str, name: str, *arguments: Any) -> Callable[..., float]:
    """A function of LLVM IR as a Python function that releases the GIL."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(llvm.get_host_cpu_name(), features, opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    engine.finalize_object()
    _engines.append(engine)
    return ctypes.CFUNCTYPE(ctypes.c_double, *arguments)(engine.get_function_address(name))


def on_all_threads(run: Callable[[], object]) -> Callable[[], object]:
    """`run` on as many threads as the process is to use, all at once."""
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    if threads == 1:
        return run
    pool = ThreadPoolExecutor(threads)
    return lambda: [f.result() for f in [pool.submit(run) for _ in range(threads)]]


def fma_work(flop: float, dtype: str) -> Work:
    """`flop` operations at the peak rate."""
    base, suffix = ("float", "f32") if dtype == "float32" else ("double", "f64")
    lanes = vector_bytes() // np.dtype(dtype).itemsize
    peak = compiled(fma_text(base, suffix, lanes), "peak", ctypes.c_int64)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    done = 2.0 * lanes * CHAINS * ROUNDS * threads
    return Work(on_all_threads(partial(peak, ROUNDS)), scale=flop / done)


def read_work(size: float) -> Work:
    """`size` bytes read from an array of that size, or of LEAST bytes: both lie in the nearest cache."""
    lanes = vector_bytes() // 8
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    block = SUMS * lanes
    count = max(1, int(max(size, LEAST) / 8 / threads / block)) * block
    array = np.ones(count)
    read = compiled(read_text(lanes), "read", ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    again = max(1, 20_000_000 // count)  # handing it to threads must cost nothing

    def run(address: int = array.ctypes.data, kept: np.ndarray = array) -> float:
        return read(address, count, again)

    return Work(on_all_threads(run), scale=size / (8.0 * count * threads * again))


def floors(flop: float, size: float, dtype: str = "float32", what: str = "") -> Iterator[Entry]:
    """Entries for `flop` operations and `size` bytes; `what` says what was counted."""
    aside = f" ({what})" if what else ""
    if flop:
        name = f"floor: {quantity(flop)}FLOP{aside} at the measured FMA peak"
        yield Entry(name, "llvmlite", partial(fma_work, flop, dtype))
    if size:
        name = f"floor: {quantity(size)}B at the measured rate of reading"
        yield Entry(name, "llvmlite", partial(read_work, size))


def quantity(value: float) -> str:
    """`2.0 M`, with a unit to follow."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "
