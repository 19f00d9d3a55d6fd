"""What a primitive is: one small class that says everything about one operation.

The local derivative is declared exactly once, in the form that fits:

* `partials(k, *args, out)` for pointwise primitives (see `retrograd.primitives.families`);
* `transpose(ct, i, args)` for primitives linear in argument `i`: their forward derivative is the primitive itself;
* `vjp(ct, args, out)` for the rest: their forward derivative is the reverse of the reverse.

Rules are written with operators and sibling primitives, never with NumPy, so that they differentiate, batch, stage and
compile again. Only `evaluate` touches NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any, ClassVar

from retrograd.core.types import ArrayType
from retrograd.errors import MissingRule

REGISTRY: dict[str, type[Primitive]] = {}


class Primitive:
    """An operation of the engine. Instances are immutable; equal parameters give equal primitives."""

    name: ClassVar[str] = ""
    multi: ClassVar[bool] = False  # several outputs: evaluate, infer and batch give tuples
    reverse: ClassVar[bool] = True  # False: forward mode only
    differentiable: bool = True  # False: the derivative is zero everywhere, nothing is recorded
    differentiable_outputs: Sequence[bool] | None = None  # of several outputs, which; None: all of floating dtype
    linear: Any = ()  # the arguments it is linear in, one at a time (a product is, in both)
    residuals: Any = None  # primitives made of graphs: (level, values, parents) -> (outputs, what is kept)
    takes_scalars: ClassVar[bool] = False  # arguments may be Python scalars, which have no shape and no axes
    batches_exactly: ClassVar[bool] = True  # False: lanes become rows of one product, which BLAS sums in another order
    raises: ClassVar[bool] = False  # refuses some values of its operands, such as places out of range
    commutative: ClassVar[bool] = False  # its two operands may change places, to the bit
    contracts: ClassVar[bool] = False  # elements of the output are sums over the first operand's last axis
    draws: bool = False  # takes from a generator: lanes differ even where no argument does
    formula: ClassVar[str] = ""  # y = ...
    operands: Sequence[str] = ("x", "y", "z")  # what the formula calls the arguments; ("xs",) for any number of them
    derivative: ClassVar[str] = ""  # what the tables show where `partials` cannot be printed

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("name"):
            REGISTRY[cls.name] = cls

    @classmethod
    def of(cls, *params: Any) -> Primitive:
        """The primitive with these parameters, made once (a frozen dataclass costs a microsecond to make)."""
        key = (cls, params)
        found = _made.get(key)
        if found is None:
            if len(_made) > 4096:  # parameters are shapes and axes; a program that varies them must not leak
                _made.clear()
            found = _made[key] = cls(*params)
        return found

    @property
    def written_out(self) -> str:
        """The formula, with parameters written out where they would be hard to read as names."""
        return self.formula

    def evaluate(self, *args: Any) -> Any:
        """NumPy's answer: an ndarray or NumPy scalar, or a tuple of them."""
        raise NotImplementedError(f"{self.name} has no evaluate")

    def infer(self, *types: ArrayType) -> Any:
        """The type, or tuple of types, of the output. Raises `ShapeError` or `DTypeError`."""
        raise NotImplementedError(f"{self.name} has no infer")

    def batch(self, size: int, args: Sequence[Any], batched: Sequence[bool]) -> Any:
        """The output for `size` lanes at once, stacked on a new first axis; so are the `args` that are `batched`.

        A primitive with several outputs gives them and, for each, whether it has lanes: ``(outs, flags)``.
        """
        raise MissingRule(f"vmap needs a batching rule and {self.name} has none")

    def transpose(self, ct: Any, i: int, args: Sequence[Any]) -> Any:
        """The cotangent of argument `i`, in which the primitive is linear."""
        raise MissingRule(f"reverse mode needs a derivative and {self.name} declares none")

    def vjp(self, ct: Any, args: Sequence[Any], out: Any) -> Sequence[Any]:
        """The cotangents of all arguments: None for zero, or a function without arguments, called where needed."""
        raise MissingRule(f"reverse mode needs a derivative and {self.name} declares none")

    def keep(self, values: Sequence[Any], out: Any) -> tuple[Sequence[Any], Any]:
        """What a tape node holds for the derivative: (arguments, output), with None for what it does not use."""
        return values, out

    def pullback(self, k: Any, ct: Any, args: Sequence[Any], out: Any, needs: Sequence[Any]) -> Sequence[Any]:
        """The cotangents of the arguments for which `needs` is not None, from whichever form is declared."""
        if len(args) == 1 and self.linear:
            return (self.transpose(ct, 0, args),)
        if self.linear:
            return [
                self.transpose(ct, i, args) if i in self.linear and needs[i] is not None else None
                for i in range(len(needs))
            ]
        pulled = self.vjp(ct, args, out)
        return [
            None if need is None else c() if type(c) is FunctionType else c
            for c, need in zip(pulled, needs, strict=True)
        ]

    def pushforward(self, k: Any, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
        """The tangent of the output (None for zero) from those of the arguments (None for zero)."""
        from retrograd.core.dispatch import apply
        from retrograd.core.forward import reverse_of_reverse  # forward needs primitives first

        if not self.linear:
            return reverse_of_reverse(self, args, tangents, out)
        total = None
        for i, t in enumerate(tangents):
            if t is not None and i in self.linear:
                term = apply(self, *[t if j == i else a for j, a in enumerate(args)])
                total = term if total is None else total + term
        return total

    @classmethod
    def instances(cls) -> Iterator[Primitive]:
        """The choices of parameters that the laws try."""
        if not getattr(cls, "__dataclass_fields__", {}):
            yield cls.of()

    def samples(self, rng: Any) -> Iterator[tuple[Any, ...]]:
        """Arguments for the laws: derivatives below 100 in size, no kinks; float64 where it is floating."""
        return iter(())

    def kinks(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Arguments at kinks, ties, infinities and the like, and the cotangents they get of ones: our choice there."""
        return iter(())

    def __repr__(self) -> str:
        params = getattr(self, "__dataclass_fields__", {})
        inner = ", ".join(f"{n}={getattr(self, n)!r}" for n in params)
        return f"{self.name}[{inner}]" if inner else self.name


_made: dict[Any, Primitive] = {}
