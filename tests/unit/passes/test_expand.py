"""Composite primitives written out give the values of the composite ones, special ones too."""

from collections import Counter

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.types import type_of
from retrograd.graph.interpret import evaluate
from retrograd.graph.text import parse_graph, print_graph
from retrograd.graph.trace import trace_pure
from retrograd.graph.verify import verify
from retrograd.passes.expand import RULES, expand
from retrograd.passes.pipeline import optimise
from retrograd.primitives.catalogue import catalogue

COMPOSITE = [p for name in (*RULES, "softmax_cross_entropy") for p in catalogue()[name].instances()]
ROWS = np.array([[0.0, -0.0, 1.0], [np.inf, -np.inf, 1.0], [np.nan, 2.0, -0.5], [-np.inf] * 3, [np.inf] * 3,
                 [np.inf, np.nan, 0.0], [1e3, -1e3, 800.0], [-0.0, -0.0, -0.0]])  # fmt: skip


def names(graph):
    return Counter(e.prim.name for e in graph.equations)


def graph_of(prim, args):
    return trace_pure(lambda *xs: [rg.core.dispatch.apply(prim, *xs)], [type_of(a) for a in args], "a test")


def compare(prim, args, *, exact=False):
    graph = graph_of(prim, args)
    wide = verify(expand(graph, labels_checked=True))
    assert prim.name not in names(wide)
    assert wide.out_types == graph.out_types
    with np.errstate(all="ignore"):
        found, wanted = evaluate(wide, args)[0], evaluate(graph, args)[0]
    assert found.dtype == wanted.dtype
    tolerance = 0 if exact else 4 * np.finfo(wanted.dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("prim", COMPOSITE, ids=repr)
def test_samples(prim, dtype):
    for sample in prim.samples(np.random.default_rng(0)):
        args = [np.asarray(a) for a in sample]
        compare(prim, [a.astype(dtype) if a.dtype.kind == "f" else a for a in args])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(1,), (0,), (0, 1), ()])
@pytest.mark.parametrize("name", ["mean", "logsumexp"])
def test_special_values_of_reductions(name, axes, keepdims, dtype):
    compare(catalogue()[name].of(axes, keepdims), [ROWS.astype(dtype)], exact=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_of_rows(dtype):
    x = ROWS.astype(dtype)
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    compare(catalogue()["softmax"].of(), [x], exact=True)
    compare(catalogue()["layer_norm"].of(1, 1e-5), [x, one, zero], exact=True)
    for label in range(3):
        compare(catalogue()["softmax_cross_entropy"].of(), [x, np.full(8, label)], exact=True)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_nothing_to_reduce(shape):
    x = np.zeros(shape, np.float32)
    for axis in range(len(shape)):
        compare(catalogue()["mean"].of((axis,), False), [x], exact=True)
        compare(catalogue()["logsumexp"].of((axis,), True), [x], exact=True)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_labels_of_every_width(dtype):
    labels = np.array([0, 3, 127, 5], dtype)
    for classes in (4, 300):
        for out in ("float32", "int64", "bool"):
            compare(catalogue()["one_hot"](classes, np.dtype(out)), [labels], exact=True)


def test_the_loss_stays_unless_somebody_checks_the_labels():
    prim = catalogue()["softmax_cross_entropy"].of()
    graph = graph_of(prim, [np.zeros((2, 3), np.float32), np.zeros(2, np.int64)])
    assert expand(graph) is graph
    assert "softmax_cross_entropy" not in names(expand(graph, labels_checked=True))


def test_bodies_of_loops_are_expanded():
    text = """graph(a: f32[2]) { b: f32[2] = scan[body=graph(c: f32[2]) { d: f32[2] = softmax(c) return d },
        length=2, n_consts=0, n_carry=1, backwards=False](a) return b }"""
    assert "softmax" not in print_graph(expand(parse_graph(text)))


def test_a_loss_and_its_gradient_share_the_exponentials():
    def step(logits, labels):
        loss = lambda x: rg.nn.cross_entropy(x, labels)
        return list(rg.value_and_grad(loss)(logits))

    types = [type_of(np.zeros((64, 10), np.float32)), type_of(np.zeros(64, np.int64))]
    graph = optimise(expand(trace_pure(step, types, "a test"), labels_checked=True))
    found = names(graph)
    assert found["exp"] == found["max"] == found["log"] == found["equal"] == 1
    assert sorted(e.prim.axes for e in graph.equations if e.prim.name == "sum") == [(0,), (1,), (1,)]
