"""A slow interpreter of loop programs: the specification of what the compiled code has to do.

Every statement works on whole spaces at once, with NumPy, on memory that is addressed as the program says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from retrograd.core.primitive import REGISTRY
from retrograd.native.loops.ir import (
    ArgMax,
    Buffer,
    Check,
    Constant,
    Counter,
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
)

COMBINE = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


def interpret(program: LoopProgram, values: Sequence[Any]) -> list[np.ndarray]:
    """The output buffers, flat, for inputs that fit.

    Raises:
        Exception: what the program's check says, at the first point that fails it.
    """
    return _Run(program, values).outputs()


class _Run:
    """Memory, and the statements that change it."""

    def __init__(self, program: LoopProgram, values: Sequence[Any]) -> None:
        self.program = program
        self.memory: dict[Buffer, np.ndarray] = {}
        self.counters: dict[Counter, int] = {}
        for b, v in zip(program.inputs, values, strict=True):
            self.memory[b] = np.array(v, b.dtype).reshape(-1)  # outputs may lie in its memory
        for b in (*program.outputs, *program.buffers):
            self.memory[b] = np.zeros(b.size, b.dtype)

    def outputs(self) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            self.run(self.program.body)
        return [self.memory[root(b)] for b in self.program.outputs]  # type: ignore[index]

    def run(self, body: Sequence[Any]) -> None:
        for s in body:
            STEPS[type(s)](self, s)

    # Memory -----------------------------------------------------------------------------------------------------------

    def array(self, view: View) -> np.ndarray:
        """The elements of a view, as a view of the memory."""
        buffer = root(view.buffer)
        assert buffer is not None
        memory = self.memory[buffer]
        if 0 in view.shape:
            return np.empty(view.shape, view.dtype)
        at = view.offset + sum(self.counters[c] * s for c, s in view.terms)
        steps = [s * memory.itemsize for s in view.strides]
        return np.lib.stride_tricks.as_strided(memory[at:], view.shape, steps)

    def values(self, space: tuple[int, ...], wanted: Sequence[Expr], product: Any = None) -> dict[int, Any]:
        """Every expression at every point."""
        found: dict[int, Any] = {}
        for e in expressions(wanted):
            args = [found[id(a)] for a in e.args]
            found[id(e)] = np.broadcast_to(self._value(e, args, space, product), space)
        return found

    def _value(self, e: Expr, args: list[Any], space: tuple[int, ...], product: Any) -> Any:
        if e.op == "const":
            return np.asarray(e.attr, e.dtype)
        if e.op == "product":
            return product
        if e.op == "counter":
            return np.asarray(self.counters[e.attr], e.dtype)
        if e.op == "load":
            return self.array(e.attr) if e.attr.buffer is not None else self._numbers(e.attr)
        if e.op == "fetch":
            places = self._numbers(e.attr) + args[0]
            buffer = root(e.attr.buffer)
            assert buffer is not None
            return self.memory[buffer][places]
        if e.op == "convert":
            return args[0].astype(e.dtype)
        return np.asarray(REGISTRY[e.op].of().evaluate(*args)).astype(e.dtype)

    def _numbers(self, view: View) -> np.ndarray:
        """For each point how far it is from the beginning."""
        total = np.full((), view.offset + sum(self.counters[c] * s for c, s in view.terms), np.int64)
        for d, (n, s) in enumerate(zip(view.shape, view.strides, strict=True)):
            steps = np.arange(n) * s
            total = total + steps.reshape(n, *(1,) * (len(view.shape) - d - 1))
        return np.broadcast_to(total, view.shape)

    # Statements -------------------------------------------------------------------------------------------------------

    def nest(self, s: Nest) -> None:
        product = None
        if s.product is not None:
            product = np.matmul(self.array(s.product.a), self.array(s.product.b))
        found = self.values(s.space, roots(s), product)
        self.check(s.checks, found)
        for r in s.reduces:
            kept = tuple(1 if a else n for n, a in zip(s.space, r.axes, strict=True))
            out = self.array(replace(r.view, shape=kept))
            axes = tuple(i for i, a in enumerate(r.axes) if a)
            x = found[id(r.value)]
            out[...] = self.reduced(r.op, x, axes)
        for w in s.stores:
            self.array(w.view)[...] = found[id(w.value)]

    @staticmethod
    def reduced(op: str, x: Any, axes: tuple[int, ...]) -> Any:
        if op in ("add", "multiply"):
            return COMBINE[op].reduce(x, axis=axes, dtype=x.dtype, keepdims=True)
        bounds: dict[str, tuple[Any, Any]] = {"f": (-np.inf, np.inf), "b": (False, True)}
        of_nothing = bounds.get(x.dtype.kind, (None, None))[op == "minimum"]
        return COMBINE[op].reduce(x, axis=axes, keepdims=True, initial=of_nothing if 0 in x.shape else np._NoValue)

    def check(self, checks: Sequence[Check], found: dict[int, Any]) -> None:
        for c in checks:
            bad = found[id(c.bad)]
            if bad.any():
                raise self.program.errors[c.site](int(found[id(c.value)][bad][0]))

    def scatter(self, s: Scatter) -> None:
        found = self.values(s.space, roots(s))
        self.check(s.checks, found)
        buffer = root(s.out.buffer)
        assert buffer is not None
        np.add.at(self.memory[buffer], self._numbers(s.out) + found[id(s.at)], found[id(s.value)])

    def draw(self, s: Draw) -> None:
        words, following = REGISTRY["random_bits"].of(s.out.shape).evaluate(self.array(s.state).copy())
        self.array(s.out)[...] = words
        self.array(s.following)[...] = following

    def argmax(self, s: ArgMax) -> None:
        self.array(s.out)[...] = (np.argmin if s.least else np.argmax)(self.array(s.x), axis=-1)

    def host(self, s: Host) -> None:
        operands = [o.value if isinstance(o, Constant) else self.array(o).copy() for o in s.operands]
        outs = s.prim.evaluate(*operands)
        for view, out in zip(s.outs, outs if s.prim.multi else (outs,), strict=True):
            self.array(view)[...] = out

    def loop(self, s: Loop) -> None:
        for i in range(s.count):
            self.counters[s.counter] = s.count - 1 - i if s.backwards else i
            self.run(s.body)

    def repeat(self, s: While) -> None:
        self.run(s.test)
        while self.array(s.flag)[()]:
            self.run(s.body)
            self.run(s.test)

    def branch(self, s: If) -> None:
        self.run(s.yes if self.array(s.flag)[()] else s.no)


STEPS: dict[type, Any] = {
    Nest: _Run.nest, Scatter: _Run.scatter, Draw: _Run.draw, ArgMax: _Run.argmax, Host: _Run.host, Loop: _Run.loop,
    While: _Run.repeat, If: _Run.branch,
}  # fmt: skip
