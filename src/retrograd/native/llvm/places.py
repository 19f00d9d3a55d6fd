"""The place of the first largest, or smallest, element, row by row."""

from __future__ import annotations

from contextlib import ExitStack

from retrograd.native.llvm.builder import Function, Module, Type
from retrograd.native.llvm.operations import base_of, emit
from retrograd.native.llvm.state import Table
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import ArgMax


def write_argmax(module: Module, target: Target, table: Table, s: ArgMax, name: str) -> None:
    """A function that writes the places; NaN counts as better than everything."""
    f = module.function(name, [("ptr", "state"), ("i64", "from"), ("i64", "to")])
    base = base_of(s.x.dtype)
    memory = "i8" if base == "i1" else base
    source, out = table.address(f, s.x, base), table.address(f, s.out, "i64")
    with ExitStack() as stack:
        for d, n in enumerate(s.out.shape):
            loop = stack.enter_context(f.loop(n))
            source = _moved(f, memory, source, loop.index, s.x.strides[d])
            out = _moved(f, "i64", out, loop.index, s.out.strides[d])
        t = Type(base)
        step = s.x.strides[-1]
        carried = [(t, f.load(t, source)), ("i64", "0")]
        with f.loop(s.x.shape[-1], 1, 1, carried) as loop:
            best, place = loop.carried
            x = f.load(t, _moved(f, memory, source, loop.index, step))
            better = emit(f, target, "less" if s.least else "greater", s.x.dtype, 0, (x, best))
            if s.x.dtype.kind == "f":
                fresh = f.value(f"and i1 {f.compare('uno', t, x, x)}, {f.compare('ord', t, best, best)}")
                better = f.value(f"or i1 {better}, {fresh}")
            loop.following = [
                f.select(t, better, x, best), f.select(Type("i64"), better, loop.index, place)
            ]  # fmt: skip
        f.store(Type("i64"), loop.following[1], out)
    f.do("ret void")


def _moved(f: Function, base: str, pointer: str, index: str, stride: int) -> str:
    return f.offset(pointer, base, f.value(f"mul nsw i64 {index}, {stride}")) if stride else pointer
