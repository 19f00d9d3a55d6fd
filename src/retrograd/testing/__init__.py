"""How retrograd tests its primitives, for those who write their own.

>>> from retrograd.testing import check_primitive
>>> from retrograd.primitives.trigonometric import TANH
>>> check_primitive(TANH)["reverse"]
2

The numbers say on how many samples each law was tried; a law that does not hold raises `LawBroken`.
"""

from retrograd.testing.cases import Case as Case
from retrograd.testing.cases import LawBroken as LawBroken
from retrograd.testing.cases import cases_of as cases_of
from retrograd.testing.laws import LAWS as LAWS
from retrograd.testing.laws import check_primitive as check_primitive
