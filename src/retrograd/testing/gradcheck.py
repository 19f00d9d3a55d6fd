"""`check_grads`: are the derivatives of a function right? If not, at which element, and which operation is to blame?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd.core.cells import Cell
from retrograd.core.dispatch import QUIET, interpreter
from retrograd.errors import GradientMismatch, RetrogradError
from retrograd.explain import backward
from retrograd.explain.differences import Difference, compare
from retrograd.explain.naming import names_in_scope
from retrograd.explain.numerals import number, place
from retrograd.explain.program import Run, sampled
from retrograd.explain.recorder import Recorder
from retrograd.explain.records import Step
from retrograd.explain.widen import Widened
from retrograd.ops import arithmetic as a
from retrograd.ops.inputs import face
from retrograd.ops.reductions import sum as _sum
from retrograd.primitives.arithmetic import STOP_GRADIENT
from retrograd.transforms.arguments import name_of
from retrograd.transforms.derivatives import grad, jvp

MODES = {"rev": "reverse", "fwd": "forward"}


@dataclass
class GradientReport:
    """What `check_grads` found right.

    Attributes:
        name: the function.
        checked: how many derivatives were compared.
        kinks: those at a corner or a jump of the function, where any value between the slopes of both sides passes.
        unchecked: those where no finite difference could be taken.
    """

    name: str
    checked: int = 0
    kinks: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.checked} derivatives agree with finite differences"]
        lines += [f"  at a kink: {what}" for what in self.kinks]
        lines += [f"  no finite difference could be taken: {what}" for what in self.unchecked]
        return "\n".join(lines)

    __repr__ = __str__


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    *,
    tolerance: float = 1e-6,
    samples: int = 32,
    seed: int = 0,
) -> GradientReport:
    """Compare the derivatives of ``f(*args)`` with finite differences, in float64.

    Every floating argument, and every parameter that `f` uses, is checked; `f` may return any arrays. Derivatives of
    order two and higher are checked as first derivatives of derivatives in random directions. Cells stay as they are.

    Args:
        f: a function of arrays, numbers, trees of them.
        args: a tuple of its arguments.
        order: up to which order.
        modes: "fwd", "rev" or both.
        tolerance: relative to the larger of 1 and the derivative.
        samples: how many elements of each array are compared.
        seed: of the random directions.

    Returns:
        A report, which lists kinks.

    Raises:
        GradientMismatch: a derivative is wrong; it names the element, and the first operation whose own derivative is.
        RetrogradError: `f` gives another result the second time, or there is nothing to check.

    >>> import retrograd as rg
    >>> check_grads(lambda x: rg.sum(rg.tanh(x) ** 2), ([0.05, 0.10],))
    <lambda>: 8 derivatives agree with finite differences
    """
    if not isinstance(args, tuple | list):
        raise RetrogradError("check_grads takes the arguments as a tuple: rg.check_grads(f, (x,))")
    if order < 1 or not modes or any(m not in MODES for m in modes):
        raise RetrogradError(f"check_grads: order from 1 on, modes among 'fwd' and 'rev'; not {order} and {modes!r}")
    check = _Check(f, args, tuple(modes), tolerance, samples, np.random.default_rng(seed))
    check.parameters()
    program: Callable[..., Any] = check.projected
    for n in range(1, order + 1):
        check.derivative(program, n)
        program = check.next_order(program)
    return check.report


class _Check:
    """One run of `check_grads`."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        modes: tuple[str, ...],
        tolerance: float,
        samples: int,
        rng: Any,
    ) -> None:
        self.run, self.modes, self.tolerance, self.samples, self.rng = Run(f, args), modes, tolerance, samples, rng
        self.name = name_of(f)
        self.report = GradientReport(self.name)
        self.snapshot: dict[Cell, Any] = {}
        outs = self.run.replay(self.snapshot, {}, {})
        again = self.run.replay(self.snapshot, {}, {})
        if not all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in zip(outs, again, strict=True)):
            raise RetrogradError(
                f"{self.name} gives another result the second time: it cannot be checked. Random numbers must come "
                "from rg.random, and nothing outside may change"
            )
        self.cotangents = [rng.normal(size=o.shape) if o.dtype.kind == "f" else None for o in outs]
        self.places = [i for i, x in enumerate(self.run.leaves) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]

    # The function as a program of its floating arguments, with one number as its result ---------------------------

    def projected(self, *xs: Any) -> Any:
        """The outputs of `f` times fixed random cotangents, summed."""
        leaves = list(self.run.leaves)
        for i, x in zip(self.places, xs, strict=True):
            leaves[i] = face(x)
        outs = self.run.call([face(x) if isinstance(x, np.ndarray) else x for x in leaves])
        terms = [_sum(a.multiply(o, ct)) for o, ct in zip(outs, self.cotangents, strict=True) if ct is not None]
        if not terms:
            raise RetrogradError(f"{self.name} returns no floating array: there is nothing to check")
        total = terms[0]
        for term in terms[1:]:
            total = a.add(total, term)
        return total

    def next_order(self, program: Callable[..., Any]) -> Callable[..., Any]:
        """The derivative of a program in a fixed random direction, as a program."""
        vs = [self.rng.normal(size=x.shape) for x in self.point()]
        if "rev" not in self.modes:
            return lambda *xs: jvp(program, tuple(xs), tuple(vs))[1]

        def directional(*xs: Any) -> Any:
            gradients = grad(program, tuple(range(len(xs))))(*xs)
            total: Any = 0.0
            for g, v in zip(gradients, vs, strict=True):
                total = a.add(total, _sum(a.multiply(g, v)))
            return total

        return directional

    def point(self) -> list[np.ndarray]:
        """The floating arguments."""
        return [self.run.leaves[i] for i in self.places]

    def evaluate(self, program: Callable[..., Any], xs: Sequence[np.ndarray]) -> Any:
        """A program's results in a fresh replay, as arrays."""
        level = Widened(self.run.below, self.snapshot)
        with level.active():
            found = program(*map(face, xs))
            return [level.array(x) for x in found] if isinstance(found, tuple | list) else level.array(found)

    # Checks -------------------------------------------------------------------------------------------------------

    def parameters(self) -> None:
        """First derivatives with respect to the parameters that `f` uses."""
        if "rev" not in self.modes:
            return
        level, outs = self.run.record()
        live = [(o, ct) for o, ct in zip(outs, self.cotangents, strict=True) if ct is not None]
        backward.run_sweep(level, [o for o, _ in live], [ct for _, ct in live])
        found = [(leaf.target, v) for leaf, v in level.leaves.items() if isinstance(leaf.target, Cell)]
        if not found and not self.places:
            raise RetrogradError(
                f"{self.name} has no floating argument and uses no parameter: there is nothing to check"
            )
        for cell, value in found:
            gradient = np.zeros(value.array.shape) if value.cotangent is None else value.cotangent
            for at in sampled(gradient, self.samples):

                def total(offset: float, cell: Cell = cell, at: Any = at, array: Any = value.array) -> float:
                    moved = np.array(array)
                    moved[at] += offset
                    outs = self.run.replay(self.snapshot, {cell: moved}, {})
                    return float(
                        sum(np.sum(o * ct) for o, ct in zip(outs, self.cotangents, strict=True) if ct is not None)
                    )

                self.judge(
                    total, value.array[at], float(gradient[at]), f"{value.name}{place(at)}", 1, "rev", self.projected
                )

    def derivative(self, program: Callable[..., Any], order: int) -> None:
        """The first derivative of a program, in every mode."""
        point = self.point()
        for mode in sorted(self.modes, reverse=True):  # reverse first: what most people use
            gradients = self.reverse(program, point) if mode == "rev" else None
            for n, x in enumerate(point):
                chosen = sampled(x if gradients is None else gradients[n], self.samples)
                for at in chosen:
                    expected = float(gradients[n][at]) if gradients is not None else self.forward(program, point, n, at)

                    def total(offset: float, n: int = n, at: Any = at) -> float:
                        moved = list(point)
                        moved[n] = np.array(moved[n])
                        moved[n][at] += offset
                        return float(self.evaluate(program, moved))

                    what = f"{self.run.names[self.places[n]]}{place(at)}"
                    self.judge(total, x[at], expected, what, order, mode, program)

    def reverse(self, program: Callable[..., Any], point: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The gradient by reverse mode."""
        if not point:
            return []
        return self.evaluate(grad(program, tuple(range(len(point)))), point)

    def forward(self, program: Callable[..., Any], point: Sequence[np.ndarray], n: int, at: Any) -> float:
        """One derivative by forward mode."""
        units = [np.zeros(x.shape) for x in point]
        units[n][at] = 1.0
        return float(self.evaluate(lambda *xs: jvp(program, xs, tuple(units))[1], point))

    def judge(
        self, total: Callable[[float], float], at: Any, expected: float, what: str, order: int, mode: str, program: Any
    ) -> None:
        """Compare one derivative.

        Raises:
            GradientMismatch: it is wrong.
        """
        with np.errstate(all="ignore"):
            found = compare(total, float(at), expected, self.tolerance)
        where = f"{what}, order {order}, {MODES[mode]} mode"
        if found.agrees:
            self.report.checked += 1
            if found.kink:
                self.report.kinks.append(where)
        elif np.isfinite(found.value) or np.isfinite(total(0.0)):
            raise GradientMismatch(self.message(what, expected, found, order, mode, program))
        else:
            self.report.unchecked.append(where)

    # Whose fault it is --------------------------------------------------------------------------------------------

    def message(self, what: str, expected: float, found: Difference, order: int, mode: str, program: Any) -> str:
        """The error: element, numbers, and the first operation that is wrong."""
        ordinal = {1: "derivative", 2: "second derivative"}.get(order, f"derivative of order {order}")
        lines = [
            f"the {ordinal} of {self.name} with respect to {what} is wrong ({MODES[mode]} mode): "
            f"{number(expected, 9)}, but finite differences give {number(found.value, 9)}"
        ]
        if found.kink:
            lines.append("  the function has a kink there, and the value lies outside the slopes of both sides")
        steps = self.steps(program)
        for step in steps:
            found_wrong = self.wrong(step, mode)
            if found_wrong is not None:
                argument, declared, real = found_wrong
                lines += [
                    f"  the first operation that is wrong is step {step.number}: "
                    f"{step.outputs[0].name} = {step.formula}",
                    *_at(step),
                    f"    along a random direction of {step.operands[argument].name} its derivative says "
                    f"{number(declared, 9)}, finite differences say {number(real, 9)}",
                ]
                return "\n".join(lines)
        stop: Any = STOP_GRADIENT
        stopped = next((s for s in steps if s.prim is stop), None)
        if stopped is not None:
            lines += [f"  step {stopped.number} stops gradients, and finite differences see through it", *_at(stopped)]
        else:
            lines.append("  every single operation has the right derivative; what is wrong is how they meet")
        return "\n".join(lines)

    def steps(self, program: Callable[..., Any]) -> list[Step]:
        """What a program does, in order."""
        level = Recorder(self.run.below, names_in_scope(self.run.f))
        level.snapshot.update(self.snapshot)
        with level.active():
            names = [self.run.names[i] for i in self.places]
            program(*[level.argument(x, n, follow=True) for x, n in zip(self.point(), names, strict=True)])
        found = [step for top in level.steps for step in top.walk()]
        for step in found:
            backward.spell(step)
        return found

    def wrong(self, step: Step, mode: str) -> tuple[int, float, float] | None:
        """The argument for which a step's own derivative is wrong, with what it says and what is right."""
        prim = step.prim
        if prim is None or step.title or not prim.differentiable:
            return None
        args = [v.array for v in step.operands]
        outs = [v.array for v in step.outputs]
        rng = np.random.default_rng(7)
        cts = [rng.normal(size=o.shape) if o.dtype.kind == "f" else None for o in outs]
        whole = outs if prim.multi else outs[0]
        for i, x in enumerate(args):
            if x.dtype.kind != "f" or not x.size:
                continue
            v = rng.normal(size=x.shape)
            declared = self.declared(prim, args, whole, cts, i, v, mode)
            if declared is None:
                continue

            def total(offset: float, i: int = i, x: Any = x, v: Any = v) -> float:
                moved = [x + offset * v if j == i else y for j, y in enumerate(args)]
                with interpreter(QUIET):
                    found = prim.evaluate(*moved)
                found = found if prim.multi else (found,)
                return float(
                    sum(np.sum(np.asarray(o) * ct) for o, ct in zip(found, cts, strict=True) if ct is not None)
                )

            with np.errstate(all="ignore"):
                real = compare(total, 0.0, declared, self.tolerance)
            if not real.agrees and not real.kink and np.isfinite(real.value):
                return i, declared, real.value
        return None

    def declared(
        self, prim: Any, args: Sequence[Any], out: Any, cts: Sequence[Any], i: int, v: np.ndarray, mode: str
    ) -> float | None:
        """What a primitive's rule says of the derivative along `v` of argument `i`, against the cotangents."""
        try:
            if mode == "rev":
                pulled = backward.pullback(prim, args, out, list(cts) if prim.multi else cts[0])
                return None if pulled is None or pulled[i] is None else float(np.sum(np.asarray(pulled[i]) * v))
            tangents = backward.pushforward(prim, args, out, i, v)
        except RetrogradError:
            return None
        if tangents is None:
            return None
        pairs = zip(tangents if prim.multi else (tangents,), cts, strict=True)
        return float(sum(np.sum(np.asarray(t) * c) for t, c in pairs if t is not None and c is not None))


def _at(step: Step) -> list[str]:
    """The user's line of a step, for a message."""
    return [] if step.site is None else [f"    at {step.site.line}"]
