"""Are derivatives right? `check_grads` for functions; for primitives of your own, the laws and mutants of ours.

>>> from retrograd.testing import check_primitive
>>> from retrograd.primitives.trigonometric import TANH
>>> check_primitive(TANH)["reverse"]
2

The numbers say on how many samples each law was tried; a law that does not hold raises `LawBroken`.
"""

from retrograd.testing.cases import Case as Case
from retrograd.testing.cases import LawBroken as LawBroken
from retrograd.testing.cases import cases_of as cases_of
from retrograd.testing.gradcheck import GradientReport as GradientReport
from retrograd.testing.gradcheck import check_grads as check_grads
from retrograd.testing.laws import LAWS as LAWS
from retrograd.testing.laws import check_primitive as check_primitive
from retrograd.testing.laws import laws_of as laws_of
from retrograd.testing.mutants import Verdict as Verdict
from retrograd.testing.mutants import mutants_of as mutants_of
from retrograd.testing.mutants import try_mutants as try_mutants

__all__ = [
    "LAWS", "Case", "GradientReport", "LawBroken", "Verdict", "cases_of", "check_grads", "check_primitive", "laws_of",
    "mutants_of", "try_mutants",
]  # fmt: skip
