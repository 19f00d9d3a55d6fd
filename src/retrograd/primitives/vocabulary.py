"""The kernel vocabulary `k`: what a pointwise rule may say, with several meanings.

`BOXES` applies primitives through the door; `NUMPY` computes on bare arrays at once (the sweep of an eager tape);
`Symbol` writes the expression as text and notes which arguments it used. The names are those of the pointwise
primitives, which enter themselves when they are made; arithmetic is written with operators.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from retrograd.core.dispatch import apply, apply1, apply2

BOXES: Any = SimpleNamespace()
NUMPY: Any = SimpleNamespace()


def enter(prim: Any) -> None:
    """Make a pointwise primitive without parameters a word of the vocabulary."""

    def one(x: Any) -> Any:
        return apply1(prim, x)

    def two(x: Any, y: Any) -> Any:
        return apply2(prim, x, y)

    def several(*xs: Any) -> Any:
        return apply(prim, *xs)

    setattr(BOXES, prim.name, {1: one, 2: two}.get(prim.arity, several))
    setattr(NUMPY, prim.name, prim.evaluate)


class Symbol:
    """An expression: its text, how tightly it binds, and the names it used."""

    __slots__ = ("binding", "text", "uses")

    def __init__(self, text: str, uses: frozenset[str] = frozenset(), binding: int = 9) -> None:
        self.text = text
        self.uses = uses
        self.binding = binding

    @staticmethod
    def of(value: Any) -> Symbol:
        return value if isinstance(value, Symbol) else Symbol(f"{value:g}" if type(value) is float else str(value))

    def _inside(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"

    def _binary(self, other: Any, sign: str, binding: int, flip: bool = False, tight_right: int = 1) -> Symbol:
        left, right = (Symbol.of(other), self) if flip else (self, Symbol.of(other))
        text = f"{left._inside(binding)} {sign} {right._inside(binding + tight_right)}"
        return Symbol(text, left.uses | right.uses, binding)

    def __add__(self, other: Any) -> Symbol:
        return self._binary(other, "+", 4, tight_right=0)

    def __radd__(self, other: Any) -> Symbol:
        return self._binary(other, "+", 4, flip=True, tight_right=0)

    def __sub__(self, other: Any) -> Symbol:
        return self._binary(other, "-", 4)

    def __rsub__(self, other: Any) -> Symbol:
        return self._binary(other, "-", 4, flip=True)

    def __mul__(self, other: Any) -> Symbol:
        return self._binary(other, "*", 5, tight_right=0)

    def __rmul__(self, other: Any) -> Symbol:
        return self._binary(other, "*", 5, flip=True, tight_right=0)

    def __truediv__(self, other: Any) -> Symbol:
        return self._binary(other, "/", 5)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._binary(other, "/", 5, flip=True)

    def __pow__(self, other: Any) -> Symbol:
        return self._binary(other, "**", 7)

    def __neg__(self) -> Symbol:
        return Symbol(f"-{self._inside(6)}", self.uses, 6)

    def __gt__(self, other: Any) -> Symbol:
        return self._binary(other, ">", 3)

    def __lt__(self, other: Any) -> Symbol:
        return self._binary(other, "<", 3)

    def __ge__(self, other: Any) -> Symbol:
        return self._binary(other, ">=", 3)

    def __le__(self, other: Any) -> Symbol:
        return self._binary(other, "<=", 3)


class _Text:
    """The vocabulary over symbols."""

    def __getattr__(self, name: str) -> Any:
        def write(*xs: Any) -> Symbol:
            symbols = [Symbol.of(x) for x in xs]
            uses = frozenset().union(*[s.uses for s in symbols])
            return Symbol(f"{name}({', '.join(s.text for s in symbols)})", uses)

        return write


TEXT: Any = _Text()
