"""Writing LLVM IR as text: modules, functions, values, loops.

Values are the names of registers, or constants, as strings; what type they have is the caller's to know. `Type` is a
scalar (``float``) or a vector (``<16 x float>``). Text is cheap to write and to read; the module passes of LLVM are
never run, so what is written here is what the code generator sees: invariant code is placed outside loops by hand.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

SUFFIX = {"float": "f32", "double": "f64", "i1": "i1", "i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64"}
BITS = {"float": 32, "double": 64, "i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64}


@dataclass(frozen=True, slots=True)
class Type:
    """A scalar type, or a vector of `lanes` elements (0: a scalar)."""

    base: str
    lanes: int = 0

    def __str__(self) -> str:
        return f"<{self.lanes} x {self.base}>" if self.lanes else self.base

    @property
    def suffix(self) -> str:
        """As intrinsics spell it: ``v16f32``."""
        return (f"v{self.lanes}" if self.lanes else "") + SUFFIX[self.base]

    @property
    def bits(self) -> int:
        """Of one element."""
        return BITS[self.base]

    @property
    def size(self) -> int:
        """Bytes of one element in memory; a boolean takes one."""
        return max(self.bits // 8, 1)

    @property
    def floating(self) -> bool:
        return self.base in ("float", "double")

    @property
    def scalar(self) -> Type:
        return Type(self.base)

    @property
    def mask(self) -> Type:
        """What a comparison gives."""
        return Type("i1", self.lanes)

    @property
    def integer(self) -> Type:
        """Integers of the same width."""
        return Type(f"i{self.bits}", self.lanes)

    def of(self, base: str) -> Type:
        """As many lanes of another element."""
        return Type(base, self.lanes)


def scalar_text(base: str, value: Any) -> str:
    """A constant: floats as LLVM writes them exactly, in hexadecimal."""
    if base == "float":
        value = float(np.float32(value))
    if base in ("float", "double"):
        if np.isnan(value):
            return "0x7FF8000000000000"
        return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"
    if base == "i1":
        return "true" if value else "false"
    return str(int(value))


def constant(t: Type, value: Any) -> str:
    """A number in every lane."""
    text = scalar_text(t.base, value)
    if not t.lanes:
        return text
    if value == 0 and text in ("0", "false", "0x0000000000000000"):
        return "zeroinitializer"
    return f"splat ({t.base} {text})"


def vector_constant(t: Type, values: Sequence[Any]) -> str:
    """A number for each lane."""
    return "<" + ", ".join(f"{t.base} {scalar_text(t.base, v)}" for v in values) + ">"


class Module:
    """Functions, and the declarations and globals they need."""

    def __init__(self, cheap_masks: bool = True) -> None:
        # Where the CPU has no mask registers, a masked store takes dozens of cycles: it becomes stores of fewer lanes.
        self.cheap_masks = cheap_masks
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, str] = {}
        self.globals: dict[str, str] = {}

    def function(self, name: str, arguments: Sequence[tuple[str, str]], result: str = "void") -> Function:
        """Begin a function; `arguments` are (type, name without %)."""
        assert name not in self.functions, name
        f = self.functions[name] = Function(self, name, arguments, result)
        return f

    def declare(self, name: str, result: str, arguments: str) -> str:
        """An external function, an intrinsic for one; its name with the @."""
        self.declarations.setdefault(name, f"declare {result} @{name}({arguments})")
        return f"@{name}"

    def __str__(self) -> str:
        parts = [*self.globals.values(), *self.declarations.values(), *map(str, self.functions.values())]
        return "\n".join(parts) + "\n"


@dataclass
class Loop:
    """A loop being written: its index, what it carries, and what it carries on (`following`)."""

    index: str
    carried: list[str]
    following: list[str]


class Function:
    """One function, written line by line."""

    def __init__(self, module: Module, name: str, arguments: Sequence[tuple[str, str]], result: str) -> None:
        self.module, self.name, self.result = module, name, result
        self.arguments = list(arguments)
        self.lines: list[str] = []
        self.block = "entry"
        self.count = 0
        self.attributes = "nounwind"
        self.entry: list[str] = []  # allocas

    def __str__(self) -> str:
        args = ", ".join(f"{t} %{n}" for t, n in self.arguments)
        head = f"define {self.result} @{self.name}({args}) {self.attributes} {{\nentry:"
        return "\n".join([head, *self.entry, *self.lines, "}"])

    # Lines ------------------------------------------------------------------------------------------------------------

    def value(self, text: str) -> str:
        """Append an instruction that gives a value; its name."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Append an instruction that gives none."""
        self.lines.append(f"  {text}")

    def fresh(self, stem: str) -> str:
        """A label nobody has."""
        self.count += 1
        return f"{stem}{self.count}"

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")
        self.block = name

    def alloca(self, t: Type | str, count: int = 1, align: int = 64) -> str:
        """Room on the stack, made once at the entry whatever loop asks for it."""
        self.count += 1
        name = f"%v{self.count}"
        self.entry.append(f"  {name} = alloca {t}, i64 {count}, align {align}")
        return name

    @contextmanager
    def loop(
        self,
        stop: str | int,
        start: str | int = 0,
        step: int = 1,
        carried: Sequence[tuple[Any, str]] = (),
        at_least_once: bool = False,
    ) -> Iterator[Loop]:
        """``for index in range(start, stop, step)``. `carried` gives (type, first value); set `following` inside.

        After the block `following` are the values after the last iteration.
        """
        if isinstance(start, int) and isinstance(stop, int) and start < stop:
            at_least_once = True
        head, done = self.fresh("loop"), self.fresh("done")
        before = self.block
        skip = None
        if not at_least_once:
            skip = self.value(f"icmp slt i64 {start}, {stop}")
            self.do(f"br i1 {skip}, label %{head}, label %{done}")
        else:
            self.do(f"br label %{head}")
        self.label(head)
        place = len(self.lines)
        self.count += 1
        index = f"%i{self.count}"
        names = []
        for _ in carried:
            self.count += 1
            names.append(f"%c{self.count}")
        state = Loop(index, names, list(names))
        yield state
        following = self.value(f"add nsw i64 {index}, {step}")
        more = self.value(f"icmp slt i64 {following}, {stop}")
        self.do(f"br i1 {more}, label %{head}, label %{done}")
        end = self.block
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{end} ]"]
        for name, (t, first), after in zip(names, carried, state.following, strict=True):
            phis.append(f"  {name} = phi {t} [ {first}, %{before} ], [ {after}, %{end} ]")
        self.lines[place:place] = phis
        self.label(done)
        if skip is not None and carried:
            state.following = [
                self.value(f"phi {t} [ {first}, %{before} ], [ {after}, %{end} ]")
                for (t, first), after in zip(carried, state.following, strict=True)
            ]

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """Code that runs if a boolean holds."""
        yes, after = self.fresh("then"), self.fresh("after")
        self.do(f"br i1 {condition}, label %{yes}, label %{after}")
        self.label(yes)
        yield
        self.do(f"br label %{after}")
        self.label(after)

    # Memory -----------------------------------------------------------------------------------------------------------

    def offset(self, pointer: str, base: str, index: str | int) -> str:
        """The address of element `index` of type `base`."""
        if index in (0, "0"):
            return pointer
        return self.value(f"getelementptr {base}, ptr {pointer}, i64 {index}")

    def load(self, t: Type, pointer: str, align: int | None = None) -> str:
        """Elements that lie side by side. Booleans are bytes in memory."""
        if t.base == "i1":
            raw = self.load(t.of("i8"), pointer, align)
            return self.value(f"trunc {t.of('i8')} {raw} to {t}")
        return self.value(f"load {t}, ptr {pointer}, align {align or t.size}")

    def store(self, t: Type, value: str, pointer: str, align: int | None = None) -> None:
        if t.base == "i1":
            wide = self.value(f"zext {t} {value} to {t.of('i8')}")
            return self.store(t.of("i8"), wide, pointer, align)
        self.do(f"store {t} {value}, ptr {pointer}, align {align or t.size}")
        return None

    def masked_load(self, t: Type, pointer: str, mask: str) -> str:
        """Zeros where the mask is false, and nothing read there."""
        if t.base == "i1":
            raw = self.masked_load(t.of("i8"), pointer, mask)
            return self.value(f"trunc {t.of('i8')} {raw} to {t}")
        name = self.module.declare(
            f"llvm.masked.load.{t.suffix}.p0", str(t), f"ptr, i32, {t.mask}, {t}"
        )  # fmt: skip
        return self.value(f"call {t} {name}(ptr {pointer}, i32 {t.size}, {t.mask} {mask}, {t} zeroinitializer)")

    def masked_store(self, t: Type, value: str, pointer: str, mask: str) -> None:
        if t.base == "i1":
            wide = self.value(f"zext {t} {value} to {t.of('i8')}")
            return self.masked_store(t.of("i8"), wide, pointer, mask)
        if not self.module.cheap_masks and mask.startswith("<"):
            return self._store_pieces(t, value, pointer, mask.count("true"))
        name = self.module.declare(f"llvm.masked.store.{t.suffix}.p0", "void", f"{t}, ptr, i32, {t.mask}")
        self.do(f"call void {name}({t} {value}, ptr {pointer}, i32 {t.size}, {t.mask} {mask})")
        return None

    def _store_pieces(self, t: Type, value: str, pointer: str, count: int) -> None:
        """The first `count` lanes, in powers of two."""
        at = 0
        while at < count:
            n = 1 << ((count - at).bit_length() - 1)
            piece = value if n == t.lanes else self.shuffle(t, value, "poison", range(at, at + n))
            self.store(Type(t.base, n), piece, self.offset(pointer, t.base, at))
            at += n

    # Values -----------------------------------------------------------------------------------------------------------

    def splat(self, t: Type, scalar: str) -> str:
        """A scalar in every lane."""
        if not t.lanes:
            return scalar
        one = self.value(f"insertelement {t} poison, {t.base} {scalar}, i64 0")
        return self.value(f"shufflevector {t} {one}, {t} poison, <{t.lanes} x i32> zeroinitializer")

    def op(self, name: str, t: Type, *operands: str) -> str:
        """A plain instruction: ``op("fadd", t, a, b)``, ``op("fneg", t, a)``."""
        return self.value(f"{name} {t} {', '.join(operands)}")

    def intrinsic(self, name: str, t: Type, *operands: str) -> str:
        """An LLVM intrinsic all of whose arguments have type `t`: ``intrinsic("llvm.fma", t, a, b, c)``."""
        called = self.module.declare(f"{name}.{t.suffix}", str(t), ", ".join([str(t)] * len(operands)))
        return self.value(f"call {t} {called}({', '.join(f'{t} {x}' for x in operands)})")

    def fma(self, t: Type, a: str, b: str, c: str) -> str:
        return self.intrinsic("llvm.fma", t, a, b, c)

    def compare(self, predicate: str, t: Type, a: str, b: str) -> str:
        """``compare("olt", ...)`` of floats, ``compare("slt", ...)`` of integers."""
        return self.value(f"{'fcmp' if t.floating else 'icmp'} {predicate} {t} {a}, {b}")

    def select(self, t: Type, condition: str, yes: str, no: str) -> str:
        return self.value(f"select {t.mask} {condition}, {t} {yes}, {t} {no}")

    def cast(self, op: str, source: Type, value: str, to: Type) -> str:
        """``bitcast``, ``fpext``, ``fptrunc``, ``sext``, ``zext``, ``trunc``, ``sitofp``, ``fptosi``, ..."""
        return self.value(f"{op} {source} {value} to {to}")

    def shuffle(self, t: Type, a: str, b: str, places: Sequence[int]) -> str:
        """Lanes of `a` (0 to n-1) and `b` (n to 2n-1), in another order; -1 is nobody's."""
        mask = ", ".join("i32 poison" if p < 0 else f"i32 {p}" for p in places)
        return self.value(f"shufflevector {t} {a}, {t} {b}, <{len(places)} x i32> <{mask}>")

    def reduce(self, name: str, t: Type, value: str) -> str:
        """Across lanes, by halves: the same order on every machine. `name` is an instruction or an intrinsic."""
        n = t.lanes
        while n > 1:
            n //= 2
            half = Type(t.base, n)
            low = self.shuffle(Type(t.base, 2 * n), value, "poison", range(n))
            high = self.shuffle(Type(t.base, 2 * n), value, "poison", range(n, 2 * n))
            make = self.intrinsic if name.startswith("llvm.") else self.op
            value = make(name, half, low, high)
        return self.value(f"extractelement {Type(t.base, 1)} {value}, i64 0")
