"""Explanations: every derivative in formulas and numbers, from the rules that ran, checked on the spot."""

from retrograd.explain.program import Explanation as Explanation
from retrograd.explain.program import explain as explain
