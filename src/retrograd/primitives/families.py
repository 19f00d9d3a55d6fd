"""Families of primitives: what their members have in common is said here once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

from retrograd.config import BOOL
from retrograd.core.dispatch import apply, apply1
from retrograd.core.primitive import REGISTRY, Primitive
from retrograd.core.types import ArrayType, Outline, is_weak_scalar
from retrograd.errors import DTypeError, ShapeError
from retrograd.primitives.vocabulary import TEXT, Symbol, enter


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """NumPy's broadcasting rule.

    Raises:
        ShapeError: naming the shapes that do not fit.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(map(str, shapes))
        raise ShapeError(f"shapes {listed} do not broadcast together") from None


def sum_to(value: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum `value` over the axes along which `shape` was stretched."""
    extra = len(value.shape) - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and value.shape[i + extra] != 1)
    axes = (*range(extra), *stretched)
    if not axes:
        return value
    total = apply1(REGISTRY["sum"].of(axes, False), value)
    return apply1(REGISTRY["reshape"].of(tuple(shape)), total) if stretched else total


def broadcast_to(value: Any, shape: tuple[int, ...]) -> Any:
    """`value` stretched to `shape`."""
    return value if tuple(value.shape) == tuple(shape) else apply1(REGISTRY["broadcast"].of(tuple(shape)), value)


def lead(value: Any, is_batched: bool, size: int) -> Any:
    """`value` with the lanes on its first axis, stretched if it is the same in all lanes."""
    if is_batched:
        return value
    value = np.asarray(value) if is_weak_scalar(value) else value
    return broadcast_to(value, (size, *value.shape))


def behind_lanes(value: Any, rank: int) -> Any:
    """Axes of length one behind the lanes, for `rank` axes in all."""
    missing = rank - len(value.shape)
    return (
        apply1(REGISTRY["reshape"].of((value.shape[0], *(1,) * missing, *value.shape[1:])), value) if missing else value
    )


def scalar(value: float, dtype: np.dtype) -> np.ndarray:
    """A 0-d constant."""
    return np.asarray(value, dtype)


def strong(values: Sequence[Any], dtype: np.dtype) -> list[Any]:
    """The values, Python scalars among them as arrays."""
    return [scalar(v, dtype) if is_weak_scalar(v) else v for v in values]


def same_dtype(name: str, types: Sequence[ArrayType]) -> tuple[np.dtype, bool]:
    """The one dtype of the strong types (of the weak ones, if all are weak), and whether all are weak.

    Raises:
        DTypeError: if two strong dtypes differ.
    """
    strong = [t.dtype for t in types if not t.weak]
    if not strong:
        return np.result_type(*[t.dtype for t in types]), True
    if any(d != strong[0] for d in strong):
        raise DTypeError(f"{name} got dtypes {', '.join(str(t) for t in types)}; convert with .astype first")
    return strong[0], False


class Pointwise(Primitive):
    """Element by element, with broadcasting.

    A member declares its derivative as `partials(k, *args, out)`: for each argument the factor of the cotangent, which
    may be None (zero), 1, -1, or a function without arguments that is called only where the factor is needed. Or, where
    a cotangent is routed by selection so that an infinite or undefined factor cannot leak, as `routes(k, v, *args,
    out)`: what each argument gets of `v`; being diagonal, it carries tangents forward just as well.
    """

    arity: ClassVar[int] = 1
    spelled: ClassVar[bool] = False  # its value is said in other words of the vocabulary
    returns: ClassVar[str] = "same"  # the dtype of the output: "same" as the arguments, or "bool"
    takes: ClassVar[str] = "biuf"  # the kinds of dtype it has a meaning for
    routed: ClassVar[bool] = False
    takes_scalars = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.routed = cls.routes is not Pointwise.routes
        cls.spelled = cls.kernel is not Pointwise.kernel

    def kernel(self, k: Any, *args: Any) -> Any:
        """The value in the kernel vocabulary: for those who compute it without NumPy. By default a word of its own."""
        return getattr(k, self.name)(*args)

    def partials(self, k: Any, *args: Any, out: Any) -> Sequence[Any]:
        raise NotImplementedError

    def routes(self, k: Any, v: Any, *args: Any, out: Any) -> Sequence[Any]:
        raise NotImplementedError

    @property
    def argument_names(self) -> tuple[str, ...]:
        return ("x",) if self.arity == 1 else ("x", "y") if self.arity == 2 else ("x", "y", "z")

    def local_derivatives(self) -> list[Symbol | None]:
        """The derivative with respect to each argument, as an expression."""
        names = [Symbol(n, frozenset((n,))) for n in self.argument_names]
        out = Symbol("out", frozenset(("out",)))
        if self.routed:
            found = self.routes(TEXT, Symbol("v"), *names, out=out)
        else:
            found = self.partials(TEXT, *names, out=out)
        called = [f() if isinstance(f, FunctionType) else f for f in found]
        return [None if f is None else Symbol.of(f) for f in called]

    @property
    def piecewise_constant(self) -> bool:
        """Whether it has a derivative and all of it is zero."""
        return self.differentiable and all(d is None for d in self.local_derivatives())

    @cached_property
    def uses(self) -> tuple[tuple[bool, ...], bool]:
        """Which arguments, and whether the output, the derivative looks at."""
        if not self.differentiable:
            return (False,) * self.arity, False
        used: frozenset[str] = frozenset().union(*[d.uses for d in self.local_derivatives() if d is not None])
        return tuple(n in used for n in self.argument_names), "out" in used

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        kept, keep_out = self.uses
        if self.arity == 1:
            return values if kept[0] else _NOTHING, out if keep_out else None
        shape = out.shape
        held = [
            v if use else None if type(v) is float or is_weak_scalar(v) or v.shape == shape else Outline(v)
            for v, use in zip(values, kept)  # noqa: B905 - strict costs as much as the rest
        ]
        return held, out if keep_out else None

    def infer(self, *types: ArrayType) -> ArrayType:
        dtype, weak = same_dtype(self.name, types)
        if dtype.kind not in self.takes:
            raise DTypeError(f"{self.name} has no meaning for {dtype}: convert with .astype first")
        shape = broadcast_shapes(*[t.shape for t in types])
        boolean = self.returns == "bool"
        return ArrayType(shape, BOOL if boolean else dtype, weak and not shape and not boolean)

    def pullback(self, k: Any, ct: Any, args: Sequence[Any], out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        if self.routed:
            shares = self.routes(k, ct, *args, out=out)
            pulled = [
                None if need is None else s() if type(s) is FunctionType else s
                for s, need in zip(shares, needs, strict=True)
            ]
        else:
            pulled = []
            for factor, need in zip(self.partials(k, *args, out=out), needs, strict=True):
                pulled.append(None if need is None else scaled(ct, factor))
        if self.arity == 1:
            return pulled
        shape = ct.shape
        for i, arg in enumerate(args):
            c = pulled[i]
            if c is not None and arg is not None and arg.shape != shape:
                pulled[i] = sum_to(c, arg.shape)
        return pulled

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        total = None
        if not self.routed:
            factors = self.partials(k, *args, out=out)
        for i, tangent in enumerate(tangents):
            if tangent is None:
                continue
            if self.routed:
                term = self.routes(k, broadcast_to(tangent, out.shape), *args, out=out)[i]
                term = term() if type(term) is FunctionType else term
            else:
                term = scaled(tangent, factors[i])
            if term is not None:
                total = term if total is None else total + term
        return None if total is None else broadcast_to(total, out.shape)

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        rank = max(len(a.shape) - b for a, b in zip(args, batched, strict=True) if not is_weak_scalar(a))
        return apply(self, *[behind_lanes(a, rank + 1) if b else a for a, b in zip(args, batched, strict=True)])


_NOTHING = (None,)


def scaled(value: Any, factor: Any) -> Any:
    """`value * factor`, for a factor as `partials` gives it."""
    kind = type(factor)
    if kind is FunctionType:
        factor = factor()
        kind = type(factor)
    if factor is None:
        return None
    if kind is int:
        if factor == 1:
            return value
        if factor == -1:
            return -value
    return value * factor


def pointwise(cls: type[Pointwise]) -> Pointwise:
    """Class decorator: the one instance of a pointwise primitive without parameters, entered in the vocabulary."""
    prim = cls.of()
    enter(prim)
    return prim  # type: ignore[return-value]


class ByShape(Primitive):
    """Primitives whose derivative needs only the types of their arguments: no values are kept."""

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        if len(values) == 1:
            return (Outline(values[0]),), None
        return [v if is_weak_scalar(v) else Outline(v) for v in values], None
