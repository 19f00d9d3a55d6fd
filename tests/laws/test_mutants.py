"""Every rule made wrong in every small way: a law has to notice."""

import numpy as np
import pytest

from retrograd.primitives.catalogue import catalogue
from retrograd.primitives.exponential import Real
from retrograd.primitives.trigonometric import TANH
from retrograd.testing import Case, mutants_of, try_mutants
from retrograd.testing.mutants import Mutant, by_argument

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # mutants divide by what they should not

# Mutants that give the same bits as the rule itself, each with the reason. There is none so far.
EQUIVALENT: dict[str, str] = {}

PRIMITIVES = catalogue()


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_mutant_is_killed(name):
    verdicts = try_mutants(PRIMITIVES[name])
    survivors = [v.change for v in verdicts if v.end == "survived"]
    equivalent = [v.change for v in verdicts if v.end == "equivalent"]
    assert survivors == []
    assert [change for change in equivalent if change not in EQUIVALENT] == []


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_with_a_derivative_has_mutants_of_every_argument(name):
    cls = PRIMITIVES[name]
    if not any(prim.differentiable and not getattr(prim, "piecewise_constant", False) for prim in cls.instances()):
        return  # a derivative of zero cannot be got wrong
    mutants = mutants_of(cls)
    for prim in cls.instances():
        tried = {id(case): case for m in mutants for case, _ in m.cases if case.prim == prim}.values()
        for i in {i for case in tried for i, counts in by_argument(case).items() if counts}:
            assert any(f"of argument {i}" in m.change or f"by argument {i}" in m.change for m in mutants)
    assert mutants


def test_a_law_that_is_missing_lets_a_mutant_survive(monkeypatch):
    monkeypatch.setattr("retrograd.testing.mutants.JUDGES", ("kinks",))
    assert "survived" in {v.end for v in try_mutants(PRIMITIVES["sin"])}


def test_a_mutant_that_changes_nothing_is_equivalent():
    case = Case(TANH, (np.array([0.5, 1.0]),))
    assert Mutant("tanh", "nothing", [(case, TANH)]).verdict().end == "equivalent"


def test_terms_and_factors_of_the_expression_are_removed():
    changes = [m.change for m in mutants_of(PRIMITIVES["tanh"]) if "rule" in m.change]
    # ct * (1 - out * out), backward and forward: each of two products and the difference loses either operand
    assert len(changes) == 12
    assert any("subtract number 0 becomes operand 0" in c for c in changes)


def test_the_rule_of_a_wrong_primitive_is_noticed():
    class Wrong(Real):
        r"""Wrong on purpose."""

        evaluate = staticmethod(np.tanh)

        def partials(self, k, x, *, out):
            return (1.0 - out,)

    case = Case(Wrong(), (np.array([0.5, 1.0]),))
    assert Mutant("wrong", "the rule itself", [(case, Wrong())]).killer() == "reverse"
