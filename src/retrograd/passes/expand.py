"""Composite primitives written out in simpler ones, for a backend that has no kernel of its own for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from retrograd.core.primitive import REGISTRY
from retrograd.graph.ir import Equation, Graph, Literal, Operand
from retrograd.graph.text import literal
from retrograd.passes.rewrite import Rule, Writer, rewritten
from retrograd.primitives.arithmetic import Convert
from retrograd.primitives.creation import Iota
from retrograd.primitives.movement import Broadcast, Reshape, Transpose
from retrograd.primitives.reduction import Max, Sum

INT64 = np.dtype("int64")


def expand(graph: Graph, labels_checked: bool = False) -> Graph:
    """affine, mean, logsumexp, softmax, layer_norm and one_hot in the steps that their `evaluate` takes.

    ::

        b: f32 = mean[axes=(0,)](a: f32[4])   ->   c: f32 = sum[axes=(0,)](a);  b = divide(c, 4.0:f32)

    With `labels_checked` somebody else refuses labels outside their classes, so softmax_cross_entropy is written out
    as well; a label outside then selects nothing.
    """
    return _expand_checked(graph) if labels_checked else _expand(graph)


def _expand(graph: Graph) -> Graph:
    return rewritten(graph, RULES, _expand)


def _expand_checked(graph: Graph) -> Graph:
    return rewritten(graph, {**RULES, "softmax_cross_entropy": softmax_cross_entropy}, _expand_checked)


class Steps:
    """Equations written by name: ``s.exp(x)``."""

    def __init__(self, w: Writer) -> None:
        self.w = w

    def __getattr__(self, name: str) -> Any:
        return partial(self.w.write, REGISTRY[name].of())

    def sum(self, x: Operand, axes: tuple[int, ...]) -> Operand:
        return self.w.write(Sum.of(axes, True), x)

    def max(self, x: Operand, axes: tuple[int, ...]) -> Operand:
        return self.w.write(Max.of(axes, True), x)

    def mean(self, x: Operand, axes: tuple[int, ...]) -> Operand:
        return self.divide(self.sum(x, axes), count(x, axes))

    def reshape(self, x: Operand, shape: tuple[int, ...]) -> Operand:
        return x if x.type.shape == shape else self.w.write(Reshape.of(shape), x)


def count(x: Operand, axes: tuple[int, ...]) -> Literal:
    """How many elements the axes have, in the dtype of `x`."""
    return literal(np.asarray(math.prod([x.shape[a] for a in axes]), x.dtype))


def affine(w: Writer, e: Equation) -> Sequence[Operand]:
    """The product x @ W.T + b, rows of several leading axes as they are."""
    x, weight, bias = e.operands
    s = Steps(w)
    rows = s.reshape(x, (1, *x.shape)) if len(x.shape) == 1 else x
    product = s.matmul(rows, w.write(Transpose.of((1, 0)), weight))
    return (s.add(s.reshape(product, e.outs[0].shape), bias),)


def mean(w: Writer, e: Equation) -> Sequence[Operand]:
    """The sum, divided by the count as the dtype has it."""
    prim: Any = e.prim
    (x,) = e.operands
    return (Steps(w).divide(w.write(Sum.of(prim.axes, prim.keepdims), x), count(x, prim.axes)),)


def logsumexp(w: Writer, e: Equation) -> Sequence[Operand]:
    """The formula log(sum(exp(x - top))) + top; a maximum that is not finite is not subtracted."""
    prim: Any = e.prim
    (x,), s = e.operands, Steps(w)
    if any(x.shape[a] == 0 for a in prim.axes):  # nothing has no maximum, and its sum is 0
        return (w.write(Broadcast.of(e.outs[0].shape), literal(np.asarray(-np.inf, x.dtype))),)
    top = s.max(x, prim.axes)
    finite = s.less(s.absolute(top), np_literal(np.inf, x))
    top = s.where(finite, top, np_literal(0, x))
    total = s.add(s.log(s.sum(s.exp(s.subtract(x, top)), prim.axes)), top)
    return (s.reshape(total, e.outs[0].shape),)


def np_literal(value: float, like: Operand) -> Literal:
    """A scalar of the dtype of `like`."""
    return literal(np.asarray(value, like.dtype))


def shifted(s: Steps, x: Operand) -> tuple[Operand, Operand, Operand]:
    """The logits less the largest, the exponentials and their sum along the last axis: all that softmax needs."""
    last = (len(x.shape) - 1,)
    less = s.subtract(x, s.max(x, last))
    e = s.exp(less)
    return less, e, s.sum(e, last)


def softmax(w: Writer, e: Equation) -> Sequence[Operand]:
    """Weights exp(x - max), divided by their sum."""
    s = Steps(w)
    _, weights, total = shifted(s, e.operands[0])
    return (s.divide(weights, total),)


def layer_norm(w: Writer, e: Equation) -> Sequence[Operand]:
    """(x - mean) / sqrt(var + eps) * w + b."""
    prim: Any = e.prim
    x, weight, bias = e.operands
    s = Steps(w)
    axes = tuple(range(len(x.shape) - prim.axes, len(x.shape)))
    centred = s.subtract(x, s.mean(x, axes))
    variance = s.mean(s.multiply(centred, centred), axes)
    normal = s.divide(centred, s.sqrt(s.add(variance, literal(prim.eps))))
    return (s.add(s.multiply(normal, weight), bias),)


def hits(s: Steps, labels: Operand, classes: int) -> Operand:
    """Whether a label is the class, for each class along a new last axis."""
    column = s.reshape(labels, (*labels.shape, 1))
    if classes - 1 > np.iinfo(column.dtype).max:
        column = s.w.write(Convert.of(INT64), column)
    return s.equal(column, s.w.write(Iota.of(classes, column.dtype)))


def one_hot(w: Writer, e: Equation) -> Sequence[Operand]:
    """The hits, converted."""
    prim: Any = e.prim
    found = hits(Steps(w), e.operands[0], prim.classes)
    return (found if prim.dtype.kind == "b" else w.write(Convert.of(prim.dtype), found),)


def softmax_cross_entropy(w: Writer, e: Equation) -> Sequence[Operand] | None:
    """log(sum(exp(x - max))) - (x - max)[label]; the label's element is selected, so no other one leaks into it."""
    x, labels = e.operands
    if x.shape[-1] == 0:
        return None
    s = Steps(w)
    less, _, total = shifted(s, x)
    picked = s.sum(s.where(hits(s, labels, x.shape[-1]), less, np_literal(0, x)), (len(x.shape) - 1,))
    return (s.reshape(s.subtract(s.log(total), picked), labels.shape),)


RULES: dict[str, Rule] = {
    "affine": affine, "mean": mean, "logsumexp": logsumexp, "softmax": softmax, "layer_norm": layer_norm,
    "one_hot": one_hot,
}  # fmt: skip
