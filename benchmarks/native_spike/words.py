"""The kernel vocabulary over LLVM values: what `BOXES` is for the door and `NUMPY` for arrays, for one element each.

Words with a meaning of their own are in `MEANINGS`; any other is spelled by its primitive's `kernel`.
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

LLVM = {"float32": "float", "float64": "double", "bool": "i1", "int32": "i32", "int64": "i64"}


@dataclass(frozen=True)
class Value:
    """One element: an LLVM name or constant, its dtype, and whether that dtype yields to others'."""

    words: Any
    text: str
    dtype: np.dtype
    weak: bool = False

    def __str__(self) -> str:
        return f"{LLVM[self.dtype.name]} {self.text}"


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

    def constant(self, value: Any, dtype: np.dtype, weak: bool = False) -> Value:
        """A number as LLVM writes it."""
        number = dtype.type(value)
        text = "0x" + struct.pack(">d", number).hex().upper() if dtype.kind == "f" else str(number).lower()
        return Value(self, text, dtype, weak)

    def convert(self, x: Value, dtype: np.dtype) -> Value:
        """`x` in another dtype, as far as the spike needs it: among floats, among integers, integer to float."""
        if x.dtype == dtype:
            return x
        wider = dtype.itemsize > x.dtype.itemsize
        ways = {"ff": ("fptrunc", "fpext"), "if": ("sitofp",) * 2, "bf": ("uitofp",) * 2, "ii": ("trunc", "sext")}
        how = ways[x.dtype.kind + dtype.kind][wider]
        return Value(self, self.emit(f"{how} {x} to {LLVM[dtype.name]}"), dtype, x.weak)

    def matched(self, xs: tuple[Any, ...]) -> list[Value]:
        """All in one dtype, as `families.same_dtype` has it: weak ones yield, a Python scalar before it is rounded."""
        dtypes = [x.dtype if isinstance(x, Value) else type_of(x).dtype for x in xs]
        weak = [x.weak if isinstance(x, Value) else is_weak_scalar(x) for x in xs]
        strong = [d for d, w in zip(dtypes, weak, strict=True) if not w]
        dtype = strong[0] if strong else np.result_type(*dtypes)
        return [
            self.convert(x, dtype) if isinstance(x, Value) else self.constant(x, dtype, w)
            for x, w in zip(xs, weak, strict=True)
        ]


def _instruction(floats: str, integers: str, returns: np.dtype | None = None) -> Callable[..., Value]:
    def word(words: Words, *raw: Any) -> Value:
        xs = words.matched(raw)
        how = floats if xs[0].dtype.kind == "f" else integers
        text = words.emit(f"{how} {', '.join([str(xs[0]), *[x.text for x in xs[1:]]])}")
        return Value(words, text, returns or xs[0].dtype, all(x.weak for x in xs))

    return word


def _library(name: str) -> Callable[..., Value]:
    def word(words: Words, *raw: Any) -> Value:
        xs = words.matched(raw)
        type, symbol = LLVM[xs[0].dtype.name], name + "f" * (xs[0].dtype.itemsize == 4)
        words.declared.add(f"declare {type} @{symbol}({', '.join([type] * len(xs))})")
        text = words.emit(f"call {type} @{symbol}({', '.join(map(str, xs))})")
        return Value(words, text, xs[0].dtype, all(x.weak for x in xs))

    return word


def _compare(floats: str, integers: str) -> Callable[..., Value]:
    return _instruction(f"fcmp {floats}", f"icmp {integers}", BOOL)


def _where(words: Words, c: Value, *raw: Any) -> Value:
    x, y = words.matched(raw)
    return Value(words, words.emit(f"select {c}, {x}, {y}"), x.dtype, x.weak and y.weak)


def _extreme(wins: str) -> Callable[..., Value]:
    def word(words: Words, *raw: Any) -> Value:
        x, y = words.matched(raw)
        # NaN if either is: a comparison with NaN holds for neither, and y is chosen.
        return words.where(words.equal(x, x), words.where(getattr(words, wins)(x, y), x, y), x)

    return word


MEANINGS: dict[str, Callable[..., Value]] = {
    "add": _instruction("fadd contract", "add"), "subtract": _instruction("fsub contract", "sub"),
    "multiply": _instruction("fmul contract", "mul"), "divide": _instruction("fdiv", "sdiv"),
    "negative": _instruction("fneg", "not for integers:"), "where": _where,
    "equal": _compare("oeq", "eq"), "not_equal": _compare("une", "ne"), "less": _compare("olt", "slt"),
    "less_equal": _compare("ole", "sle"), "greater": _compare("ogt", "sgt"), "greater_equal": _compare("oge", "sge"),
    "maximum": _extreme("greater"), "minimum": _extreme("less"), "absolute": _library("fabs"), "power": _library("pow"),
    **{name: _library(name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "erf")},
}  # fmt: skip


def _operator(word: str, flip: bool = False) -> Callable[..., Value]:
    return lambda x, *y: getattr(x.words, word)(*((*y, x) if flip else (x, *y)))


for _python, _word in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide"}.items():
    setattr(Value, f"__{_python}__", _operator(_word))
    setattr(Value, f"__r{_python}__", _operator(_word, flip=True))
_ONE_WAY = {"neg": "negative", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
for _python, _word in _ONE_WAY.items():
    setattr(Value, f"__{_python}__", _operator(_word))
