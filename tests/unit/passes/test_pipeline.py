"""The pipeline as a whole; its golden files show three programs before and after.

``python -m tests.unit.passes.test_pipeline`` writes the golden files anew.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.core.primitive import REGISTRY
from retrograd.core.types import ArrayType
from retrograd.errors import GraphError
from retrograd.graph.interpret import evaluate
from retrograd.graph.ir import Equation, Graph, Var
from retrograd.graph.text import parse_graph, print_graph
from retrograd.passes.expand import expand
from retrograd.passes.inline import inline_calls
from retrograd.passes.pipeline import PASSES, optimise

GOLDEN = Path(__file__).parents[2] / "golden" / "passes"
SEED = 0


def stepped(make_optimizer):
    """The graph of a training step on digits: 64-100-10, tanh, batch 64."""
    rng = np.random.default_rng(SEED)
    model = nn.Sequential(nn.Linear(64, 100), nn.Tanh(), nn.Linear(100, 10))
    optimizer = make_optimizer(model.parameters())

    @rg.jit
    def step(x, y):
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(rg.tensor(rng.normal(size=(64, 64)).astype("float32")), rg.tensor(rng.integers(0, 10, size=64)))
    return step.graph


def sgd_step():
    return stepped(lambda parameters: rg.optim.SGD(parameters, lr=0.1))


def adam_step():
    return stepped(lambda parameters: rg.optim.Adam(parameters, lr=1e-3))


def scan_gradient():
    """A recurrent net over 5 steps and its gradient: two loops, with what is constant in them."""

    @rg.jit
    def loss(w, xs):
        def step(h, x):
            h = rg.tanh(h @ (w / 2.0) + x)
            return h, rg.mean(h)

        h, means = rg.scan(step, rg.zeros(3), xs)
        return rg.sum(h) + rg.sum(means)

    gradient = rg.jit(rg.grad(loss))
    gradient(rg.tensor(np.eye(3, dtype=np.float32)), rg.tensor(np.ones((5, 3), np.float32)))
    return gradient.graph


PROGRAMS = {f.__name__: f for f in (sgd_step, adam_step, scan_gradient)}


@cache
def graph_of(name):
    return PROGRAMS[name]()


def shown(name):
    """What the golden file of a program holds."""
    graph = graph_of(name)
    parts = {
        "as traced": graph,
        "optimised": optimise(graph),
        "optimised, expanded, optimised": optimise(expand(optimise(graph), labels_checked=True)),
    }
    return "".join(f"{title}: {len(g.equations)} equations\n{print_graph(g)}\n\n" for title, g in parts.items())


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name):
    assert shown(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_stay(name):
    graph = graph_of(name)
    rng = np.random.default_rng(1)
    args = [rng.uniform(0.1, 0.9, t.shape).astype(t.dtype) if t.is_float else rng.integers(1, 10, t.shape)
            for t in graph.in_types]  # fmt: skip
    small = optimise(graph)
    assert (small.in_types, small.out_types) == (graph.in_types, graph.out_types)
    plain = inline_calls(graph)  # a call could run elsewhere than on the interpreter
    for found, wanted in zip(evaluate(small, args), evaluate(plain, args), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", PROGRAMS)
def test_once_is_enough(name):
    small = optimise(graph_of(name))
    assert optimise(small) is small


def test_passes_are_observed():
    seen = []
    optimise(parse_graph("graph(a: f32) { b: f32 = multiply(a, 1.0) c: f32 = exp(a) return b }"),
             lambda name, graph: seen.append((name, len(graph.equations))))  # fmt: skip
    assert seen == [("canonicalise", 1), ("drop_dead", 0)]
    assert [p.__name__ for p in PASSES][0] == "inline_calls"


def test_a_pass_that_makes_nonsense_is_stopped():
    def drop_first(graph):
        return Graph(graph.inputs, graph.equations[1:], graph.outputs)

    def twice(graph):
        return Graph(graph.inputs, graph.equations * 2, graph.outputs)

    def mistyped(graph):
        last = graph.equations[-1]
        return Graph(graph.inputs, (*graph.equations[:-1], Equation(last.prim, graph.inputs, last.outs)), graph.outputs)

    def of_another(graph):
        return Graph(graph.inputs, graph.equations, (Var(graph.outputs[0].type),))

    graph = parse_graph("graph(a: f32[2]) { b: f32 = sum[axes=(0,), keepdims=False](a) c: f32 = exp(b) return c }")
    for wrong in (drop_first, twice, mistyped, of_another):
        with pytest.raises(GraphError):
            optimise(graph, passes=(wrong,))


def test_kept_variables_come_after_the_outputs():
    graph = parse_graph("graph(a: f32) { b: f32 = exp(a) c: f32 = exp(a) d: f32 = sin(c) return d }")
    small = optimise(graph, keep=[graph.equations[0].outs[0]])
    wanted = parse_graph("graph(a: f32) { b: f32 = exp(a) c: f32 = sin(b) return c, b }")
    assert print_graph(small) == print_graph(wanted)


def test_a_kept_carry_tells_where_the_loop_has_gone():
    text = """graph(a: f32) {
      z: f32 = exp(a)
      b: f32, c: f32, d: f32 = scan[body=graph(b: f32, c: f32, d: f32) {
        e: f32 = multiply(b, 1.0) f: f32 = sin(c) g: f32 = cos(d) return e, f, g
      }, length=3, n_consts=0, n_carry=3, backwards=False](z, z, z)
      return c }"""
    graph = parse_graph(text)
    small = optimise(graph, keep=graph.equations[1].outs)
    (loop,) = [e for e in small.equations if e.prim.name == "scan"]
    assert small.outputs[1] is small.equations[0].outs[0]  # carried unchanged: what it entered as
    assert [loop.outs.index(o) for o in small.outputs[2:]] == [0, 1]


def test_ten_thousand_equations_are_no_trouble_in_one_line_of_descent():
    one = ArrayType((), np.dtype("float64"))
    x = Var(one)
    equations, here = [], x
    for _ in range(5000):
        for name in ("sin", "negative"):
            after = Var(one)
            equations.append(Equation(REGISTRY[name].of(), (here,), (after,)))
            here = after
    graph = Graph((x,), tuple(equations), (here,))
    assert optimise(graph) is graph


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        (GOLDEN / f"{program}.txt").write_text(shown(program), encoding="utf-8")
