"""The verifier: is this graph well formed and well typed?"""

from __future__ import annotations

from retrograd.core.types import ArrayType
from retrograd.errors import GraphError, RetrogradError
from retrograd.graph.ir import Equation, Graph, Literal, Operand, Var, subgraphs


def verify(graph: Graph) -> Graph:
    """`graph`, if every variable is assigned once and before its use, and every type is what the primitives say.

    Raises:
        GraphError: naming the equation and what is wrong with it.
    """
    known: set[Var] = set()
    for v in graph.inputs:
        _define(v, known, "input")
    for number, equation in enumerate(graph.equations):
        where = f"equation {number} ({equation.prim.name})"
        for operand in equation.operands:
            _check_operand(operand, known, where)
        _check_types(equation, where)
        for v in equation.outs:
            _define(v, known, where)
        for inner in subgraphs(equation.prim):
            verify(inner)
    for operand in graph.outputs:
        _check_operand(operand, known, "the outputs")
    return graph


def _define(v: Var, known: set[Var], where: str) -> None:
    if v in known:
        raise GraphError(f"{where}: a variable of type {v.type} is assigned twice")
    known.add(v)


def _check_operand(operand: Operand, known: set[Var], where: str) -> None:
    if isinstance(operand, Literal):
        if operand.type.shape:
            raise GraphError(f"{where}: a literal of type {operand.type}; arrays must be inputs")
    elif operand not in known:
        raise GraphError(f"{where}: a variable of type {operand.type} is used before it is assigned")


def _check_types(equation: Equation, where: str) -> None:
    types = tuple(o.type for o in equation.operands)
    try:
        inferred = equation.prim.infer(*types)
    except RetrogradError as error:
        raise GraphError(f"{where}: {error}") from error
    expected: tuple[ArrayType, ...] = inferred if equation.prim.multi else (inferred,)
    found = tuple(v.type for v in equation.outs)
    if expected != found:
        raise GraphError(f"{where}: gives ({_show(expected)}), the graph says ({_show(found)})")


def _show(types: tuple[ArrayType, ...]) -> str:
    return ", ".join(map(str, types))
