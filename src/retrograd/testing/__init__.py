"""How retrograd tests its primitives, for those who write their own.

>>> from retrograd.testing import check_primitive
>>> from retrograd.primitives.trigonometric import TANH
>>> check_primitive(TANH)["reverse"]
2

The numbers say on how many samples each law was tried; a law that does not hold raises `LawBroken`.
"""

from retrograd.testing.cases import Case as Case, LawBroken as LawBroken, cases_of as cases_of
from retrograd.testing.laws import LAWS as LAWS, check_primitive as check_primitive
from retrograd.testing.mutants import Verdict as Verdict, mutants_of as mutants_of, try_mutants as try_mutants

__all__ = ["LAWS", "Case", "LawBroken", "Verdict", "cases_of", "check_primitive", "mutants_of", "try_mutants"]
