"""Native code at sizes around those of vectors, of blocks of sums, and of what is shared by threads."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import retrograd as rg
from retrograd.core.dispatch import apply
from retrograd.core.primitive import REGISTRY
from retrograd.core.types import type_of
from retrograd.graph.interpret import evaluate
from retrograd.graph.trace import trace_pure
from retrograd.native.executable import Executable
from retrograd.native.llvm import program
from retrograd.native.runtime.cpu import current_target
from retrograd.testing.cases import same_bits
from retrograd.testing.native_laws import poisoned

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 129, 257, 1000, 4099)
BLOCKS = (16_384, 70_001)
SAME = None  # no error: moved, selected, converted


def executable(f, args, threads=1):
    graph = trace_pure(lambda *xs: list(f(*xs)), [type_of(a) for a in args], "a test")
    return Executable(graph, target=replace(current_target(), threads=threads))


def close(found, wanted, bounds):
    for i, (f, w, bound) in enumerate(zip(found, wanted, bounds, strict=True)):
        w = np.asarray(w)
        assert (f.shape, f.dtype) == (w.shape, w.dtype), i
        if bound is not SAME:
            assert (np.abs(f.astype("f8") - w) <= bound).all(), (i, f, w)
        else:
            np.testing.assert_array_equal(f, w, err_msg=str(i))


def vectors(n, dtype):
    rng = np.random.default_rng(n)
    return [rng.normal(size=n).astype(dtype) for _ in range(2)] + [rng.integers(-9, 9, n).astype("i1")]


def of_vectors(x, y, k):
    whole = rg.astype(k, "int64")
    return (
        rg.tanh(x) * y - x[::-1], x[::2], rg.where(x > 0, x, k), rg.sum(x), rg.sum(x * y), rg.max(x), rg.argmax(x),
        rg.sum(whole), rg.max(k), rg.sum(rg.astype(x > y, "int64")), (x > y) & (k > 0), rg.astype(x, "float64") + k,
        rg.concatenate([y, x[::-1]]), x[-1] * y, rg.astype(x * 100, "int32"), rg.astype(k, "float32") * 2, rg.max(x) > 3,
        rg.min(x), rg.argmin(x), rg.min(k), rg.any(x > 2), rg.all(x > -2), rg.any(k == 7), rg.round(x * 4), x % y, k // k[::-1],
    )  # fmt: skip


def bounds_of_vectors(x, y, dtype):
    eps = np.finfo(dtype).eps
    n = 2 * np.sqrt(len(x)) * eps
    x, y = np.abs(x.astype("f8")), np.abs(y.astype("f8"))
    each = 8 * eps * (x + y + x[::-1])
    return (
        each, SAME, SAME, n * x.sum() + eps, n * (x @ y) + eps, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME,
        eps * x[-1] * y, *[SAME] * 12,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [SIZES, BLOCKS], ids=["vectors", "blocks"])
def test_vectors(sizes, dtype):
    for n in sizes:
        args = vectors(n, dtype)
        run = executable(of_vectors, args)
        found = run(args)
        wanted = evaluate(run.graph, args)
        close(found, wanted, bounds_of_vectors(*args[:2], dtype))
        assert all(map(same_bits, poisoned(run, args, 0xFF), found))


SHAPES = [(1, 1), (1, 9), (9, 1), (3, 5), (8, 8), (5, 17), (17, 5), (33, 64), (2, 100), (100, 2), (7, 3000), (3000, 7)]


def of_matrices(x, v):
    return (
        rg.sum(x, axis=0), rg.sum(x, axis=1), rg.sum(x), rg.max(x, axis=0), rg.max(x, axis=1), rg.argmax(x, axis=0),
        rg.argmax(x, axis=1), x + v, x.T * 2, rg.sum(x.T, axis=0), rg.sum(x * v, axis=1), x - rg.max(x, axis=1, keepdims=True),
        rg.flip(x, axis=0), rg.sum(x[None] * x[None, ::-1], axis=(0, 2)), rg.min(x, axis=0), rg.min(x, axis=1),
        rg.argmin(x, axis=0), rg.argmin(x, axis=1), rg.any(x > 2, axis=0), rg.all(x > -2, axis=1), rg.fmod(x, v),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_matrices(shape, dtype):
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape).astype(dtype), rng.normal(size=shape[1]).astype(dtype)]
    run = executable(of_matrices, args)
    x, v = (np.abs(a.astype("f8")) for a in args)
    (m, n), eps = shape, np.finfo(dtype).eps
    down, along = 2 * np.sqrt(m) * eps, 2 * np.sqrt(n) * eps
    bounds = (
        down * x.sum(0), along * x.sum(1), down * np.sqrt(n) * x.sum(), SAME, SAME, SAME, SAME, SAME, SAME,
        along * x.sum(1), along * (x @ v), SAME, SAME, along * (x * x[::-1]).sum(1), *[SAME] * 7,
    )  # fmt: skip
    found = run(args)
    wide = [a.astype("f8") for a in args]
    exact, plain = evaluate(executable(of_matrices, wide).graph, wide), evaluate(run.graph, args)
    wanted = [p if b is SAME else e.astype(dtype) for p, e, b in zip(plain, exact, bounds, strict=True)]
    close(found, wanted, [b if b is SAME else b + eps * np.abs(w) for b, w in zip(bounds, wanted, strict=True)])
    assert all(map(same_bits, poisoned(run, args, 0xFF), found))


PRODUCTS = [
    (1, 1, 1),
    (1, 300, 7),
    (64, 1, 64),
    (5, 17, 3),
    (16, 16, 16),
    (33, 65, 31),
    (100, 64, 10),
    (7, 2000, 40),
    (130, 70, 257),
]


def of_products(a, b, w):
    after = w - 0.1 * (a.T @ (a @ b))  # the update fused with the product
    return a @ b, (b.T @ a.T), rg.tanh(a @ b) * 2 + 1, rg.sum(a @ b, axis=0), after


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", PRODUCTS, ids=str)
def test_products(sizes, dtype):
    m, k, n = sizes
    rng = np.random.default_rng(0)
    args = [(rng.normal(size=s) / np.sqrt(k)).astype(dtype) for s in ((m, k), (k, n), (k, n))]
    run = executable(of_products, args)
    a, b, w = (np.abs(x.astype("f8")) for x in args)
    eps = np.finfo(dtype).eps
    one = 2 * np.sqrt(k) * eps * (a @ b) + 2 * eps
    bounds = (
        one, one.T, 2 * one + 16 * eps, one.sum(0) + 2 * np.sqrt(m) * eps * (a @ b).sum(0),
        0.1 * (a.T @ one + 2 * np.sqrt(m) * eps * (a.T @ (a @ b))) + 2 * eps * w + eps,
    )  # fmt: skip
    wide = [x.astype("f8") for x in args]
    found = run(args)
    wanted = [
        x.astype(dtype)
        for x in evaluate(run.graph if dtype == "float64" else executable(of_products, wide).graph, wide)
    ]
    close(found, wanted, bounds)
    assert all(map(same_bits, poisoned(run, args, 0xFF), found))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_give_the_same_bits(dtype, monkeypatch):
    """Whatever is worth splitting, and split wherever it can be."""
    rng = np.random.default_rng(0)
    of = [
        (of_vectors, vectors(70_001, dtype)),
        (of_vectors, vectors(129, dtype)),
        (of_matrices, [rng.normal(size=(300, 301)).astype(dtype), rng.normal(size=301).astype(dtype)]),
        (of_matrices, [rng.normal(size=(5, 17)).astype(dtype), rng.normal(size=17).astype(dtype)]),
        (of_products, [rng.normal(size=s).astype(dtype) for s in ((130, 70), (70, 257), (70, 257))]),
        (of_products, [rng.normal(size=s).astype(dtype) for s in ((9, 300), (300, 5), (300, 5))]),
    ]
    for worth in (program.WORTH_SPLITTING, -1.0):
        monkeypatch.setattr(program, "WORTH_SPLITTING", worth)
        for f, args in of:
            wanted = executable(f, args)(args)
            for threads in (2, 3) if worth < 0 else (2,):
                found = executable(f, args, threads)(args)
                assert [i for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if not same_bits(a, b)] == []


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 16, 31, 33, 64, 65, 1000])
def test_random_words(n):
    state = np.array([7, 2**33 + 1], "u8")
    prim = REGISTRY["random_bits"].of((n,))
    run = executable(lambda s: apply(prim, s), [state])
    for found, wanted in zip(run([state]), prim.evaluate(state), strict=True):
        np.testing.assert_array_equal(found, wanted, strict=True)


def test_indices_at_sizes():
    rng = np.random.default_rng(0)
    for rows, width, count in ((5, 1, 40), (7, 3, 9), (100, 16, 33), (50, 33, 200)):
        x = rng.normal(size=(rows, width)).astype("f")
        index = rng.integers(-rows, rows, count)
        v = rng.normal(size=(count, width)).astype("f")

        def f(x, index, v):
            return x[index], x[index, 0] * 2, x.at[index].add(v), x.T[:, index], rg.zeros(rows).at[index].add(v[:, 0])

        run = executable(f, [x, index, v])
        for found, wanted in zip(run([x, index, v]), evaluate(run.graph, [x, index, v]), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5, strict=True)
        bad = index.copy()
        bad[count // 2] = rows
        with pytest.raises(IndexError, match=f"{rows} is out of bounds"):
            run([x, bad, v])
