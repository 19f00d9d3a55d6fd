"""docs/primitives.md is what the catalogue says."""

import pytest

from retrograd.primitives.catalogue import catalogue
from retrograd.testing.laws import LAWS, laws_of
from scripts import generate_primitives

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def test_the_page_is_up_to_date():
    page = generate_primitives.PAGE.read_text(encoding="utf-8")
    assert page == generate_primitives.generate(), "run python scripts/generate_primitives.py"


def test_the_page_names_every_primitive_and_its_derivative():
    page = generate_primitives.PAGE.read_text(encoding="utf-8")
    for name in catalogue():
        assert f"\n| `{name}` |" in page
    assert "`ct * (1 - out * out)` | out |" in page


def test_every_law_says_something_about_some_primitive():
    said = {law for cls in catalogue().values() for prim in cls.instances() for law in laws_of(prim)}
    assert said == set(LAWS)
