"""The state table: everything a compiled program reaches, through one pointer. No address is ever written into code."""

from __future__ import annotations

from retrograd.native.llvm.builder import Function
from retrograd.native.loops.ir import Buffer, Counter, LoopProgram, View, root

STATUS, FOUND, TICKS, LOOP, FINAL, ARENA, POOL, POLL, HOST, SCRATCH = range(10)
RESET = 5  # slots from the first on that are 0 when a call begins

# Slots of eight bytes: the error site + 1, or 0; the value found there; the time at which Python is to be asked next;
# the number of the top loop that completed an iteration last; whether somebody will see what this iteration leaves;
# then addresses: of the arena, of the thread pool, of the callbacks for long loops and for primitives without a kernel,
# of scratch memory for products.
FIRST = 10


class Table:
    """Where everything is in the state table of a program."""

    def __init__(self, program: LoopProgram) -> None:
        self.inputs = FIRST
        self.outputs = self.inputs + len(program.inputs)
        self.counters = self.outputs + len(program.outputs)
        self.size = self.counters + len(program.counters)

    def slot(self, what: Buffer | Counter) -> int:
        if isinstance(what, Counter):
            return self.counters + what.slot
        return {"input": self.inputs, "output": self.outputs}[what.space] + what.place

    def load(self, f: Function, slot: int, type: str = "ptr") -> str:
        """What a slot holds; `%state` is the table."""
        return f.value(f"load {type}, ptr {f.offset('%state', 'i64', slot)}, align 8")

    def store(self, f: Function, slot: int, value: str, type: str = "i64") -> None:
        f.do(f"store {type} {value}, ptr {f.offset('%state', 'i64', slot)}, align 8")

    def address(self, f: Function, view: View, base: str) -> str:
        """The address of the first point of a view, elements being of type `base`."""
        buffer = root(view.buffer)
        assert buffer is not None
        if buffer.space == "arena":
            arena = self.load(f, ARENA)
            pointer = f.offset(arena, "i8", buffer.place)
        else:
            pointer = self.load(f, self.slot(buffer))
        pointer = f.offset(pointer, "i8" if base == "i1" else base, view.offset)
        for counter, stride in view.terms:
            at = f.value(f"mul nsw i64 {self.load(f, self.slot(counter), 'i64')}, {stride}")
            pointer = f.offset(pointer, "i8" if base == "i1" else base, at)
        return pointer
