"""Products against NumPy in float64: sizes, strides, parts, special values, what is written."""

import dataclasses
import itertools
import zlib

import numpy as np
import pytest

from retrograd.native.contraction import Operand, Product, plan, shares
from tests.unit.native.contraction.harness import BASE, TARGETS, Code, aligned, machine, write

DTYPES = [np.float32, np.float64]


def operand(rng, kind, rows, columns, dtype):
    """An array, and its strides in elements. N: row by row; T: column by column; the others as they say."""
    if kind == "N":
        x = rng.standard_normal((rows, columns))
    elif kind == "T":
        x = rng.standard_normal((columns, rows)).T
    elif kind == "padded":
        x = rng.standard_normal((rows, columns + 3))[:, 1 : columns + 1]
    elif kind == "reversed":
        x = rng.standard_normal((rows, columns))[::-1, ::-1]
    elif kind == "steps":
        x = rng.standard_normal((2 * rows, 3 * columns))[::2, ::3]
    elif kind == "row":
        x = np.broadcast_to(rng.standard_normal(columns), (rows, columns))
    elif kind == "column":
        x = np.broadcast_to(rng.standard_normal((rows, 1)), (rows, columns))
    strides = [s // x.itemsize for s in x.strides]
    if x.size == 0:
        return np.zeros((1, 1), dtype), x.astype(dtype), Operand(columns, 1)
    # A cast would lay the elements out anew: cast the memory that they lie in.
    low = sum(min(0, s * (n - 1)) for s, n in zip(strides, x.shape, strict=True))
    high = sum(max(0, s * (n - 1)) for s, n in zip(strides, x.shape, strict=True))
    memory = np.empty(high - low + 1, dtype)
    view = np.lib.stride_tricks.as_strided(
        memory[-low:], x.shape, [s * memory.itemsize for s in strides], writeable=True
    )
    view[...] = x
    return view, view, Operand(*strides)


def example(m, n, k, dtype, kinds="N N"):
    """A product and its operands, always the same ones."""
    rng = np.random.default_rng(zlib.crc32(repr((m, n, k, kinds)).encode()))
    left, right = kinds.split()
    a, av, sa = operand(rng, left, m, k, dtype)
    b, bv, sb = operand(rng, right, k, n, dtype)
    return Product(m, n, k, BASE[np.dtype(dtype)], sa, sb), a, b, av.astype(float), bv.astype(float)


def check(compiled, name, case, *, dtype, **options):
    """Compile, run, compare; C is followed by guards. Gives C."""
    product, a, b, av, bv = case
    code = compiled(name, product, **options)
    c = aligned(product.m * product.n + 64, dtype)
    c[product.m * product.n :] = 7
    code(a, b, c, (0, product.m), (0, product.n))
    bound = 2 * np.sqrt(max(product.k, 1)) * np.finfo(dtype).eps * (abs(av) @ abs(bv))
    result = c[: product.m * product.n].reshape(product.m, product.n)
    assert (abs(result - av @ bv) <= bound).all()
    assert (c[product.m * product.n :] == 7).all()
    return result


SIZES = [
    (1, 1, 1), (2, 3, 1), (4, 8, 2), (5, 7, 3), (6, 16, 5), (7, 15, 4), (8, 17, 9), (11, 31, 8), (13, 33, 19),
    (24, 10, 12), (25, 4, 33), (17, 2, 40), (40, 39, 37), (64, 100, 64),
]  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes(compiled, name, dtype, size):
    check(compiled, name, example(*size, dtype), dtype=dtype)


STRIDES = ["T N", "N T", "T T", "padded padded", "reversed reversed", "steps steps", "row column", "column row"]


@pytest.mark.parametrize("name", ["v2", "v3", "wide"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kinds", STRIDES)
@pytest.mark.parametrize("size", [(9, 21, 13), (13, 37, 6)], ids=str)
def test_strides(compiled, name, dtype, kinds, size):
    check(compiled, name, example(*size, dtype, kinds), dtype=dtype)


@pytest.mark.parametrize("name", ["v2", "v3", "wide"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kinds", ["N N", "N T", "T T", "steps T"])
@pytest.mark.parametrize("size", [(1, 30, 50), (1, 5, 100), (3, 9, 21), (2, 1, 7), (30, 1, 50), (1, 1, 70)], ids=str)
def test_vectors(compiled, name, dtype, kinds, size):
    """A row or a column by a matrix; few rows by columns that lie along k take another road."""
    case = example(*size, dtype, kinds)
    check(compiled, name, case, dtype=dtype)
    if kinds == "N T" and size[0] == 1 and size[1] > 1:
        assert plan(TARGETS[name], case[0]).form == "dots"


@pytest.mark.parametrize("name", ["small", "small wide", "small v2"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kinds", ["N N", "T padded", "N reversed"])
@pytest.mark.parametrize("size", [(1, 130, 57), (2, 96, 41), (4, 37, 90)], ids=str)
def test_few_rows_by_a_large_matrix(blocked, name, dtype, kinds, size):
    case = example(*size, dtype, kinds)
    check(blocked, name, case, dtype=dtype)
    assert kinds == "N reversed" or plan(TARGETS[name], case[0]).form == "streams"


@pytest.mark.parametrize("name", ["v2", "v3", "wide"])
@pytest.mark.parametrize("kinds", ["N N", "T T"])
@pytest.mark.parametrize("k", [0, 1, 1025, 1500])
def test_depths(compiled, name, kinds, k):
    """No terms give zeros; long sums are made of pieces."""
    check(compiled, name, example(9, 20, k, np.float32, kinds), dtype=np.float32)
    check(compiled, name, example(1, 20, k, np.float32, kinds), dtype=np.float32)


def small_caches(name):
    """A target on which products of test size are packed and blocked."""
    return dataclasses.replace(TARGETS[name], l1=4096, l2=12 << 10)


@pytest.fixture
def blocked(compiled, monkeypatch):
    """As `compiled`, with small caches and few columns at once."""
    from retrograd.native.contraction import planning

    monkeypatch.setitem(TARGETS, "small", small_caches("v3"))
    monkeypatch.setitem(TARGETS, "small wide", small_caches("wide"))
    monkeypatch.setitem(TARGETS, "small v2", small_caches("v2"))
    monkeypatch.setattr(planning, "COLUMNS", 300)
    planning.plan.cache_clear()
    yield compiled
    planning.plan.cache_clear()


BLOCKED = [(50, 270, 80), (61, 301, 203), (23, 650, 530), (12, 400, 1041)]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("small", np.float32), ("small", np.float64), ("small wide", np.float32), ("small v2", np.float64)],
)
@pytest.mark.parametrize("kinds", ["N N", "T N", "N T", "steps steps"])
@pytest.mark.parametrize("size", BLOCKED, ids=str)
def test_blocks(blocked, name, dtype, kinds, size):
    """Packed on the way and packed ahead give the same bits."""
    case = example(*size, dtype, kinds)
    chosen = plan(TARGETS[name], case[0])
    result = check(blocked, name, case, dtype=dtype)
    assert chosen.packs or chosen.form != "blocks"
    if chosen.packs:
        assert np.array_equal(result, check(blocked, name, case, dtype=dtype, packs=True))


def test_blocks_are_chosen(blocked):
    forms = {size: plan(TARGETS["small"], example(*size, np.float32)[0]) for size in BLOCKED}
    assert {p.form for p in forms.values()} == {"blocks"}
    assert any(p.depths > 1 for p in forms.values())
    assert any(p.keeps_panels for p in forms.values())
    assert any(p.product.n > p.columns_at_once for p in forms.values())


@pytest.mark.parametrize("name", ["small", "small wide", "v3"])
@pytest.mark.parametrize("kinds", ["N N", "N T"])
@pytest.mark.parametrize("size", [(61, 301, 203), (64, 100, 64), (23, 10, 12), (3, 40, 30), (3, 90, 41)], ids=str)
def test_a_product_in_parts_is_the_same_to_the_bit(blocked, name, kinds, size):
    case = product, a, b, *_ = example(*size, np.float32, kinds)
    whole = check(blocked, name, case, dtype=np.float32)
    p = plan(TARGETS[name], product)
    for axis, end, step in (("rows", product.m, p.row_step), ("columns", product.n, p.column_step)):
        code = blocked(name, product, part=(axis,))
        middle = end // 2 // step * step
        for ranges in ([(0, middle), (middle, end), (end, end)], [(0, 0), (0, end)]):
            c = aligned(product.m * product.n, np.float32)
            for part in ranges:
                before = c.copy()
                code(a, b, c, part, part)
                index = (slice(None),) * (axis == "columns") + (slice(*part),)
                changed = (c != before).reshape(product.m, product.n)
                changed[index] = False
                assert not changed.any()
            assert np.array_equal(c.reshape(product.m, product.n), whole)


def test_shares_cover_everything_in_allowed_steps():
    for size in [(64, 100, 64), (1, 100, 30), (100, 3, 30), (5, 5, 5), (2048, 2048, 2048)]:
        for kinds in ("N N", "N T"):
            rows, columns, k = size
            a, b = (Operand(k, 1), Operand(columns, 1)) if kinds == "N N" else (Operand(k, 1), Operand(1, k))
            product = Product(rows, columns, k, "float", a, b)
            p = plan(TARGETS["v4"], product)
            for parts in (1, 2, 3):
                axis, ranges = shares(TARGETS["v4"], product, parts)
                end, step = (rows, p.row_step) if axis == "rows" else (columns, p.column_step)
                assert len(ranges) == parts
                assert ranges[0][0] == 0 and ranges[-1][1] == end
                assert all(x[1] == y[0] for x, y in itertools.pairwise(ranges))
                assert all(cut % step == 0 or cut == end for part in ranges for cut in part)


@pytest.mark.parametrize("name", ["v3", "wide", "small"])
@pytest.mark.parametrize("kinds", ["N N", "N T"])
@pytest.mark.parametrize("size", [(7, 21, 13), (1, 21, 13), (50, 270, 80)], ids=str)
def test_nan_and_infinity_go_where_they_belong(blocked, name, kinds, size):
    m, n, k = size
    product, a, b, *_ = example(*size, np.float32, kinds)
    a, b = a.copy("K"), b.copy("K")
    a[m - 1, k - 1] = np.nan
    a[0, 0] = np.inf if m > 1 else a[0, 0]
    b[k - 1, n - 1] = -np.inf
    c = aligned(m * n, np.float32)
    blocked(name, product)(a, b, c)
    with np.errstate(invalid="ignore"):
        want = a.astype(float) @ b.astype(float)
    np.testing.assert_allclose(c.reshape(m, n), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["v3", "small"])
def test_a_large_epilogue_is_put_in_a_loop(blocked, name):
    case = example(50, 270, 80, np.float32)
    product = case[0]
    large, small = (str(write(TARGETS[name], product, epilogue_size=s)) for s in (1000, 1))
    assert len(large) <= len(small)
    whole = check(blocked, name, case, dtype=np.float32)
    assert np.array_equal(whole, check(blocked, name, case, dtype=np.float32, epilogue_size=1000))


@pytest.mark.parametrize("k", [300, 1000, 4000])
def test_errors_are_those_of_numpy(compiled, k):
    """At most twice the error of NumPy in single precision, over all elements."""
    product, a, b, av, bv = case = example(24, 32, k, np.float32)
    ours = check(compiled, "v3", case, dtype=np.float32)
    exact = av @ bv
    assert np.linalg.norm(ours - exact) <= 2 * np.linalg.norm(a @ b - exact)


@pytest.mark.parametrize("size", [(7, 21, 13), (64, 100, 64), (1, 20, 30), (61, 301, 203), (1, 999, 900)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kinds", ["N N", "N T"])
def test_code_for_every_level(blocked, size, dtype, kinds):
    """Also for levels that this CPU is not; what has no fused multiply-add calls no library for it."""
    import llvmlite.binding as llvm

    product = example(*size, dtype, kinds)[0]
    for name in ("v2", "v4"):
        module = llvm.parse_assembly(str(write(TARGETS[name], product)))
        module.verify()
        assembly = machine(TARGETS[name]).emit_assembly(module)
        assert "fma" not in assembly if name == "v2" else "vfmadd" in assembly
        assert "zmm" in assembly or name == "v2" or product.n < 16


@pytest.mark.parametrize("size", [(0, 5, 3), (5, 0, 3)], ids=str)
def test_nothing_to_compute(compiled, size):
    product = Product(*size, "float", Operand(3, 1), Operand(5, 1))
    code = compiled("v3", product)
    assert isinstance(code, Code)
    code(*[aligned(64, np.float32)] * 3)


def test_tiles_of_packed_operands_are_shared_by_a_module(blocked):
    from retrograd.native.contraction import emit
    from retrograd.native.llvm.builder import Module

    product = example(50, 270, 80, np.float32)[0]
    module = Module()
    f = module.function("both", [("ptr", "a"), ("ptr", "b"), ("ptr", "scratch")])
    for _ in range(2):
        emit(f, TARGETS["small"], product, "%a", "%b", lambda *_: None, "%scratch")
    assert len(module.functions) == 3  # the product's, for tiles, and what turns A


def test_transposed_product():
    product = Product(2, 3, 4, "float", Operand(4, 1), Operand(1, 9))
    assert product.transposed == Product(3, 2, 4, "float", Operand(9, 1), Operand(1, 4))
    assert product.transposed.transposed == product
