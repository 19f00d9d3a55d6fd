"""Formulas and local derivatives of primitives, in LaTeX.

A primitive declares its formula as an expression in Python's notation; here it is read as one and written in LaTeX.
Local derivatives of pointwise primitives are what their rule says in the vocabulary `LATEX`. A formula that is rather a
sentence ("the part of ct where x lies") stays one, with its letters replaced.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from types import FunctionType
from typing import Any

from retrograd.core.primitive import Primitive
from retrograd.explain.formulas import is_pointwise
from retrograd.explain.latex.vocabulary import ATOM, LATEX, LOGIC, PRODUCT, SUM, Latex, bracketed, call, cases, spelled
from retrograd.explain.latex.words import name, text

_SIGNS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@", ast.Gt: ">",
    ast.Lt: "<", ast.GtE: ">=", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.And: "and", ast.Or: "or",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z_]\w*")


def formula(prim: Primitive, operands: Sequence[Latex], ndim: int | None = None) -> Latex:
    """The formula of a primitive with its operands filled in; axes are left out if they are all."""
    written = prim.written_out or f"{prim.name}({', '.join(prim.operands)})"
    if ndim is not None and getattr(prim, "axes", None) == tuple(range(ndim)):
        written = written.replace(", axes", "")
    if prim.operands == ("xs",):
        known = {"xs": Latex(rf"\left[{', '.join(o.text for o in operands)}\right]")}
    else:
        known = dict(zip(prim.operands, operands, strict=False))
    for field in getattr(prim, "__dataclass_fields__", ()):
        known.setdefault(field, _parameter(field, getattr(prim, field)))
    return expression(written, known)


def _parameter(field: str, value: Any) -> Latex:
    if isinstance(value, bool | int | float):
        return Latex.of(value)
    if isinstance(value, tuple):
        return Latex(text(f"{field}={value}" if len(value) != 1 else f"{field}={value[0]}"))
    return Latex(text(str(value) if len(str(value)) < 40 else field))


def local(prim: Any, i: int, operands: Sequence[Latex], out: Latex, upstream: Latex) -> Latex | None:
    """The local derivative of a pointwise primitive with respect to argument `i`.

    Of other primitives, what they make of the derivative that arrives, in symbols or in words; None where there is
    nothing to print.
    """
    if is_pointwise(prim):
        return local_factor(prim, i, operands, out)
    parts = prim.derivative.split(",  ")
    if not prim.derivative or (len(parts) > 1 and i >= len(parts)):
        return None
    known = {**dict(zip(prim.operands, operands, strict=False)), "out": out, "ct": upstream}
    return expression(parts[i if len(parts) > 1 else 0], known)


def local_factor(prim: Any, i: int, operands: Sequence[Latex], out: Latex, upstream: Any = None) -> Latex:
    """What a pointwise primitive's rule says, in LaTeX; `upstream` is what a selection routes: one, if not given."""
    if prim.routed:
        found = prim.routes(LATEX, Latex("1") if upstream is None else upstream, *operands, out=out)
    else:
        found = prim.partials(LATEX, *operands, out=out)
    part = found[i]() if isinstance(found[i], FunctionType) else found[i]
    return Latex.of(0 if part is None else part)


def expression(written: str, known: Mapping[str, Latex]) -> Latex:
    """An expression in Python's notation, or a sentence, with the names it knows filled in."""
    tree = _parsed(written)
    return _prose(written, known) if tree is None else _Writer(known).write(tree)


@cache
def _parsed(written: str) -> ast.expr | None:
    source = re.sub(r"\|([^|]+)\|", r"abs(\1)", written)
    source = re.sub(r"^(\w+) \? (\w+) : (\w+)$", r"where(\1, \2, \3)", source)
    try:
        return ast.parse(source, mode="eval").body
    except SyntaxError:
        return None


def _prose(sentence: str, known: Mapping[str, Latex]) -> Latex:
    """A sentence with formulas for the names in it."""
    parts: list[str | Latex] = []
    at = 0
    for match in _WORD.finditer(sentence):
        if match.group() in known:
            parts += [sentence[at : match.start()], known[match.group()]]
            at = match.end()
    written = [p.text if isinstance(p, Latex) else text(p) for p in [*parts, sentence[at:]] if p != ""]
    return Latex(" ".join(written), binding=LOGIC)


class _Writer:
    """Writes a parsed expression."""

    def __init__(self, known: Mapping[str, Latex]) -> None:
        self.known = known

    def write(self, node: ast.expr) -> Latex:
        if isinstance(node, ast.Constant):
            return literal(node.value) if isinstance(node.value, int | float) else Latex(text(str(node.value)))
        if isinstance(node, ast.Name):
            return self.known.get(node.id) or Latex(name(node.id))
        if isinstance(node, ast.BinOp):
            return self.binary(node)
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
                return literal(-node.operand.value)  # type: ignore[operator]
            operand = self.write(node.operand)
            return call("logical_not", operand) if isinstance(node.op, ast.Not) else -operand
        if isinstance(node, ast.Compare):
            return self.write(node.left).relate(self.write(node.comparators[0]), _SIGNS[type(node.ops[0])])
        if isinstance(node, ast.BoolOp):
            return self.write(node.values[0]).relate(self.write(node.values[1]), _SIGNS[type(node.op)])
        if isinstance(node, ast.IfExp):
            return cases(self.write(node.test), self.write(node.body), self.write(node.orelse))
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Attribute):
            value = self.write(node.value)
            return value.transposed() if node.attr == "T" else Latex(rf"{value.inside(ATOM)}.{text(node.attr)}")
        if isinstance(node, ast.Subscript):
            return Latex(rf"{self.write(node.value).inside(ATOM)}\left[{self.place(node.slice)}\right]")
        return Latex(text(ast.unparse(node)))

    def binary(self, node: ast.BinOp) -> Latex:
        left, right, sign = self.write(node.left), self.write(node.right), _SIGNS[type(node.op)]
        binding, slack = (SUM, 0) if sign == "+" else (SUM, 1) if sign == "-" else (PRODUCT, 1 if sign == "/" else 0)
        return left._binary(right, sign, binding, tight_right=slack)

    def call(self, node: ast.Call) -> Latex:
        args = [self.write(a) for a in node.args]
        if isinstance(node.func, ast.Attribute):  # x.astype(dtype)
            before = f"{self.write(node.func.value).inside(ATOM)}.{text(node.func.attr)}"
            return Latex(f"{before}{bracketed(', '.join(a.text for a in args))}")
        function = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if function in self.known:
            return Latex(f"{self.known[function].text}{bracketed(', '.join(a.text for a in args))}")
        return call(function, *args)

    def place(self, node: ast.expr) -> str:
        """What stands in brackets."""
        if isinstance(node, ast.Tuple):
            return ", ".join(self.place(e) for e in node.elts)
        if isinstance(node, ast.Slice):
            parts = [self.write(x).text if x is not None else "" for x in (node.lower, node.upper)]
            step = f":{self.write(node.step).text}" if node.step is not None else ""
            return f"{':'.join(parts)}{step}"
        return text("None") if isinstance(node, ast.Constant) and node.value is None else self.write(node).text


def literal(x: Any) -> Latex:
    """A number with all the digits that it was written with."""
    mantissa, _, exponent = repr(x).partition("e")
    written = rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa
    return Latex(written, binding=Latex.of(x).binding)


def function_name(words: str) -> str:
    r"""A function's name in a formula."""
    return rf"\operatorname{{{spelled(words)}}}"
