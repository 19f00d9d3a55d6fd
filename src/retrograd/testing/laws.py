"""The laws by name, and the check of one primitive against all of them."""

from __future__ import annotations

from collections.abc import Iterable

from retrograd.core.primitive import Primitive
from retrograd.primitives.families import Pointwise
from retrograd.testing import derivative_laws, execution_laws
from retrograd.testing.cases import LawBroken, cases_of
from retrograd.testing.derivative_laws import Law

LAWS: dict[str, Law] = {
    "infer": execution_laws.infer,
    "dtype": execution_laws.dtype,
    "reverse": derivative_laws.reverse,
    "forward": derivative_laws.forward,
    "inner product": derivative_laws.inner_product,
    "second order": derivative_laws.second,
    "third order": derivative_laws.third,
    "repeated": derivative_laws.repeated,
    "kinks": derivative_laws.kinks,
    "record": execution_laws.record,
    "kept": execution_laws.kept,
    "batch": execution_laws.batch,
    "nested batch": execution_laws.nested_batch,
    "empty": execution_laws.empty,
    "staged": execution_laws.staged,
    "unmutated": execution_laws.unmutated,
    "layouts": execution_laws.layouts,
    "scalars": execution_laws.scalars,
}
NEED_REVERSE = {"reverse", "inner product", "record", "kinks", "kept"}


NEED_DERIVATIVE = {"second order", "third order", "repeated", "forward"} | NEED_REVERSE


def laws_of(prim: Primitive) -> list[str]:
    """The laws that say something about `prim`."""
    found = []
    for name in LAWS:
        constant = not any(p.differentiable for p in type(prim).instances())
        if (name in NEED_REVERSE and not prim.reverse) or (name in NEED_DERIVATIVE and constant):
            continue
        if name == "kinks" and not any(any(True for _ in p.kinks()) for p in type(prim).instances()):
            continue
        if (name == "scalars" and not isinstance(prim, Pointwise)) or (name == "kept" and prim.residuals is not None):
            continue
        if name == "repeated" and not any(len(case.floats) > 1 for case in cases_of(prim)):
            continue
        if name in ("batch", "nested batch", "empty") and (prim.draws or not any(case.args for case in cases_of(prim))):
            continue
        if name == "dtype" and prim.residuals is not None:
            continue
        found.append(name)
    return found


def check_primitive(prim: Primitive, laws: Iterable[str] = LAWS) -> dict[str, int]:
    """Try every law on every sample of `prim`.

    Returns:
        For each law, the number of samples on which it was tried.

    Raises:
        LawBroken: at the first law that does not hold.
    """
    cases = list(cases_of(prim))
    if not cases:
        raise LawBroken(f"{prim!r} has no samples")
    counts = {}
    for name in laws:
        if name in NEED_REVERSE and not prim.reverse:
            continue
        for case in cases:
            LAWS[name](case)
        counts[name] = len(cases)
    return counts
