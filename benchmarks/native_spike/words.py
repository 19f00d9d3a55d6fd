"""The kernel vocabulary over LLVM values: what `BOXES` is for the door and `NUMPY` for arrays, for one element each.

Words with a meaning of their own are those in `MEANINGS`; any other is spelled by its primitive's `kernel`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from retrograd.config import BOOL
from retrograd.core.primitive import REGISTRY
from retrograd.core.types import is_weak_scalar, type_of

LLVM = {
    "float32": "float", "float64": "double", "bool": "i1", "int8": "i8", "int16": "i16", "int32": "i32",
    "int64": "i64", "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One element: an LLVM name or constant, its dtype, and whether that dtype yields to others'."""

    words: Any
    text: str
    dtype: np.dtype
    weak: bool = False

    @property
    def llvm(self) -> str:
        return LLVM[self.dtype.name]


def constant(words: Any, value: Any, dtype: np.dtype, weak: bool = False) -> Value:
    """A number as LLVM writes it."""
    number = dtype.type(value)
    if dtype.kind == "f":
        text = "0x" + struct.pack(">d", float(number)).hex().upper()
    else:
        text = str(number).lower()
    return Value(words, text, dtype, weak)


def matched(words: Any, xs: tuple[Any, ...]) -> list[Value]:
    """All in one dtype, as NumPy and `families.same_dtype` have it: weak ones yield."""
    known = [x if isinstance(x, Value) else constant(words, x, type_of(x).dtype, is_weak_scalar(x)) for x in xs]
    strong = [x.dtype for x in known if not x.weak]
    dtype = strong[0] if strong else np.result_type(*[x.dtype for x in known])
    if any(d != dtype for d in strong):
        raise TypeError(f"dtypes {strong} meet in a kernel")  # the graph's types forbid it
    return [
        words.convert(x, dtype) if isinstance(raw, Value) else constant(words, raw, dtype, x.weak)
        for raw, x in zip(xs, known, strict=True)
    ]


class Words:
    """The vocabulary; `emit` appends an instruction and returns the name of its result."""

    def __init__(self, emit: Callable[[str], str]) -> None:
        self.emit = emit
        self.declared: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name in MEANINGS:
            return partial(MEANINGS[name], self)
        prim = REGISTRY[name].of()
        if not prim.spelled:
            raise NotImplementedError(f"the spike has no word for {name}")
        return partial(prim.kernel, self)

    def result(self, text: str, like: Value, others: tuple[Value, ...] = (), dtype: np.dtype | None = None) -> Value:
        """The value of an instruction over operands that were matched."""
        return Value(self, self.emit(text), dtype or like.dtype, all(x.weak for x in (like, *others)))

    def convert(self, x: Value, dtype: np.dtype) -> Value:
        """`x` in another dtype."""
        if x.dtype == dtype:
            return x
        if dtype == BOOL:
            return self.not_equal(x, 0)
        old, new, bits = x.dtype.kind, dtype.kind, dtype.itemsize - x.dtype.itemsize
        unsigned = "u" if old in "ub" else "s"
        if old == new == "f":
            how = "fpext" if bits > 0 else "fptrunc"
        elif "f" in (old, new):
            how = f"fpto{'u' if new == 'u' else 's'}i" if old == "f" else f"{unsigned}itofp"
        elif x.dtype != BOOL and bits <= 0:
            how = "trunc" if bits else "bitcast"
        else:
            how = "sext" if unsigned == "s" else "zext"
        return Value(self, self.emit(f"{how} {x.llvm} {x.text} to {LLVM[dtype.name]}"), dtype, x.weak)

    def call(self, name: str, *xs: Value) -> Value:
        """A function of the C library."""
        symbol = name + ("f" if xs[0].dtype.itemsize == 4 else "")
        self.declared.add(f"declare {xs[0].llvm} @{symbol}({', '.join(x.llvm for x in xs)})")
        arguments = ", ".join(f"{x.llvm} {x.text}" for x in xs)
        return self.result(f"call {xs[0].llvm} @{symbol}({arguments})", xs[0], xs[1:])


def _binary(floats: str, integers: str) -> Callable[..., Value]:
    def word(words: Words, *xs: Any) -> Value:
        x, y = matched(words, xs)
        how = f"{floats} contract" if x.dtype.kind == "f" else integers
        return words.result(f"{how} {x.llvm} {x.text}, {y.text}", x, (y,))

    return word


def _compare(floats: str, integers: str) -> Callable[..., Value]:
    def word(words: Words, *xs: Any) -> Value:
        x, y = matched(words, xs)
        signed = integers.replace("s", "u", 1) if x.dtype.kind in "ub" and integers[0] == "s" else integers
        how = f"fcmp {floats}" if x.dtype.kind == "f" else f"icmp {signed}"
        return words.result(f"{how} {x.llvm} {x.text}, {y.text}", x, (y,), BOOL)

    return word


def _library(name: str) -> Callable[..., Value]:
    return lambda words, *xs: words.call(name, *matched(words, xs))


def _negative(words: Words, x: Value) -> Value:
    return words.result(f"fneg {x.llvm} {x.text}", x) if x.dtype.kind == "f" else words.subtract(0, x)


def _where(words: Words, c: Value, *xs: Any) -> Value:
    x, y = matched(words, xs)
    return words.result(f"select i1 {c.text}, {x.llvm} {x.text}, {y.llvm} {y.text}", x, (y,))


def _extreme(wins: str) -> Callable[..., Value]:
    def word(words: Words, *xs: Any) -> Value:
        x, y = matched(words, xs)
        chosen = words.where(getattr(words, wins)(x, y), x, y)
        chosen = words.where(words.not_equal(y, y), y, chosen)  # NaN if either is
        return words.where(words.not_equal(x, x), x, chosen)

    return word


MEANINGS: dict[str, Callable[..., Value]] = {
    "add": _binary("fadd", "add"), "subtract": _binary("fsub", "sub"), "multiply": _binary("fmul", "mul"),
    "divide": _binary("fdiv", "sdiv"), "logical_and": _binary("", "and"), "logical_or": _binary("", "or"),
    "equal": _compare("oeq", "eq"), "not_equal": _compare("une", "ne"), "less": _compare("olt", "slt"),
    "less_equal": _compare("ole", "sle"), "greater": _compare("ogt", "sgt"), "greater_equal": _compare("oge", "sge"),
    "negative": _negative, "where": _where, "maximum": _extreme("greater"), "minimum": _extreme("less"),
    "absolute": _library("fabs"), "power": _library("pow"), "logical_not": lambda words, x: words.equal(x, False),
    **{name: _library(name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "erf")},
}  # fmt: skip


def _operator(word: str, flip: bool = False) -> Callable[..., Value]:
    return lambda x, *y: getattr(x.words, word)(*((*y, x) if flip else (x, *y)))


for _symbol, _word in (("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "divide")):
    setattr(Value, f"__{_symbol}__", _operator(_word))
    setattr(Value, f"__r{_symbol}__", _operator(_word, flip=True))
for _symbol, _word in (("lt", "less"), ("le", "less_equal"), ("gt", "greater"), ("ge", "greater_equal")):
    setattr(Value, f"__{_symbol}__", _operator(_word))
Value.__pow__ = _operator("power")  # type: ignore[attr-defined]
Value.__neg__ = _operator("negative")  # type: ignore[attr-defined]
