"""Arrays in memory and loop nests, as LLVM text. Each array is a global of its own: LLVM knows they do not overlap."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from benchmarks.native_spike.words import LLVM, Value, Words
from retrograd.core.types import ArrayType
from retrograd.graph.ir import Literal


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


@dataclass(frozen=True)
class Place:
    """A view of a global: moving elements without computing needs no code."""

    symbol: str
    type: ArrayType
    strides: tuple[int, ...]
    base: str = "0"  # elements to skip: an LLVM name, or a number

    def broadcast(self, shape: tuple[int, ...]) -> "Place":
        """Stretched to `shape`, by strides of zero."""
        own = (1,) * (len(shape) - self.type.ndim) + self.type.shape
        strides = (0,) * (len(shape) - self.type.ndim) + self.strides
        stretched = tuple(0 if n != m else s for n, m, s in zip(own, shape, strides, strict=True))
        return replace(self, type=self.type.with_shape(shape), strides=stretched)


class Code:
    """One function being written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.globals: list[str] = []
        self.names = 0
        self.block = "entry"
        self.words = Words(self.emit)

    def emit(self, text: str) -> str:
        """An instruction; the name of its result."""
        self.names += 1
        self.lines.append(f"  %v{self.names} = {text}")
        return f"%v{self.names}"

    def buffer(self, type: ArrayType, symbol: str = "") -> Place:
        """A new array."""
        symbol = symbol or f"b{len(self.globals)}"
        memory = LLVM[type.dtype.name].replace("i1", "i8")
        self.globals.append(f"@{symbol} = global [{max(type.size, 1)} x {memory}] zeroinitializer, align 64")
        return Place(symbol, type.strong(), row_major(type.shape))

    @contextmanager
    def loop(self, n: int, backwards: bool = False) -> Iterator[str]:
        """Repeat what is written inside; yields the index."""
        self.names += 1
        name, before = f"loop{self.names}", self.block
        self.lines += [
            f"  br label %{name}.head\n{name}.head:",
            f"  %{name} = phi i64 [ 0, %{before} ], [ %{name}.next, %{name}.latch ]",
            f"  %{name}.more = icmp slt i64 %{name}, {n}",
            f"  br i1 %{name}.more, label %{name}.body, label %{name}.done\n{name}.body:",
        ]
        self.block = f"{name}.body"
        yield self.emit(f"sub i64 {n - 1}, %{name}") if backwards else f"%{name}"
        self.lines += [
            f"  br label %{name}.latch\n{name}.latch:",
            f"  %{name}.next = add nsw i64 %{name}, 1",
            f"  br label %{name}.head\n{name}.done:",
        ]
        self.block = f"{name}.done"

    @contextmanager
    def nest(self, shape: Sequence[int]) -> Iterator[list[str]]:
        """One loop for each axis; yields the indices."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.loop(n)) for n in shape]

    def at(self, place: Place, indices: Sequence[str]) -> str:
        """The address of an element."""
        offset = place.base
        for i, s in zip(indices, place.strides, strict=True):
            if s:
                offset = self.emit(f"add nsw i64 {offset}, {self.emit(f'mul nsw i64 {i}, {s}')}")
        memory = LLVM[place.type.dtype.name].replace("i1", "i8")
        return f"ptr {self.emit(f'getelementptr {memory}, ptr @{place.symbol}, i64 {offset}')}"

    def load(self, source: Any, indices: Sequence[str]) -> Value:
        """An element of an array; of a literal, the number. Either stays weak if it is."""
        if isinstance(source, Literal):
            return self.words.constant(source.value, source.dtype, source.type.weak)
        dtype, address = source.type.dtype, self.at(source, indices)
        if dtype.kind == "b":  # a byte in memory
            text = self.emit(f"trunc i8 {self.emit(f'load i8, {address}')} to i1")
        else:
            text = self.emit(f"load {LLVM[dtype.name]}, {address}")
        return Value(self.words, text, dtype, source.type.weak)

    def store(self, place: Place, indices: Sequence[str], value: Value) -> None:
        """Write an element."""
        value = self.words.convert(value, place.type.dtype)
        text = f"i8 {self.emit(f'zext {value} to i8')}" if value.dtype.kind == "b" else value
        self.lines.append(f"  store {text}, {self.at(place, indices)}")

    def copy(self, source: Any, target: Place) -> None:
        """All elements, in any layout."""
        with self.nest(target.type.shape) as i:
            self.store(target, i, self.load(source, i))

    def module(self) -> str:
        """The whole text."""
        head = [*self.globals, *sorted(self.words.declared), "define void @run() {", "entry:"]
        return "\n".join([*head, *self.lines, "  ret void", "}", ""])
