"""`trace_nan`: eager evaluation that looks at every result, forward and backward.

It is a base of its own that stands where `EVALUATE` does, so whoever does not ask for it pays nothing. Loops, branches
and jitted functions run equation by equation on it, and each equation knows its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import ref

import numpy as np

from retrograd.core.cells import Cell
from retrograd.core.dispatch import Evaluate, current, for_derivative, interpreter
from retrograd.core.primitive import Primitive
from retrograd.core.source import Line, at_line, is_tentative, standing, user_line
from retrograd.errors import NonFiniteError, RetrogradError
from retrograd.graph.ir import Equation, Graph, Literal, Var
from retrograd.primitives.families import Pointwise
from retrograd.transforms.debugging import Lined
from retrograd.transforms.nonfinite import Finding, Origin, finite, floats, name_of_array
from retrograd.transforms.remedies import suggestion
from retrograd.transforms.unfolding import unfold

_phase: ContextVar[str] = ContextVar("phase", default="forward")
_MADE = {"backward": "what it hands on", "tangent": "the tangent"}
REMEMBERED = 4096  # arrays that are not finite; those that are gone are forgotten when there are more


class Watching(Lined):
    """Eager evaluation that stops at the first value that is not finite.

    Args:
        recording: as in `Evaluate`.
        infinities: whether infinities count, or NaN alone.
    """

    unfolds = True

    def __init__(self, recording: bool, infinities: bool) -> None:
        super().__init__(recording)
        self.infinities = infinities
        self.origins: dict[int, tuple[Any, Origin]] = {}

    # Operations -------------------------------------------------------------------------------------------------------

    def perform(self, prim: Primitive, args: list[Any]) -> Any:
        if prim.residuals is not None:
            with interpreter(self):
                found = self.unfolded(prim, args)
            if found is not None:
                return found
        out = super().perform(prim, args)
        line = standing()
        if line is None or not line.derivative:  # what a rule is made of is judged by what the rule hands on
            self._judge(prim, args, out)
        return out

    def unfolded(self, prim: Primitive, args: Sequence[Any]) -> Any:
        above = standing()
        if above is None or above.phase == "forward":
            return unfold(prim, args)
        # A derivative that the user declared: its equations stand at lines of their own, which do not say what for.
        token = _phase.set(above.phase)
        try:
            return unfold(prim, args)
        finally:
            _phase.reset(token)

    def _judge(self, prim: Primitive, args: Sequence[Any], out: Any) -> None:
        outs = floats(out)
        if finite(outs):
            return
        operands = [(n, a[0]) for n, a in zip(_names(prim, args), map(floats, args), strict=True) if a]
        arrays = [a for _, a in operands]
        for o in outs:
            fresh = self._fresh(prim, arrays, o)
            if fresh.any():
                phase, pointwise = _phase.get(), isinstance(prim, Pointwise)
                what, declared = "the result", phase != "forward"
                self._found(
                    Finding(prim.name, phase, user_line(), operands, [], o, fresh, pointwise, what, declared), outs
                )
                return
        self._inherit(prim, operands, outs)

    def _bad(self, array: np.ndarray) -> np.ndarray:
        return ~np.isfinite(array) if self.infinities else np.isnan(array)

    def _fresh(self, prim: Primitive, arrays: Sequence[np.ndarray], out: np.ndarray) -> np.ndarray:
        """Where `out` is not finite and no operand is to blame: a NaN needs a NaN, an infinity something infinite."""
        nan, infinite = np.isnan(out), np.isinf(out) & self.infinities
        if isinstance(prim, Pointwise):
            given_nan, given_bad = np.zeros(out.shape, bool), np.zeros(out.shape, bool)
            for a in arrays:
                given_nan |= np.isnan(a)
                given_bad |= ~np.isfinite(a)
        else:
            given_nan = np.asarray(any(np.isnan(a).any() for a in arrays))
            given_bad = np.asarray(not finite(arrays))
        return np.asarray((nan & ~given_nan) | (infinite & ~given_bad))

    def _found(self, finding: Finding, outs: Sequence[np.ndarray]) -> None:
        """Raise, unless nobody may want the value: then whoever uses it gets the error."""
        earlier = [self._origin(a) for _, a in (*finding.args, *finding.given) if self._bad(a).any()]
        error = finding.error(suggestion(finding), [o.text for o in earlier if o is not None and o.error is None])
        if not (is_tentative() or (finding.line is not None and finding.line.tentative)):
            raise error
        for out in outs:
            self._remember(out, Origin("", error))

    # Where values that are not finite came in -------------------------------------------------------------------------

    def _inherit(self, prim: Primitive, operands: Sequence[tuple[str, np.ndarray]], outs: Sequence[np.ndarray]) -> None:
        if not any(self._bad(o).any() for o in outs):
            return
        name, blamed = next(((n, a) for n, a in operands if self._bad(a).any()), ("", None))
        if blamed is None:
            return
        origin = self._origin(blamed)
        if origin is not None and origin.error is not None and not is_tentative():
            raise origin.error
        if origin is None:
            origin = self._came_in(prim, name, blamed)
        for out in outs:
            self._remember(out, origin)

    def _came_in(self, prim: Primitive, name: str, array: np.ndarray) -> Origin:
        own = name_of_array(array)
        line = user_line()
        bad = self._bad(array)
        first = [int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape)]
        where = f" (first at {first})" if first else ""
        return Origin(
            f"{own or f'operand {name}'} held {int(np.count_nonzero(bad))} of {array.size} values that are not finite"
            f"{where} before {prim.name} first used it{f' at {line}' if line else ''}: given so, not computed here"
        )

    def _remember(self, array: np.ndarray, origin: Origin) -> None:
        if len(self.origins) > REMEMBERED:
            self.origins = {k: v for k, v in self.origins.items() if v[0]() is not None}
        self.origins[id(array)] = (ref(array), origin)

    def _origin(self, array: Any) -> Origin | None:
        """What is known of an array, or of what it is a view of."""
        while isinstance(array, np.ndarray):
            held, origin = self.origins.get(id(array), (lambda: None, None))
            if held() is array:
                return origin
            array = array.base
        return None

    # Derivatives ------------------------------------------------------------------------------------------------------

    def sweeping(self, rule: Any, outputs: Sequence[Any] = ()) -> Any:
        self._check_outputs(outputs)
        named = super().sweeping(rule)
        expected, first = False, True  # cotangents that are not finite: the user's own, or let pass before

        def watched(node: Any, cotangent: Any) -> Any:
            nonlocal expected, first
            line = for_derivative(node) or _marked(node.prim.name, "backward")
            given = floats(cotangent)
            fine = finite(given)
            expected, first = expected or (first and not fine), False
            if not fine and not expected:
                self._overflowed(given, line)
            token = _phase.set("backward")
            try:
                with at_line(line):
                    handed = named(node, cotangent)
            finally:
                _phase.reset(token)
            if fine:
                held = [("its result", a) for a in floats(node.out)[:1] if not node.prim.multi]
                came = [("cotangent", g) for g in given]
                self._judge_rule(node.prim, line, node.args or (), [*held, *came], handed, "backward")
            expected = expected or not finite(floats(handed))
            return handed

        return watched

    def pushing(self, push: Any) -> Any:
        def watched(prim: Primitive, args: Sequence[Any], tangents: Sequence[Any], out: Any) -> Any:
            above = standing()
            line = _marked(prim.name, "tangent")
            with at_line(line):
                found = push(prim, args, tangents, out)
            given = floats(list(tangents))
            if finite(given) and (above is None or not above.derivative):
                self._judge_rule(prim, line, args, [("tangent", g) for g in given], found, "tangent")
            return found

        return watched

    def _judge_rule(
        self, prim: Primitive, line: Line | None, args: Sequence[Any], given: Any, handed: Any, phase: str
    ) -> None:
        """What a rule hands on must be finite if what it was given is."""
        results = floats(handed)
        if finite(results):
            return
        operands = [(n, a) for n, x in zip(_names(prim, args), args, strict=True) for a in floats(x)[:1]]
        for o in results:
            bad = self._bad(o)
            if bad.any():
                name = line.derivative if line is not None else prim.name
                pointwise = isinstance(prim, Pointwise)
                self._found(Finding(name, phase, line, operands, given, o, bad, pointwise, _MADE[phase]), results)

    def _check_outputs(self, outputs: Sequence[Any]) -> None:
        """A scalar that is to be differentiated must be finite."""
        for y in outputs:
            for array in floats(y):
                if array.shape != () or not self._bad(array).any():
                    continue
                origin = self._origin(array)
                if origin is not None and origin.error is not None:
                    raise origin.error
                line = user_line()
                text = origin.text if origin is not None else "it was so before trace_nan() began, or was given so"
                advice = "fill such values in, drop them, or select with rg.where before they are used"
                raise NonFiniteError(
                    f"the value to differentiate is {array}{f', at {line}' if line else ''}\n  {text}\n  {advice}",
                    operation="", phase="forward", line=line, suggestion=advice,
                )  # fmt: skip

    def _overflowed(self, given: Sequence[np.ndarray], line: Line | None) -> None:
        for g in given:
            if self._bad(g).any():
                self._found(
                    Finding("add", "backward", line, [], [], g, self._bad(g), False, "the sum of the cotangents"), given
                )

    # Graphs -----------------------------------------------------------------------------------------------------------

    def stepping(self, graph: Graph, run: Callable[[Equation, Sequence[Any]], Any]) -> Any:
        """Equations of derivatives are judged together: those that share a line object are one rule."""
        regions = _regions(graph)
        if not regions:
            return run
        spoiled: set[Var] = set()
        seen: dict[int, dict[Var, np.ndarray]] = {}

        def step(e: Equation, values: Sequence[Any]) -> Any:
            out = run(e, values)
            region = regions.get(id(e.line))
            if region is None:
                return out
            operands = seen.setdefault(id(e.line), {})
            for o, v in zip(e.operands, values, strict=True):
                if isinstance(o, Var) and o in region.takes:
                    operands.update((o, a) for a in floats(v)[:1])
            inherits = not spoiled.isdisjoint(region.given)
            for var, value in zip(e.outs, out if e.prim.multi else (out,), strict=True):
                found = floats(value)
                if finite(found):
                    continue
                if inherits:
                    spoiled.add(var)
                elif var in region.leaves:
                    self._judge_region(e, region, operands, found)
                    spoiled.add(var)
            return out

        return step

    def _judge_region(
        self, e: Equation, region: _Region, operands: dict[Var, np.ndarray], found: Sequence[np.ndarray]
    ) -> None:
        rounds = user_line()
        line = e.line if rounds is None else e.line._replace(rounds=rounds.rounds)
        letters = iter("xyzuvw")
        args = [(next(letters, "?"), a) for v, a in operands.items() if v not in region.given]
        came = "tangent" if line.phase == "tangent" else "cotangent"
        given = [(came, a) for v, a in operands.items() if v in region.given]
        for o in found:
            bad = self._bad(o)
            if bad.any():
                self._found(
                    Finding(line.derivative, line.phase, line, args, given, o, bad, True, _MADE[line.phase]), found
                )

    # Cells ------------------------------------------------------------------------------------------------------------

    def assign(self, cell: Cell, value: Any, only_if: Any = None) -> None:
        self._check_parameter(cell, value)
        super().assign(cell, value, only_if)

    def assign_all(self, changes: Sequence[tuple[Cell, Any, Any]]) -> None:
        for cell, value, _ in changes:
            self._check_parameter(cell, value)
        super().assign_all(changes)

    def _check_parameter(self, cell: Cell, value: Any) -> None:
        """A parameter never takes a value that is not finite."""
        if not cell.requires_grad or value is None:
            return
        for array in floats(value):
            bad = self._bad(array)
            if bad.any():
                text = [o.text for o in [self._origin(array)] if o is not None]
                held = [(cell.name, cell.array)] if cell.array is not None else []
                finding = Finding("assign", "forward", user_line(), held, [], array, bad, False, "the new value")
                raise finding.error("the update, or what was loaded, is not finite: see its gradient", text)


def _marked(operation: str, phase: str) -> Line | None:
    line = user_line()
    return None if line is None else line.of_derivative(operation, phase)


def _names(prim: Primitive, args: Sequence[Any]) -> list[str]:
    """What the formula calls the operands."""
    known = list(prim.operands)
    return [known[i] if i < len(known) and len(known) > 1 else f"x{i}" for i in range(len(args))]


class _Region:
    """Equations that make up one derivative: what they take from elsewhere, and what others take from them."""

    def __init__(self) -> None:
        self.takes: set[Var] = set()
        self.given: set[Var] = set()  # of what it takes, what comes from other derivatives: cotangents
        self.leaves: set[Var] = set()


def _regions(graph: Graph) -> dict[int, _Region]:
    found = graph.derived.get("regions")
    if found is not None:
        return found
    regions: dict[int, _Region] = {}
    maker: dict[Var, int] = {}
    for e in graph.equations:
        own = id(e.line) if e.line is not None and e.line.derivative else 0
        region = regions.setdefault(own, _Region()) if own else None
        for o in e.operands:
            if isinstance(o, Literal):
                continue
            source = maker.get(o, 0)
            if region is not None and source != own:
                region.takes.add(o)
                if source:
                    region.given.add(o)
            if source and source != own:
                regions[source].leaves.add(o)
        maker.update(dict.fromkeys(e.outs, own))
    for o in graph.outputs:
        if isinstance(o, Var) and maker.get(o):
            regions[maker[o]].leaves.add(o)
    graph.derived["regions"] = regions
    return regions


@contextmanager
def trace_nan(*, infinities: bool = True) -> Iterator[None]:
    """Within the context the first value that is not finite raises, forward or backward, and its line is named.

    The error says which operation it was, what its operands hold, the user's line, the iteration of a loop, and what
    to try where the pattern is known. Transforms, jitted functions, loops, `Trainer.fit` and optimisers may run inside;
    jitted functions and loops run operation by operation on NumPy, so everything is much slower than outside. Outside
    nothing is looked at, and nothing costs more.

    What counts, in three rules:

    * *Forward*, an operation is reported if it makes a NaN although no operand holds one, or an infinity although all
      operands are finite. So data with missing values, a mask of ``-inf`` before a softmax, and a constant infinity
      pass, as long as no new trouble comes of them. (Elementwise operations are judged element by element.)
    * A *scalar to be differentiated* must be finite. If it is not because of what was given, the error names the
      variable that held it and the line that used it first.
    * *Backward* (and for tangents) an operation is reported if it hands on something that is not finite although what
      it was given is. That is how ``0 * inf`` behind a `where` is found.

    A parameter that is assigned something that is not finite is reported too. Where lanes of `vmap` take different arms
    of a `cond`, only what is selected counts. Cells are left as the last completed iteration, or call, left them.

    Args:
        infinities: False to report NaN alone.

    Raises:
        NonFiniteError: within the context, as said.
        RetrogradError: if it is entered inside a transform or a traced function; put it around their call.

    >>> import retrograd as rg
    >>> with rg.trace_nan():
    ...     rg.log(rg.tensor([1.0, 0.0]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    retrograd.errors.NonFiniteError: log gave -inf, at ...
      x: float32[2], from 0 to 1, 1 zero
      the result: 1 of 2 not finite; the first at [1], where x = 0
      log of 0 is -inf: in a loss, ...
    """
    active = current()
    if not isinstance(active, Evaluate):
        raise RetrogradError(
            f"trace_nan() inside {active.describe()}: enter it around the outermost call; it looks into transforms and "
            "jitted functions from there"
        )
    with interpreter(Watching(active.recording, infinities)):
        yield
