"""What an explanation knows, as plain records. Every printer (text today; LaTeX and HTML later) reads these alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrograd.core.primitive import Primitive
from retrograd.explain.naming import Site

Place = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Value:
    """A number or an array of the program.

    Attributes:
        name: what the explanation calls it: the user's own name where there is one.
        array: what it holds; float64 wherever it is floating.
        kind: "argument", "parameter", "cell", "captured", "constant", "part" (an element of another value that a loop
            takes), "number" (written in the code) or "step".
        leaf: a gradient is wanted for it.
        cotangent: the derivative of the output with respect to it; None where nothing arrived.
        received: what its consumers handed back, in the order in which the sweep added it up.
        traced: the place of the element whose numbers are followed: from the result back, the one that matters most.
        same_as: the value outside a block that this one stands for inside it.
    """

    name: str
    array: np.ndarray
    kind: str
    leaf: bool = False
    cotangent: np.ndarray | None = None
    received: list[Contribution] = field(default_factory=list)
    traced: Place | None = None
    same_as: Value | None = None

    @property
    def is_float(self) -> bool:
        return self.array.dtype.kind == "f"

    @property
    def focus(self) -> Any:
        """The traced element."""
        return self.array[self.traced or ()]

    def arrivals(self) -> Iterator[Contribution]:
        """What single operations handed back, those inside blocks one by one."""
        for c in self.received:
            if c.inside is None:
                yield c
            else:
                yield from c.inside.arrivals()


@dataclass(eq=False, slots=True)
class Term:
    """One product of a chain: what arrived at element `at` of an output, times how that element depends on another."""

    at: Place
    upstream: float
    local: float

    @property
    def product(self) -> float:
        return self.upstream * self.local


@dataclass(eq=False, slots=True)
class Contribution:
    """What one step hands back to one of its arguments: upstream times local derivative.

    Attributes:
        step: the step that hands it back.
        argument: which argument of the step.
        value: the value that receives it.
        array: the contribution.
        local: the local derivative in names, "" where the primitive has none to print.
        factor: the local derivative itself, for pointwise steps.
        terms: upstream times local, term by term, for the traced element of `value`; None where they were not taken.
        inside: for a block, the value inside it that this comes from.
    """

    step: Step
    argument: int
    value: Value
    array: np.ndarray
    local: str = ""
    factor: np.ndarray | None = None
    terms: list[Term] | None = None
    inside: Value | None = None


@dataclass(eq=False, slots=True)
class Step:
    """One operation of the program, or a block of them that opens.

    Attributes:
        number: "3", or "3.2" for the second step inside the third.
        prim: the primitive; None for an iteration of a loop.
        operands: its arguments.
        outputs: its results.
        site: the user's source, where it is known.
        title: what a block is ("call of layer", "iteration 2 of 10"); "" for an operation. A block is differentiated
            step by step; an operation as a whole.
        formula: the operation in names.
        terms: for linear operations, the products (coefficient, element) that add up to the traced element.
        inside: the steps of a block; of an operation with a declared derivative, what it computes.
        backward: the steps of a declared derivative.
        upstream: what arrived at the outputs, None where nothing did.
        contributions: what it handed back.
        visit: when the sweep came by, counted from 1; 0 if it never did.
        note: something a reader has to know.
    """

    number: str
    prim: Primitive | None
    operands: list[Value]
    outputs: list[Value] = field(default_factory=list)
    site: Site | None = None
    title: str = ""
    formula: str = ""
    terms: list[tuple[float, float]] | None = None
    inside: list[Step] = field(default_factory=list)
    backward: list[Step] = field(default_factory=list)
    upstream: list[Any] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    visit: int = 0
    note: str = ""

    def walk(self) -> Iterator[Step]:
        """This step and all inside it."""
        yield self
        for step in self.inside:
            yield from step.walk()


@dataclass(frozen=True, slots=True)
class Check:
    """One element of a gradient beside what finite differences say.

    Attributes:
        place: the element.
        gradient: what the sweep gave.
        difference: what the five-point stencil gave.
        agrees: whether they agree.
        kink: the function has a corner or a jump here: any value between the slopes of both sides is right.
    """

    place: Place
    gradient: float
    difference: float
    agrees: bool
    kink: bool = False

    @property
    def error(self) -> float:
        """The difference relative to the larger of 1 and the gradient."""
        return abs(self.gradient - self.difference) / max(1.0, abs(self.gradient))


@dataclass(eq=False, slots=True)
class Gradient:
    """The gradient of one leaf, and the elements of it that were checked."""

    value: Value
    array: np.ndarray
    checks: list[Check] = field(default_factory=list)
