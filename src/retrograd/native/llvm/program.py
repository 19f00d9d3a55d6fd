"""A loop program as an LLVM module: one function for each nest, and `main`, which calls them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.native.llvm import registers
from retrograd.native.llvm.builder import Module, Type
from retrograd.native.llvm.draws import write_draw
from retrograd.native.llvm.nests import NestWriter, first_value, write_scatter
from retrograd.native.llvm.operations import base_of
from retrograd.native.llvm.places import write_argmax
from retrograd.native.llvm.products import ProductWriter, scratch_of
from retrograd.native.llvm.state import FINAL, HOST, LOOP, POLL, POOL, RESET, STATUS, TICKS, Table
from retrograd.native.llvm.target import Target
from retrograd.native.loops.ir import ArgMax, Draw, Host, If, Loop, LoopProgram, Nest, Scatter, View, While, walk

FINISHED, FAILED, INTERRUPTED, HOST_FAILED = range(4)
"""What `main` returns: all done; a check failed (the state says which); a loop was stopped; a host call raised."""

PATIENCE = 40_000_000  # cycles of the time stamp counter between two looks at Python: 10 to 20 ms
LATE = 2  # in the slot FINAL: Python is to be asked after this iteration; 1: it is the last one
WORTH_SPLITTING = 4_000.0  # nanoseconds of work that two threads share with profit


class ProgramWriter:
    """Writes the module of a program."""

    def __init__(self, target: Target, program: LoopProgram, prefix: str = "p") -> None:
        self.target, self.program, self.prefix = target, program, prefix
        self.module = Module(cheap_masks=target.vector_bytes >= 64)
        self.table = Table(program)
        self.scratch = max((scratch_of(target, s) for s in walk(program.body) if isinstance(s, Nest)), default=0)
        self.main = self.module.function(f"{prefix}_main", [("ptr", "state")], "i64")
        self.count = 0
        self.hosts: list[Host] = []
        self.parallel = 0
        self.top: list[Any] = []  # loops at the top, which can be interrupted

    def write(self) -> Module:
        """The whole module."""
        f = self.main
        for slot in range(RESET):
            self.table.store(f, slot, "0")
        if any(isinstance(s, Loop | While) and s.polls for s in walk(self.program.body)):
            self.table.store(f, TICKS, f.value(f"add i64 {self._clock()}, {PATIENCE}"))
        self.statements(self.program.body)
        f.do(f"ret i64 {FINISHED}")
        for label, code in (("failed", FAILED), ("stopped", INTERRUPTED), ("raised", HOST_FAILED)):
            f.label(label)
            f.do(f"ret i64 {code}")
        return self.module

    def statements(self, body: Sequence[Any]) -> None:
        for s in body:
            self.statement(s)

    def statement(self, s: Any) -> None:
        if isinstance(s, Nest):
            self._nest(s)
        elif isinstance(s, Loop):
            self._loop(s)
        elif isinstance(s, While):
            self._while(s)
        elif isinstance(s, If):
            self._if(s)
        elif isinstance(s, Host):
            self._host(s)
        elif isinstance(s, Scatter):
            self._scatter(s)
        elif isinstance(s, Draw):
            write_draw(self.module, self.target, self.table, s, name := self._name("draw"))
            self._call(name, 0)
        elif isinstance(s, ArgMax) and 0 not in s.out.shape:
            write_argmax(self.module, self.target, self.table, s, name := self._name("argmax"))
            self._call(name, 0)

    def _scatter(self, s: Scatter) -> None:
        if 0 not in s.space:
            write_scatter(self.module, self.target, self.table, s, name := self._name("scatter"))
            self._call(name, 0, bool(s.checks))

    def _name(self, kind: str) -> str:
        self.count += 1
        return f"{self.prefix}_{kind}{self.count}"

    def _call(self, name: str, extent: int, checked: bool = False) -> None:
        f = self.main
        f.do(f"call void @{name}(ptr %state, i64 0, i64 {extent})")
        if checked:
            ok = f.fresh("ok")
            bad = f.value(f"icmp ne i64 {self.table.load(f, STATUS, 'i64')}, 0")
            f.do(f"br i1 {bad}, label %failed, label %{ok}")
            f.label(ok)

    # Nests ------------------------------------------------------------------------------------------------------------

    def _nest(self, nest: Nest) -> None:
        if 0 in nest.space:
            for r in nest.reduces:
                filled = first_value(r)
                if 0 not in filled.space:
                    self._nest(filled)
            return
        name = self._name("product" if nest.product is not None else "nest")
        if nest.product is not None:
            written = ProductWriter(self.module, self.target, self.table, nest, name, self.scratch).write()
        else:
            written = NestWriter(self.module, self.target, self.table, nest, name).write()
        for before in written.first:
            self._nest(before)
        if written.splits and written.cost > WORTH_SPLITTING and self.target.threads > 1 and written.extent > 1:
            self._split(name, written.extent, nest.product is not None)
        elif nest.product is not None:
            self.main.do(f"call void @{name}(ptr %state, i64 0, i64 {written.extent}, i64 0)")
        else:
            self._call(name, written.extent, bool(nest.checks))

    def _split(self, name: str, extent: int, numbered: bool) -> None:
        """Parts of the range on all threads; what is computed does not depend on how many there are."""
        self.parallel += 1
        task = self.module.function(f"{name}_task", [("ptr", "state"), ("i64", "part"), ("i64", "parts")])
        first = task.value(f"sdiv i64 {task.value(f'mul nsw i64 %part, {extent}')}, %parts")
        after = task.value("add nsw i64 %part, 1")
        last = task.value(f"sdiv i64 {task.value(f'mul nsw i64 {after}, {extent}')}, %parts")
        part = ", i64 %part" if numbered else ""
        task.do(f"call void @{name}(ptr %state, i64 {first}, i64 {last}{part})")
        task.do("ret void")
        self.module.declare("rg_run", "void", "ptr, ptr, ptr")
        f = self.main
        f.do(f"call void @rg_run(ptr {self.table.load(f, POOL)}, ptr @{task.name}, ptr %state)")

    # Control flow -----------------------------------------------------------------------------------------------------

    def _loop(self, s: Loop) -> None:
        f = self.main
        if s.top:
            self.top.append(s)
        name = f"{self.prefix}_registers{len(self.module.functions)}"
        if registers.write_loop(self.module, self.target, self.table, self.program, s, name):
            self._in_registers(s, name)
            return
        final = any(w.final for t in walk(s.body) if isinstance(t, Nest) for w in t.stores)
        with f.loop(s.count) as loop:
            if final:
                self._announce(f.compare("eq", Type("i64"), loop.index, str(s.count - 1)))
            index = f.value(f"sub i64 {s.count - 1}, {loop.index}") if s.backwards else loop.index
            self.table.store(f, self.table.slot(s.counter), index)
            self.statements(s.body)
            if s.polls:
                self._poll(s, announced=final)

    def _announce(self, last: str) -> None:
        """Before an iteration: say whether its state will be seen, because it is the last or Python is to be asked."""
        f = self.main
        late = f.compare("ugt", Type("i64"), self._clock(), self.table.load(f, TICKS, "i64"))
        code = f.select(Type("i64"), late, str(LATE), f.value(f"zext i1 {last} to i64"))
        self.table.store(f, FINAL, code)

    def _clock(self) -> str:
        f = self.main
        return f.value(f"call i64 {f.module.declare('llvm.readcyclecounter', 'i64', '')}()")

    def _in_registers(self, s: Loop, name: str) -> None:
        """Blocks of iterations; between two of them everything is in memory."""
        f = self.main
        size = registers.ITERATIONS if s.polls else s.count
        with f.loop(-(-s.count // size)) as block:
            start = f.value(f"mul nsw i64 {block.index}, {size}")
            stop = f.intrinsic("llvm.smin", Type("i64"), f.value(f"add nsw i64 {start}, {size}"), str(s.count))
            f.do(f"call void @{name}(ptr %state, i64 {start}, i64 {stop})")
            if s.polls:
                self._poll(s)

    def _flag(self, view: View) -> str:
        f = self.main
        return f.load(Type("i1"), self.table.address(f, view, base_of(view.dtype)))

    def _while(self, s: While) -> None:
        f = self.main
        if s.top:
            self.top.append(s)
        head, body, done = f.fresh("while"), f.fresh("body"), f.fresh("done")
        f.do(f"br label %{head}")
        f.label(head)
        self.statements(s.test)
        f.do(f"br i1 {self._flag(s.flag)}, label %{body}, label %{done}")
        f.label(body)
        self.statements(s.body)
        if s.polls:
            self._poll(s)
        f.do(f"br label %{head}")
        f.label(done)

    def _if(self, s: If) -> None:
        f = self.main
        yes, no, after = f.fresh("yes"), f.fresh("no"), f.fresh("after")
        f.do(f"br i1 {self._flag(s.flag)}, label %{yes}, label %{no}")
        for label, body in ((yes, s.yes), (no, s.no)):
            f.label(label)
            self.statements(body)
            f.do(f"br label %{after}")
        f.label(after)

    def _poll(self, s: Loop | While, announced: bool = False) -> None:
        """Between two iterations: give Python the word if it has waited long enough."""
        f = self.main
        if s.top:
            self.table.store(f, LOOP, str(self.top.index(s) + 1))
        now = self._clock()
        if announced:
            late = f.value(f"icmp eq i64 {self.table.load(f, FINAL, 'i64')}, {LATE}")
        else:
            late = f.value(f"icmp ugt i64 {now}, {self.table.load(f, TICKS, 'i64')}")
        ask, go_on = f.fresh("ask"), f.fresh("on")
        f.do(f"br i1 {late}, label %{ask}, label %{go_on}")
        f.label(ask)
        self.table.store(f, TICKS, f.value(f"add i64 {now}, {PATIENCE}"))
        stop = f.value(f"call i64 {self.table.load(f, POLL)}(i64 0)")
        halt = f.value(f"icmp ne i64 {stop}, 0")
        f.do(f"br i1 {halt}, label %stopped, label %{go_on}")
        f.label(go_on)

    def _host(self, s: Host) -> None:
        f = self.main
        number = len(self.hosts)
        self.hosts.append(s)
        bad = f.value(f"call i64 {self.table.load(f, HOST)}(i64 {number})")
        ok = f.fresh("ok")
        wrong = f.value(f"icmp ne i64 {bad}, 0")
        f.do(f"br i1 {wrong}, label %raised, label %{ok}")
        f.label(ok)
