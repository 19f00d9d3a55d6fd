"""Print a graph, and read it back: `parse_graph(print_graph(g))` is `g` up to the names of variables."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np

from retrograd.core.primitive import REGISTRY, Primitive
from retrograd.core.types import LONG, SHORT, ArrayType, type_of
from retrograd.errors import GraphError
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var
from retrograd.graph.verify import verify


def print_graph(graph: Graph, indent: str = "") -> str:
    """The text of a graph, in the grammar of `retrograd.graph.ir`."""
    names: dict[Var, str] = {}

    def declare(v: Var) -> str:
        names[v] = _name(len(names))
        return f"{names[v]}: {v.type}"

    inner = indent + "  "
    lines = [f"graph({', '.join(map(declare, graph.inputs))}) {{"]
    for e in graph.equations:
        operands = ", ".join(_print_operand(o, names) for o in e.operands)
        outs = ", ".join(map(declare, e.outs))
        lines.append(f"{inner}{outs} = {_print_primitive(e.prim, inner)}({operands})")
    lines.append(f"{inner}return {', '.join(_print_operand(o, names) for o in graph.outputs)}")
    return "\n".join([*lines, f"{indent}}}"])


def _name(n: int) -> str:
    letters = ""
    n += 1
    while n:
        n, r = divmod(n - 1, 26)
        letters = chr(97 + r) + letters
    return letters + "_" if letters in _WORDS else letters


def _print_operand(o: Operand, names: dict[Var, str]) -> str:
    if isinstance(o, Var):
        return names[o]
    value = o.value if o.type.weak else o.value.item()
    text = repr(value)
    return text if o.type.weak else f"{text}:{o.type}"


def _print_primitive(prim: Primitive, indent: str) -> str:
    fields = getattr(prim, "__dataclass_fields__", {})
    if not fields:
        return prim.name
    return f"{prim.name}[{', '.join(f'{n}={_print_value(getattr(prim, n), indent)}' for n in fields)}]"


def _print_value(value: Any, indent: str) -> str:
    if isinstance(value, Graph):
        return print_graph(value, indent)
    if isinstance(value, tuple):
        inner = ", ".join(_print_value(v, indent) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, np.dtype):
        return SHORT[value.name]
    if isinstance(value, ArrayType):
        return str(value)
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    raise GraphError(f"a parameter of type {type(value).__name__} cannot be printed")


_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:inf|nan|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))(?![A-Za-z_])"
    r"|(?P<word>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<mark>[(){}\[\],:=*]))"
)
_WORDS = {"graph", "return", "None", "True", "False", "inf", "nan", *LONG}


class _Parser:
    """Recursive descent over the grammar."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            m = _TOKEN.match(text, at)
            if m is None:
                raise GraphError(f"unreadable text at {text[at : at + 20]!r}")
            assert m.lastgroup is not None
            self.tokens.append((m.lastgroup, m.group(m.lastgroup)))
            at = m.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str | None = None, kind: str | None = None) -> str:
        found_kind, found = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end of the text")
        if (wanted is not None and found != wanted) or (kind is not None and found_kind != kind):
            raise GraphError(f"expected {wanted or 'a ' + str(kind)}, found {found!r} (token {self.at})")
        self.at += 1
        return found

    def several(self, read: Any, end: str) -> list[Any]:
        found = []
        while self.peek() != end:
            found.append(read())
            if self.peek() != end:
                self.take(",")
        self.take(end)
        return found

    def graph(self) -> Graph:
        self.take("graph")
        self.take("(")
        names: dict[str, Var] = {}
        inputs = self.several(lambda: self.declaration(names), ")")
        self.take("{")
        equations = []
        while self.peek() != "return":
            equations.append(self.equation(names))
        self.take("return")
        outputs = []
        while self.peek() != "}":
            outputs.append(self.operand(names))
            if self.peek() != "}":
                self.take(",")
        self.take("}")
        return Graph(tuple(inputs), tuple(equations), tuple(outputs))

    def declaration(self, names: dict[str, Var]) -> Var:
        name = self.take(kind="word")
        if name in names:
            raise GraphError(f"{name} is assigned twice")
        self.take(":")
        names[name] = Var(self.type())
        return names[name]

    def type(self) -> ArrayType:
        word = self.take(kind="word")
        if word not in LONG:
            raise GraphError(f"{word!r} is no dtype; one of {', '.join(LONG)}")
        shape: list[int] = []
        if self.peek() == "[":
            self.take("[")
            shape = self.several(lambda: int(self.take(kind="number")), "]")
        weak = self.peek() == "*"
        if weak:
            self.take("*")
        return ArrayType(tuple(shape), np.dtype(LONG[word]), weak)

    def equation(self, names: dict[str, Var]) -> Equation:
        outs: list[Any] = []
        pending: dict[str, Var] = dict(names)
        while self.peek() != "=":
            outs.append(self.declaration(pending))
            if self.peek() != "=":
                self.take(",")
        self.take("=")
        prim = self.primitive()
        self.take("(")
        operands = self.several(lambda: self.operand(names), ")")
        names.update(pending)
        return Equation(prim, tuple(operands), tuple(outs))

    def primitive(self) -> Primitive:
        name = self.take(kind="word")
        if name not in REGISTRY:
            raise GraphError(f"there is no primitive {name!r}")
        params: dict[str, Any] = {}
        if self.peek() == "[":
            self.take("[")
            params = dict(self.several(self.parameter, "]"))
        try:
            return REGISTRY[name](**params)
        except TypeError as error:
            raise GraphError(f"{name}: {error}") from error

    def parameter(self) -> tuple[str, Any]:
        name = self.take(kind="word")
        self.take("=")
        return name, self.value()

    def value(self) -> Any:
        token = self.peek()
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else "end"
        if token == "graph":
            return self.graph()
        if token == "(":
            self.take("(")
            return tuple(self.several(self.value, ")"))
        if kind == "string":
            return ast.literal_eval(self.take())
        if kind == "number":
            return _number(self.take())
        if token in LONG:
            found = self.type()
            return found if found.shape or found.weak else found.dtype
        constants = {"None": None, "True": True, "False": False}
        if token in constants:
            self.take()
            return constants[token]
        raise GraphError(f"expected a value, found {token!r}")

    def operand(self, names: dict[str, Var]) -> Operand:
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else "end"
        if kind == "number" or self.peek() in ("True", "False"):
            token = self.take()
            value = token == "True" if token in ("True", "False") else _number(token)
            if self.peek() != ":":
                return literal(value)
            self.take(":")
            return literal(np.asarray(value, self.type().dtype))
        name = self.take(kind="word")
        if name not in names:
            raise GraphError(f"{name} is used before it is assigned")
        return names[name]


def _number(token: str) -> int | float:
    return int(token) if re.fullmatch(r"-?\d+", token) else float(token)


def literal(value: Any) -> Literal:
    """A literal from a Python scalar (weak) or a 0-d ndarray."""
    return Literal(value, type_of(value))


def parse_graph(text: str) -> Graph:
    """The graph that `text` describes, verified.

    Raises:
        GraphError: where the text leaves the grammar, or describes a graph that is not well formed.
    """
    parser = _Parser(text)
    graph = parser.graph()
    if parser.at != len(parser.tokens):
        raise GraphError(f"text after the graph: {parser.peek()!r}")
    return verify(graph)
