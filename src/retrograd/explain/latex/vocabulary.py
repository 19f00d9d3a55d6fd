r"""The kernel vocabulary in LaTeX: `LATEX` is to ``\frac{1}{x}`` what `vocabulary.TEXT` is to ``1 / x``.

A rule called with `LATEX` and expressions of this kind writes its own formula.
"""

from __future__ import annotations

from typing import Any

from retrograd.explain.latex.words import figure, text
from retrograd.primitives.vocabulary import Symbol

ATOM, POWER, SIGN, PRODUCT, SUM, RELATION, LOGIC = 9, 7, 6, 5, 4, 3, 2
_SIGNS = {
    "+": "+", "-": "-", "*": r"\cdot", ">": ">", "<": "<", ">=": r"\ge", "<=": r"\le", "==": "=", "!=": r"\ne",
    "@": r"\,", "and": r"\wedge", "or": r"\vee",
}  # fmt: skip
_BINDINGS = {"+": SUM, "-": SUM, "*": PRODUCT, "@": PRODUCT, "and": LOGIC, "or": LOGIC}
_RELATIONS = {
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "logical_and": "and", "logical_or": "or", "add": "+", "subtract": "-", "multiply": "*", "matmul": "@",
}  # fmt: skip
_FUNCTIONS = {  # name -> what stands before its argument
    "log": r"\ln", "ln": r"\ln", "sin": r"\sin", "cos": r"\cos", "tan": r"\tan", "tanh": r"\tanh", "sinh": r"\sinh",
    "cosh": r"\cosh", "arctan": r"\arctan", "sigmoid": r"\sigma", "maximum": r"\max", "minimum": r"\min",
    "max": r"\max", "min": r"\min", "sum": r"\sum", "prod": r"\prod",
}  # fmt: skip


class Latex(Symbol):
    """An expression in LaTeX."""

    __slots__ = ()

    @staticmethod
    def of(value: Any) -> Latex:
        """An expression, or a number."""
        if isinstance(value, Latex):
            return value
        written = figure(value)
        return Latex(written, binding=LOGIC if written.startswith("-") else PRODUCT if "times" in written else ATOM)

    def inside(self, binding: int) -> str:
        """In parentheses, if it does not bind as tightly."""
        return self.text if self.binding >= binding else bracketed(self.text)

    def _binary(self, other: Any, sign: str, binding: int, flip: bool = False, tight_right: int = 1) -> Latex:
        left, right = (Latex.of(other), self) if flip else (self, Latex.of(other))
        uses = left.uses | right.uses
        if sign == "/":
            return Latex(rf"\frac{{{left.text}}}{{{right.text}}}", uses, PRODUCT)
        if sign == "**":
            return Latex(f"{left.inside(ATOM)}^{{{right.text}}}", uses, POWER)
        return Latex(f"{left.inside(binding)} {_SIGNS[sign]} {right.inside(binding + tight_right)}", uses, binding)

    def relate(self, other: Any, sign: str) -> Latex:
        """A comparison, a logical connection or a matrix product."""
        return self._binary(other, sign, _BINDINGS.get(sign, RELATION), tight_right=0 if sign in ("and", "or") else 1)

    def __neg__(self) -> Latex:
        return Latex(f"-{self.inside(PRODUCT)}", self.uses, SIGN)

    def transposed(self) -> Latex:
        """The transpose."""
        return Latex(rf"{self.inside(ATOM)}^{{\top}}", self.uses, POWER)


def bracketed(inner: str) -> str:
    """In parentheses that grow with what they enclose."""
    tall = r"\frac" in inner or r"\begin" in inner or r"\sum" in inner
    return rf"\left({inner}\right)" if tall else f"({inner})"


def call(name: str, *args: Any) -> Latex:
    """A function of the vocabulary, or of a formula, in the notation that it has."""
    values = [Latex.of(a) for a in args]
    uses = frozenset().union(*[v.uses for v in values])
    if name in _RELATIONS and len(values) == 2:
        return values[0].relate(values[1], _RELATIONS[name])
    if name == "divide":
        return values[0] / values[1]  # type: ignore[return-value]
    if name in ("power", "integer_power") and len(values) == 2:
        return values[0] ** values[1]  # type: ignore[return-value]
    if name == "where" and len(values) == 3:
        return cases(*values)
    if len(values) == 1:
        one = _one(name, values[0])
        if one is not None:
            return Latex(one, uses, {"exp": POWER, "square": POWER, "logical_not": LOGIC}.get(name, ATOM))
    before = _FUNCTIONS.get(name, rf"\operatorname{{{spelled(name)}}}")
    if name in ("sum", "prod", "max", "min", "mean", "any", "all") and len(values) == 2 and "axes" in values[1].text:
        before, values = f"{before}_{{{values[1].text}}}", values[:1]
    if name in ("sum", "prod") and len(values) == 1:
        return Latex(f"{before} {values[0].inside(PRODUCT)}", uses, PRODUCT)
    return Latex(f"{before}{bracketed(', '.join(v.text for v in values))}", uses, ATOM)


def _one(name: str, x: Latex) -> str | None:
    """Functions of one argument that have a notation of their own."""
    if name == "exp":
        return f"e^{{{x.text}}}"
    if name == "sqrt":
        return rf"\sqrt{{{x.text}}}"
    if name in ("absolute", "abs"):
        return rf"\left|{x.text}\right|"
    if name == "square":
        return f"{x.inside(ATOM)}^{{2}}"
    if name == "logical_not":
        return rf"\neg {x.inside(ATOM)}"
    if name == "floor":
        return rf"\left\lfloor {x.text} \right\rfloor"
    return rf"\left\lceil {x.text} \right\rceil" if name == "ceil" else None


def cases(condition: Latex, yes: Latex, no: Latex) -> Latex:
    """One of two, by a condition; where the other is chosen by a condition itself, one of three."""
    begin, end = r"\begin{cases} ", r" \end{cases}"
    rest = f"{no.text} & {text('otherwise')}"
    if no.text.startswith(begin) and no.text.count(begin) == 1:
        rest = no.text[len(begin) : -len(end)]
    rows = rf"{yes.text} & {text('if ')} {condition.text} \\ {rest}"
    return Latex(f"{begin}{rows}{end}", condition.uses | yes.uses | no.uses, LOGIC)


def spelled(name: str) -> str:
    """The name of a function as letters of a formula."""
    return "".join(c if c.isalnum() else r"\_" if c == "_" else "" for c in name)


class _Words:
    """The vocabulary: ``k.tanh(x)``."""

    def __getattr__(self, name: str) -> Any:
        def write(*args: Any) -> Latex:
            return call(name, *args)

        return write


LATEX: Any = _Words()
