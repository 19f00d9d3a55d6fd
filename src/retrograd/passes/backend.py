"""What the native engine does to a graph before it becomes loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrograd.graph.ir import Equation, Graph, Operand, Var
from retrograd.passes.expand import expand
from retrograd.passes.pipeline import optimise
from retrograd.passes.rewrite import Writer, rewritten
from retrograd.primitives.fused import CheckLabels, SoftmaxCrossEntropy


def for_loops(graph: Graph, keep: Sequence[Var] = ()) -> Graph:
    """Optimised, in primitives that have loops; `keep` are further outputs."""
    simple = check_labels(optimise(graph, keep=keep))
    return optimise(expand(simple, labels_checked=True))


def check_labels(graph: Graph) -> Graph:
    """The check that softmax_cross_entropy makes of its labels as an equation of its own."""
    return rewritten(graph, {"softmax_cross_entropy": _checked}, check_labels)


def _checked(w: Writer, e: Equation) -> Sequence[Operand] | None:
    x, labels = e.operands
    if w.maker(labels, "check_labels") is not None:
        return None
    prim: Any = SoftmaxCrossEntropy.of()
    checked = w.write(CheckLabels.of(x.shape[-1]), labels)
    if isinstance(labels, Var):
        w.renamed[labels] = checked  # whoever reads the labels later reads the same variable
    return (w.write(prim, x, checked),)
