"""A graph compiled: arrays in, arrays out."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from retrograd.graph.interpret import evaluate
from retrograd.graph.ir import Graph, Literal, Var
from retrograd.native.llvm.program import FAILED, FINISHED, HOST_FAILED, INTERRUPTED, ProgramWriter
from retrograd.native.llvm.state import ARENA, FOUND, HOST, LOOP, POLL, POOL, SCRATCH, STATUS
from retrograd.native.llvm.target import Target
from retrograd.native.loops.costs import flops, traffic
from retrograd.native.loops.ir import Constant, LoopProgram, View, root, walk, writes
from retrograd.native.loops.text import print_loops
from retrograd.native.lower.coalescing import nothing_fails_after, share
from retrograd.native.lower.lowering import lower
from retrograd.native.lower.memory import plan
from retrograd.native.lower.splitting import split_reductions
from retrograd.native.runtime import cache, linker
from retrograd.native.runtime.call import Argument, make_entry
from retrograd.native.runtime.cpu import current_target
from retrograd.native.runtime.pool import pool
from retrograd.passes.backend import for_loops

ALIGNMENT = 64


def aligned(size: int) -> np.ndarray:
    """Bytes on a cache line of their own."""
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


class Executable:
    """Native code for a graph.

    Args:
        graph: a closed, verified graph.
        keep: variables of it whose values are wanted although they are no outputs: as they are when an interrupt or an
            error ends a call.
        pairs: (input, output) places that may share memory: the output is the input's next value. `in_place` says for
            which the code is such that this is right; their input is overwritten, so callers who need it give a copy.

    Calls of one executable take turns: it has one arena.
    """

    def __init__(
        self,
        graph: Graph,
        keep: Sequence[Var] = (),
        target: Target | None = None,
        pairs: Sequence[tuple[int, int]] = (),
    ) -> None:
        started = time.perf_counter()
        self.target = target or current_target()
        self.n_outputs = len(graph.outputs)
        self.graph = for_loops(graph, keep)
        self.sources = [_source(self.graph, o) for o in self.graph.outputs]
        computed = [o for o, s in zip(self.graph.outputs, self.sources, strict=True) if s is None]
        self.program: LoopProgram = lower(Graph(self.graph.inputs, self.graph.equations, tuple(computed)))
        self.in_place = self._share(pairs)
        split_reductions(self.program.body, self.program.buffers)
        plan(self.program)
        lowered = time.perf_counter()
        self.writer = ProgramWriter(self.target, self.program)
        self.llvm_ir = str(self.writer.write())
        written = time.perf_counter()
        hits = cache.default().statistics.hits
        code = cache.compiled(self.llvm_ir, self.target)
        self.from_cache = cache.default().statistics.hits > hits
        self._bind(code)
        done = time.perf_counter()
        self.seconds = {"passes and loops": lowered - started, "LLVM text": written - lowered, "code": done - written}
        self.lock = threading.RLock()
        self.owner: int | None = None  # the thread that is in the code
        self.failure: BaseException | None = None

    def _bind(self, code: bytes) -> None:
        program, table = self.program, self.writer.table
        imports = pool(self.target.threads).symbols if self.writer.parallel else {}
        symbol = f"{self.writer.prefix}_main"
        self.linked = linker.link(code, [symbol], imports=imports)
        self.arena = aligned(program.arena_bytes)
        self.scratch = aligned(self.writer.scratch * self.target.threads)
        self.table = aligned(8 * table.size).view(np.int64)
        self.table[:] = 0
        self.table[ARENA] = self.arena.ctypes.data
        self.table[SCRATCH] = self.scratch.ctypes.data
        if self.writer.parallel:
            self.table[POOL] = pool(self.target.threads).address
        asked = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
        self._poll = asked(self._answers(_let_signals_in))
        self._host = asked(self._answers(self._host_call))
        self.table[POLL] = ctypes.cast(self._poll, ctypes.c_void_p).value or 0
        self.table[HOST] = ctypes.cast(self._host, ctypes.c_void_p).value or 0
        shapes = [o.shape for o, s in zip(self.graph.outputs, self.sources, strict=True) if s is None]
        self.out_types = [
            (shapes[program.results.index(i)], b.dtype) for i, b in enumerate(program.outputs)
        ]  # fmt: skip
        arguments = [
            Argument(table.slot(b), b.dtype, t.shape) for b, t in zip(program.inputs, self.graph.in_types, strict=True)
        ]
        self.given = [i for i, b in enumerate(program.outputs) if b.alias is None]
        arguments += [
            Argument(table.slot(program.outputs[i]), program.outputs[i].dtype, self.out_types[i][0], True)
            for i in self.given
        ]
        address = self.linked.address(symbol)
        self.entry = make_entry(address, self.table.ctypes.data, arguments, keep=(self.linked, self.table))
        self.in_dtypes = [b.dtype for b in program.inputs]

    # To look at -------------------------------------------------------------------------------------------------------

    @property
    def loops(self) -> str:
        """The loop program."""
        return print_loops(self.program)

    @property
    def assembly(self) -> str:
        """The machine code to read."""
        return linker.assembly(self.llvm_ir, self.target)

    @property
    def memory_plan(self) -> str:
        """Where the temporaries lie."""
        buffers = sorted(self.program.buffers, key=lambda b: b.place)
        lines = [f"  {b.place:>10,} to {b.place + b.bytes:>10,}  {b.size:,} x {b.dtype}" for b in buffers]
        head = f"arena of {self.program.arena_bytes:,} bytes"
        return "\n".join([head, *lines, f"scratch of {self.scratch.size:,} bytes for packed operands"])

    @property
    def facts(self) -> list[str]:
        """What a report says of it, line by line."""
        parts = ", ".join(f"{name} {1e3 * t:.0f} ms" for name, t in self.seconds.items())
        origin = "from the cache" if self.from_cache else "made now"
        lines = [
            f"{flops(self.program):,} operations, {traffic(self.program):,} bytes read and written a call",
            f"arena of {self.program.arena_bytes:,} bytes; {len(self.writer.module.functions)} functions, "
            f"{self.writer.parallel} of them shared by {self.target.threads} threads",
            f"compiled for {self.target.cpu}: {parts} ({origin})",
        ]
        if self.writer.hosts:
            names = ", ".join(sorted({h.prim.name for h in self.writer.hosts}))
            lines.append(f"computed by NumPy, having no kernel: {names}")
        return lines

    # Calls ------------------------------------------------------------------------------------------------------------

    def __call__(self, values: Sequence[Any], progress: Any = None) -> list[Any]:
        """The outputs for arrays that fit the graph's inputs.

        If an error or an interrupt ends the call, `progress` (a list) gets what the outputs, kept variables included,
        were at that time, and then the number of the top loop that had completed an iteration last (from 1; 0: none).
        """
        values = list(values)
        if self.busy:
            return evaluate(self.graph, values)[: self.n_outputs]
        for i in self.in_place.values():
            values[i] = np.array(values[i], self.in_dtypes[i])
        targets = [np.empty(*self.out_types[i]) for i in self.given]
        with self.lock:
            status = self.enter(values, targets)
            if status != FINISHED:
                if progress is not None:
                    progress += self.stopped(values, targets)
                raise self.error(status)
        return self.outputs(values, targets)[: self.n_outputs]

    @property
    def results_are_targets(self) -> bool:
        """Whether the outputs are, one by one, the arrays that a call is given to write."""
        whole = list(range(self.n_outputs))
        return self.program.results == whole == self.given and len(self.sources) == self.n_outputs

    def run(self, values: list[Any], targets: list[np.ndarray]) -> None:
        """A call without progress, where the results are targets.

        Raises:
            Exception: what the program fails with.
        """
        if self.busy:
            for target, out in zip(targets, evaluate(self.graph, values), strict=True):
                target[...] = out
            return
        with self.lock:
            status = self.enter(values, targets)
            if status != FINISHED:
                raise self.error(status)

    def enter(self, values: list[Any], targets: list[np.ndarray]) -> int:
        """Run the code on inputs and on memory for the `given` outputs; a status. The caller holds the lock."""
        self.failure, self.current = None, (values, targets)
        while True:
            self.owner = threading.get_ident()
            try:
                status: int = self.entry(*values, *targets)
            finally:
                self.owner = None
            if status >= 0:
                return status
            i = -1 - status
            fits = np.require(np.asarray(values[i], self.in_dtypes[i]), requirements=("C", "A"))
            if fits is values[i]:
                raise AssertionError(f"argument {i}: {fits.dtype}{fits.shape} does not fit")
            values[i] = fits

    def outputs(self, values: Sequence[Any], targets: Sequence[np.ndarray]) -> list[Any]:
        """All outputs, those of kept variables at the end."""
        arrays: list[Any] = [None] * len(self.out_types)
        for i, a in zip(self.given, targets, strict=True):
            arrays[i] = a
        for o, i in self.in_place.items():
            arrays[self.place_of(o)] = values[i]
        computed = iter(self.program.results)
        found = []
        for s in self.sources:
            if s is None:
                found.append(arrays[next(computed)])
            elif isinstance(s, int):
                found.append(values[s])
            else:
                found.append(s.value)
        return found

    def stopped(self, values: Sequence[Any], targets: Sequence[np.ndarray]) -> list[Any]:
        """After a call that did not end: the outputs as they are, and the top loop that completed an iteration last."""
        return [self.outputs(values, targets), int(self.table[LOOP])]

    def place_of(self, output: int) -> int:
        """Which buffer an output that is computed has."""
        return self.program.results[sum(s is None for s in self.sources[:output])]

    @property
    def busy(self) -> bool:
        """Whether this thread is inside of the code: a signal handler calls what it interrupted."""
        return self.owner == threading.get_ident()

    def unlock(self) -> None:
        """After a fork: nobody is inside."""
        self.lock, self.owner = threading.RLock(), None

    def writes_at_last(self, output: int) -> bool:
        """Whether an output has a buffer of its own, and nothing can fail once the code has begun to write there."""
        if self.sources[output] is not None or self.program.results.count(place := self.place_of(output)) > 1:
            return False
        return nothing_fails_after(self.program.body, self.program.outputs[place])

    def _share(self, pairs: Sequence[tuple[int, int]]) -> dict[int, int]:
        """Let outputs lie where inputs do, if nobody can tell; output -> input."""
        program, shared = self.program, {}
        counts = Counter(program.results)
        for i, o in pairs:
            if self.sources[o] is not None or any(s == i and isinstance(s, int) for s in self.sources):
                continue
            place = self.place_of(o)
            if counts[place] == 1 and share(program.body, program.outputs[place], program.inputs[i]):
                shared[o] = i
        return shared

    def loop_outputs(self, number: int) -> set[int]:
        """The places of the outputs, kept variables included, that the top loop `number` (from 1) writes."""
        loop = self.writer.top[number - 1]
        buffers = {root(v.buffer) for s in walk([loop]) for v in writes(s)}
        computed = iter(self.program.results)
        found = set()
        for i, s in enumerate(self.sources):
            if s is None and self.program.outputs[next(computed)] in buffers:
                found.add(i)
        return found

    def error(self, status: int) -> BaseException:
        """What a status other than 0 means."""
        if status == FAILED:
            return self.program.errors[int(self.table[STATUS]) - 1](int(self.table[FOUND]))
        assert status in (INTERRUPTED, HOST_FAILED) and self.failure is not None
        return self.failure

    # What the code asks of Python -------------------------------------------------------------------------------------

    def _answers(self, serve: Callable[[int], None]) -> Callable[[int], int]:
        """What native code calls: 0, or 1 if it has to end because something was raised.

        A signal's handler runs where a frame begins or goes on. Only in a generator is that place inside of `try`; what
        is raised at the head of a function would be lost between ctypes and native code.
        """

        def answers() -> Generator[int, int, None]:
            answer = 0
            while True:
                try:
                    while True:
                        number = yield answer
                        answer = 0
                        serve(number)
                except GeneratorExit:
                    return
                except BaseException as error:  # noqa: BLE001 - it crosses native code, and is raised behind it
                    self.failure, answer = error, 1

        running = answers()
        next(running)
        return running.send

    def _host_call(self, number: int) -> None:
        """Compute a primitive without a kernel on the program's own memory."""
        s = self.writer.hosts[number]
        operands = [o.value if isinstance(o, Constant) else self._array(o) for o in s.operands]
        outs = s.prim.evaluate(*operands)
        for view, out in zip(s.outs, outs if s.prim.multi else (outs,), strict=True):
            self._array(view)[...] = out

    def _array(self, view: View) -> np.ndarray:
        buffer = root(view.buffer)
        assert buffer is not None
        if buffer.space == "arena":
            memory = self.arena[buffer.place : buffer.place + buffer.bytes]
        else:
            values, targets = self.current
            arrays = values if buffer.space == "input" else dict(zip(self.given, targets, strict=True))
            memory = np.asarray(arrays[buffer.place])
        flat = memory.reshape(-1).view(buffer.dtype)
        at = view.offset + sum(int(self.table[self.writer.table.slot(c)]) * s for c, s in view.terms)
        return flat[at : at + view.size].reshape(view.shape)


def _let_signals_in(_: int) -> None:
    """Their handlers run when Python code does; other threads have their turn before native code goes on."""
    time.sleep(0)


class _Given:
    """An output that is a literal."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _source(graph: Graph, output: Any) -> Any:
    """None for what is computed; the place of an input that is an output; a constant."""
    if isinstance(output, Literal):
        return _Given(np.asarray(output.value, output.dtype))
    places = graph.derived.setdefault("places", {v: i for i, v in enumerate(graph.inputs)})
    return places.get(output)
