"""Catalogue x samples x laws: what every primitive has to keep, declared nowhere but on the primitive itself."""

import numpy as np
import pytest

from retrograd.core.primitive import REGISTRY
from retrograd.errors import MissingRule
from retrograd.primitives.catalogue import catalogue, family_of
from retrograd.testing import LAWS, cases_of, check_primitive
from retrograd.transforms.derivatives import vjp

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # kinks divide by zero on purpose
SLOW = {"third order"}
PRIMITIVES = catalogue()


def pairs():
    for name in PRIMITIVES:
        for law in LAWS:
            yield pytest.param(name, law, id=f"{law}-{name}", marks=[pytest.mark.deep] if law in SLOW else [])


@pytest.mark.parametrize("name, law", list(pairs()))
def test_law(name, law):
    for prim in PRIMITIVES[name].instances():
        check_primitive(prim, [law])


@pytest.mark.parametrize("name", PRIMITIVES)
def test_every_primitive_has_instances_with_samples_a_formula_and_a_docstring(name):
    cls = PRIMITIVES[name]
    instances = list(cls.instances())
    assert instances
    assert all(list(cases_of(prim)) for prim in instances)
    assert cls.formula
    assert len(cls.__doc__) > 20
    assert family_of(cls)
    assert REGISTRY[name] is cls


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_with_a_derivative_is_sampled_where_it_is_not_zero(name):
    """A law about derivatives says nothing where all of them vanish."""
    cls = PRIMITIVES[name]
    found = []
    for prim in cls.instances():
        if prim.differentiable and prim.reverse and not getattr(prim, "piecewise_constant", False):
            for case in cases_of(prim):
                outs, pull = vjp(case.function(), *case.inputs)
                found += [np.any(np.asarray(g) != 0) for g in pull(tuple(np.ones(o.shape, o.dtype) for o in outs))]
    assert not found or any(found)


def test_forward_only_primitives_say_so():
    forward_only = [cls for cls in PRIMITIVES.values() if not cls.reverse]
    assert [cls.name for cls in forward_only] == ["while"]
    for prim in forward_only[0].instances():
        case = next(cases_of(prim))
        outs, pull = vjp(case.function(), *case.inputs)
        with pytest.raises(MissingRule, match="max_iterations"):
            pull(outs)
