"""A case is a primitive with arguments; what all laws need to run it and to compare what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrograd.core.box import Box
from retrograd.core.dispatch import apply
from retrograd.core.primitive import Primitive
from retrograd.core.types import ArrayType, is_weak_scalar, type_of

Arrays = tuple[Any, ...]


class LawBroken(AssertionError):
    """A primitive does something else than it declares."""


@dataclass(frozen=True)
class Case:
    """`prim` on `args`; the sample `number` of those it declares (the laws draw it again from other seeds)."""

    prim: Primitive
    args: Arrays
    number: int = 0

    @property
    def floats(self) -> list[int]:
        """The places of floating arguments; a Python scalar is a constant."""
        return [i for i, a in enumerate(self.args) if not is_weak_scalar(a) and a.dtype.kind == "f"]

    @property
    def inputs(self) -> Arrays:
        """The floating arguments."""
        return tuple(self.args[i] for i in self.floats)

    def merged(self, inputs: Sequence[Any]) -> list[Any]:
        """All arguments, with `inputs` in the places of the floating ones."""
        found = list(self.args)
        for i, x in zip(self.floats, inputs, strict=True):
            found[i] = x
        return found

    def function(self) -> Callable[..., Arrays]:
        """The primitive as a function of its floating arguments, giving a tuple of its differentiable outputs."""

        def f(*inputs: Any) -> Arrays:
            return differentiable(self.prim, run(self.prim, self.merged(inputs)))

        return f

    def values(self, inputs: Sequence[Any]) -> Arrays:
        """The differentiable outputs, straight from `evaluate`."""
        out = self.prim.evaluate(*self.merged(inputs))
        return differentiable(self.prim, tuple(map(np.asarray, out if self.prim.multi else (out,))))

    def again(self, seed: int) -> Case:
        """The same sample drawn from another seed."""
        found = list(self.prim.samples(np.random.default_rng(seed)))
        return Case(self.prim, found[self.number], self.number)

    def __str__(self) -> str:
        return f"{self.prim!r} on {', '.join(str(type_of(a)) for a in self.args)}"


def cases_of(prim: Primitive, seed: int = 0) -> Iterator[Case]:
    """Every sample of a primitive."""
    for number, args in enumerate(prim.samples(np.random.default_rng(seed))):
        yield Case(prim, tuple(a if type(a) in (bool, int, float) else np.asarray(a) for a in args), number)


def run(prim: Primitive, args: Sequence[Any]) -> Arrays:
    """All outputs, through the door."""
    out = apply(prim, *args)
    return tuple(out) if prim.multi else (out,)


def differentiable(prim: Primitive, outs: Sequence[Any]) -> Arrays:
    """Those of the outputs that have derivatives."""
    live = prim.differentiable_outputs
    return tuple(o for i, o in enumerate(outs) if o.dtype.kind == "f" and (live is None or live[i]))


def plain(value: Any) -> np.ndarray:
    """The ndarray of an untraced value."""
    if not isinstance(value, Box):
        return np.asarray(value)
    while isinstance(value, Box):
        value = value.value
    if type(value) is not np.ndarray:
        raise LawBroken(f"a tensor holds {type(value).__name__}, not an ndarray")
    return value


def plains(values: Sequence[Any]) -> list[np.ndarray]:
    """The ndarrays of untraced values."""
    return [plain(v) for v in values]


def directions(arrays: Sequence[Any], seed: int) -> Arrays:
    """Random arrays of the same shapes and dtypes; float32 holds them exactly, so that conversions lose nothing."""
    rng = np.random.default_rng(seed)
    return tuple(np.asarray(rng.normal(size=a.shape), np.float32).astype(a.dtype) for a in arrays)


def types_of(arrays: Sequence[Any]) -> list[ArrayType]:
    """The types of values."""
    return [type_of(a) for a in arrays]


def same_bits(a: Any, b: Any) -> bool:
    """Equal in shape, dtype, and every bit but the payload of NaN."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    nan = np.isnan(a)
    return bool(
        (nan == np.isnan(b)).all() and ((a == b) | nan).all() and ((np.signbit(a) == np.signbit(b)) | nan).all()
    )


def need_same(found: Sequence[Any], wanted: Sequence[Any], what: str) -> None:
    """Raise unless all are equal bit for bit."""
    for i, (f, w) in enumerate(zip(plains(found), plains(wanted), strict=True)):
        if not same_bits(f, w):
            raise LawBroken(f"{what}, value {i}: {type_of(f)} {f!r}\nis not {type_of(w)} {w!r}")


def need_close(found: Any, wanted: Any, tolerance: float, what: str) -> None:
    """Raise unless the error relative to max(1, |value|) is within `tolerance` everywhere."""
    found, wanted = plain(found), plain(wanted)
    if found.shape != wanted.shape:
        raise LawBroken(f"{what}: shape {found.shape} is not {wanted.shape}")
    if not found.size:
        return
    error = np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted))
    if not np.isfinite(error).all() or error.max() > tolerance:
        worst = np.unravel_index(np.nanargmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        raise LawBroken(
            f"{what} at {tuple(map(int, worst))}: {found[worst]!r} is not {wanted[worst]!r} "
            f"(relative error {error[worst]:.1e}, allowed {tolerance:.0e})"
        )
