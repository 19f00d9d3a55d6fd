"""What a loop carries is overwritten in place exactly where nobody can tell."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import retrograd as rg
from retrograd.graph.interpret import evaluate
from retrograd.native.executable import Executable
from retrograd.native.loops.ir import Loop, Nest, walk
from retrograd.native.loops.verify import verify
from retrograd.testing.native_laws import by_loops, poisoned
from tests.property.test_passes import traced

N = 37
TABLE = np.linspace(-1, 1, 6)


def turned(x, n=1):
    return rg.concatenate([x[n:], x[:n]])


# name -> (body of two vectors, a matrix and the index; nests in the loop, or None where that is not the point)
BODIES = {
    "each by itself": (lambda a, b, m, i: (a * 0.5 + 1, rg.tanh(b), m * m), 2),
    "one reads the other": (lambda a, b, m, i: (a + b, b * 0.5, m), None),
    "both read both": (lambda a, b, m, i: (a + b * 0.5, b - a * 0.5, m), None),
    "swap": (lambda a, b, m, i: (b, a, m), None),
    "swap of new values": (lambda a, b, m, i: (rg.tanh(b), rg.tanh(a), m), None),
    "one value twice": (lambda a, b, m, i: (a + 1, a + 1, m), None),
    "shift": (lambda a, b, m, i: (turned(a), b, m), None),
    "shifted sum": (lambda a, b, m, i: (a * 0.5 + turned(a) * 0.5, turned(b, 3), rg.flip(m, axis=0)), None),
    "reversed": (lambda a, b, m, i: (a[::-1], b[::-1] + a, m[:, ::-1] * 0.5), None),
    "transposed": (lambda a, b, m, i: (a, b, m.T * 0.5 + m), None),
    "moved through a view": (lambda a, b, m, i: (m[0], m[:, 0], rg.concatenate([m[1:], a[None]])), None),
    "stretched": (lambda a, b, m, i: (a, b + a[0], m * 0.5 + a), None),
    "sums": (lambda a, b, m, i: (a - rg.mean(a), rg.mean(m, axis=0), m * rg.sum(b * b) * 0.01), None),
    "a product": (lambda a, b, m, i: (a, rg.tanh(m @ a), rg.tanh(m @ m) * 0.5), None),
    "an update fused with a product": (lambda a, b, m, i: (a, b, m - 0.01 * (m.T @ m)), None),
    "an outer product": (lambda a, b, m, i: (a * 0.9, b, m * 0.9 + 0.1 * (a[:, None] @ b[None])), None),
    "rows by index": (lambda a, b, m, i: (m[i], a, m.at[i].set(b)), None),
    "gathered": (lambda a, b, m, i: (a[rg.argsort(b)], b[rg.argmax(a)] + a, m), None),
    "an inner loop": (
        lambda a, b, m, i: (rg.fori_loop(0, 3, lambda j, c: turned(c) * 0.9 + a * 0.1, a), a, m), None,
    ),
    "an inner loop over what changes": (
        lambda a, b, m, i: (a * 0.5, rg.scan(lambda c, x: (c * 0.5 + x, None), b, m[:4])[0], m + a), None,
    ),
    "an arm": (lambda a, b, m, i: (*rg.cond(a[0] > 0, lambda: (b, a * 0.5), lambda: (a + 1, b)), m), None),
    "a check after": (lambda a, b, m, i: (a + 1, b + rg.tensor(TABLE)[i], m), None),
    "stays": (lambda a, b, m, i: (a, b, m + 1), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["scan", "nested", "while"])
def test_nobody_can_tell(name, kind):
    body, nests = BODIES[name]

    def f(a, b, m):
        def step(carry, i):
            new = body(*carry, i)
            return new, rg.sum(carry[0]) + new[1][0]

        def loop(carry):
            if kind == "while":
                run = lambda s: (s[0] + 1, step(s[1], s[0])[0])
                return (*rg.while_loop(lambda s: s[0] < 5, run, (rg.asarray(0), carry))[1],)
            carry, stack = rg.scan(step, carry, rg.arange(5))
            return (*carry, stack)

        if kind == "nested":
            return rg.fori_loop(0, 2, lambda i, s: loop(s)[:3], (a, b, m))
        return loop((a, b, m))

    rng = np.random.default_rng(0)
    args = [rng.normal(size=s) for s in ((N,), (N,), (N, N))]
    graph, rest = traced(f, args)
    args = [*args, *rest]
    run = Executable(graph)
    verify(run.program)
    wanted = evaluate(graph, args)
    for found in (run(args), by_loops(run, args), poisoned(run, args, 0xFF)):
        for x, y in zip(found, wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10)
    if nests is not None and kind == "while":
        (loop,) = [s for s in run.program.body if not isinstance(s, Nest)]
        assert sum(isinstance(s, Nest) for s in walk(loop.body)) == nests + 1  # and the counter's


def test_a_step_in_place_copies_nothing():
    """w - lr (x^T d) in a loop: one product writes where w was."""

    def f(w, x):
        return (rg.fori_loop(0, 4, lambda i, w: w - 0.01 * (x.T @ (x @ w)), w),)

    args = [np.ones((3, 5)), np.ones((7, 3))]
    graph, rest = traced(f, args)
    (loop,) = [s for s in Executable(graph).program.body if isinstance(s, Loop)]
    assert [s.product is not None for s in loop.body if isinstance(s, Nest)] == [True, True]


@pytest.mark.parametrize("k", [3, 500, 9000])
def test_long_products_read_what_they_replace_at_the_end(k):
    """Partial sums of a blocked product must not lie where the old value still is."""

    def f(w, x, d):
        return (rg.fori_loop(0, 3, lambda i, w: w * 0.5 - 0.01 * (x.T @ d), w),)

    rng = np.random.default_rng(0)
    args = [rng.normal(size=s) for s in ((20, 33), (k, 20), (k, 33))]
    graph, rest = traced(f, args)
    for x, y in zip(Executable(graph)([*args, *rest]), evaluate(graph, [*args, *rest]), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)
