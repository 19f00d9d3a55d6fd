"""Arithmetic on indices that are numbers where they are known and registers where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from retrograd.native.llvm.builder import Function, Type

Index = str | int
I64 = Type("i64")
_HOLDS: dict[str, Callable[[int, int], bool]] = {
    "slt": lambda x, y: x < y,
    "sle": lambda x, y: x <= y,
    "eq": lambda x, y: x == y,
}


def add(f: Function, x: Index, y: Index) -> Index:
    """The sum."""
    if isinstance(x, int) and isinstance(y, int):
        return x + y
    if x == 0:
        return y
    return x if y == 0 else f.value(f"add nsw i64 {x}, {y}")


def subtract(f: Function, x: Index, y: Index) -> Index:
    """The difference."""
    if isinstance(x, int) and isinstance(y, int):
        return x - y
    return x if y == 0 else f.value(f"sub nsw i64 {x}, {y}")


def times(f: Function, x: Index, number: int) -> Index:
    """The product with a number."""
    if isinstance(x, int):
        return x * number
    if number in (0, 1):
        return x if number else 0
    return f.value(f"mul nsw i64 {x}, {number}")


def least(f: Function, x: Index, y: Index) -> Index:
    """The smaller."""
    if isinstance(x, int) and isinstance(y, int):
        return min(x, y)
    return f.intrinsic("llvm.smin", I64, str(x), str(y))


def at(f: Function, pointer: str, base: str, *terms: tuple[Index, int]) -> str:
    """The address of an element: the sum of (index, stride)."""
    offset: Index = 0
    for index, stride in terms:
        offset = add(f, offset, times(f, index, stride))
    return f.offset(pointer, base, offset)


@contextmanager
def whether(f: Function, predicate: str, x: Index, y: Index) -> Iterator[bool]:
    """Code that runs if a comparison holds. Says False where it is known not to: nothing may be written then."""
    if isinstance(x, int) and isinstance(y, int):
        yield _HOLDS[predicate](x, y)
    elif x == y:
        yield _HOLDS[predicate](0, 0)
    else:
        with f.when(f.compare(predicate, I64, str(x), str(y))):
            yield True


def sweep(f: Function, start: Index, stop: Index, step: int, body: Callable[[Index], None]) -> None:
    """``for index in range(start, stop, step): body(index)``; no loop if there is just one."""
    if isinstance(start, int) and isinstance(stop, int) and stop <= start + step:
        if start < stop:
            body(start)
        return
    with f.loop(stop, start, step) as loop:
        body(loop.index)


def pieces(f: Function, start: Index, stop: Index, step: int, end: int, body: Callable[[Index, int], None]) -> None:
    """Cut ``range(start, stop)`` of ``range(end)`` into pieces of `step`, and what is left at the end of all.

    `start` and `stop` are multiples of `step`, or `end`. Writes ``body(index, size)`` for both sizes at most.
    """
    whole = end - end % step
    sweep(f, start, least(f, stop, whole), step, lambda index: body(index, step))
    if end % step:
        # A range that begins at the end is empty.
        with whether(f, "slt", whole, stop) as reached:
            if reached:
                with whether(f, "sle", start, whole) as present:
                    if present:
                        body(whole, end % step)
