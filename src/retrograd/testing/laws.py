"""The laws by name, and the check of one primitive against all of them."""

from __future__ import annotations

from collections.abc import Iterable

from retrograd.core.primitive import Primitive
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
    "empty": execution_laws.empty,
    "staged": execution_laws.staged,
    "unmutated": execution_laws.unmutated,
    "layouts": execution_laws.layouts,
    "scalars": execution_laws.scalars,
}
NEED_REVERSE = {"reverse", "inner product", "record", "kinks", "kept"}


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
