"""Explanations: every derivative in formulas and numbers, from the rules that ran, checked on the spot."""

import sys
from types import ModuleType
from typing import Any

from retrograd.explain.program import Explanation as Explanation
from retrograd.explain.program import explain as explain


class _Callable(ModuleType):
    """Importing this package leaves it under the name of its function, ``rg.explain``: so it can be called too."""

    def __call__(self, *args: Any, **options: Any) -> Explanation:
        return explain(*args, **options)


sys.modules[__name__].__class__ = _Callable
