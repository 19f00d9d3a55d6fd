"""Loop programs to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.core.types import SHORT
from retrograd.native.loops.ir import (
    ArgMax,
    Buffer,
    Constant,
    Draw,
    Expr,
    Host,
    If,
    Loop,
    LoopProgram,
    Nest,
    Scatter,
    View,
    While,
    expressions,
    root,
    roots,
    walk,
)


def print_loops(program: LoopProgram) -> str:
    """The program as text: its memory, then its statements."""
    p = _Printer(program)
    lines = [f"input  {p.name(b)}: {p.memory(b)}" for b in program.inputs]
    lines += [f"output {p.name(b)}: {p.memory(b)}" for b in program.outputs]
    lines += [f"arena  {p.name(b)}: {p.memory(b)} at {b.place}" for b in program.buffers]
    p.statements(program.body, "")
    return "\n".join([*lines, *p.lines])


class _Printer:
    def __init__(self, program: LoopProgram) -> None:
        self.lines: list[str] = []
        self.names: dict[Any, str] = {}
        for stem, buffers in (("in", program.inputs), ("out", program.outputs), ("t", program.buffers)):
            self.names.update((b, f"{stem}{i}") for i, b in enumerate(buffers))
        loops = [s for s in walk(program.body) if isinstance(s, Loop)]
        self.names.update((s.counter, f"n{i}") for i, s in enumerate(loops))

    def name(self, b: Any) -> str:
        return self.names.get(root(b) if isinstance(b, Buffer) else b, "?")

    def memory(self, b: Buffer) -> str:
        return f"{SHORT[b.dtype.name]}[{b.size}]"

    def view(self, v: View, more: str = "") -> str:
        """As ``t0[4 + 100*i + j]``."""
        terms = [f"{s}*{c}" if s != 1 else c for c, s in zip("ijklmnop", v.strides, strict=False) if s]
        terms = [str(v.offset)] * bool(v.offset or (not terms and not v.terms and not more)) + terms
        terms += [f"{s}*{self.name(c)}" if s != 1 else self.name(c) for c, s in v.terms]
        inside = " + ".join([*terms, *[more] * bool(more)])
        return f"{self.name(v.buffer)}[{inside}]" if v.buffer is not None else f"({inside})"

    def put(self, indent: str, text: str) -> None:
        self.lines.append(indent + text)

    def statements(self, body: Sequence[Any], indent: str) -> None:
        for s in body:
            self.statement(s, indent)

    def statement(self, s: Any, indent: str) -> None:
        inner = indent + "  "
        if isinstance(s, Nest | Scatter):
            self._nest(s, indent)
        elif isinstance(s, Loop):
            order = f"{s.count - 1} to 0" if s.backwards else f"0 to {s.count - 1}"
            self.put(indent, f"loop {self.name(s.counter)} from {order}:")
            self.statements(s.body, inner)
        elif isinstance(s, While):
            self.put(indent, "repeat:")
            self.statements(s.test, inner)
            self.put(inner, f"stop unless {self.view(s.flag)}")
            self.statements(s.body, inner)
        elif isinstance(s, If):
            self.put(indent, f"if {self.view(s.flag)}:")
            self.statements(s.yes, inner)
            self.put(indent, "else:")
            self.statements(s.no, inner)
        elif isinstance(s, Draw):
            self.put(
                indent, f"{self.view(s.out)}, {self.view(s.following)} = philox({self.view(s.state)}), {s.out.size}"
            )
        elif isinstance(s, ArgMax):
            name = "argmin" if s.least else "argmax"
            self.put(indent, f"{self.view(s.out)} = {name}({self.view(s.x)}) over {s.x.shape}")
        elif isinstance(s, Host):
            operands = [repr(o.value) if isinstance(o, Constant) else self.view(o) for o in s.operands]
            self.put(indent, f"{', '.join(map(self.view, s.outs))} = host {s.prim!r}({', '.join(operands)})")

    def _nest(self, s: Nest | Scatter, indent: str) -> None:
        inner = indent + "  "
        self.put(indent, f"for {', '.join(f'{c} < {n}' for c, n in zip('ijklmnop', s.space, strict=False)) or 'once'}:")
        known: dict[int, str] = {}
        counts: dict[int, int] = {}
        wanted = roots(s)
        order = expressions(wanted)
        for e in order:
            for a in e.args:
                counts[id(a)] = counts.get(id(a), 0) + 1
        for n, e in enumerate(wanted):
            if any(e is other for other in wanted[:n]):  # said once
                counts[id(e)] = counts.get(id(e), 0) + 1
        if isinstance(s, Nest) and s.product is not None:
            left, right = s.product.a, s.product.b
            self.put(inner, f"product = sum over {s.product.k} of {self.view(left)} * {self.view(right)}")
        for e in order:
            text = self._expr(e, [known[id(a)] for a in e.args])
            if e.op in ("const", "product", "load") or counts.get(id(e), 0) == 0:
                known[id(e)] = text
            else:
                known[id(e)] = f"%{len(known)}"
                self.put(inner, f"{known[id(e)]}: {SHORT[e.dtype.name]} = {text}")
        for c in s.checks:
            self.put(inner, f"fail {c.site} with {known[id(c.value)]} if {known[id(c.bad)]}")
        if isinstance(s, Scatter):
            self.put(inner, f"{self.view(s.out, known[id(s.at)])} += {known[id(s.value)]}")
            return
        for w in s.stores:
            self.put(inner, f"{self.view(w.view)} = {known[id(w.value)]}{' (final)' if w.final else ''}")
        for r in s.reduces:
            self.put(inner, f"{self.view(r.view)} = {r.op} of {known[id(r.value)]}")

    def _expr(self, e: Expr, args: list[str]) -> str:
        if e.op == "const":
            return f"{e.attr}:{SHORT[e.dtype.name]}"
        if e.op == "load":
            return self.view(e.attr)
        if e.op == "fetch":
            return self.view(e.attr, args[0])
        if e.op == "counter":
            return self.name(e.attr)
        return e.op if e.op == "product" else f"{e.op}({', '.join(args)})"
