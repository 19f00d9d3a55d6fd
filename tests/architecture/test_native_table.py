"""docs/native.md lists the primitives without a kernel, and they are of the kinds that may be without one."""

import pytest

import retrograd as rg
from scripts import generate_native_table

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ALLOWED = {
    "matrix decompositions": {"cholesky", "eigh", "qr", "svd"},
    "the sort family": {"argsort", "sort"},
    "FFT": {"fft", "ifft"},
    "data-dependent shapes": {"nonzero", "unique"},
}
INTEGER_POWERS = ({"integers"}, {1})  # of the primitive `power`: the kinds, and the argument that helps if it is known


@pytest.fixture(scope="module")
def missing():
    return generate_native_table.missing()


def test_only_the_kinds_that_may_be_without_a_kernel_are(missing):
    found = dict(missing)
    kinds, _, helping = found.pop("power", (set(), set(), set()))
    assert not kinds or (kinds, helping) == INTEGER_POWERS
    assert set(found) <= set().union(*ALLOWED.values())


def test_the_page_is_up_to_date(missing, monkeypatch):
    monkeypatch.setattr(generate_native_table, "missing", lambda: missing)
    page = generate_native_table.PAGE.read_text(encoding="utf-8")
    assert page == generate_native_table.generate(page), "run python scripts/generate_native_table.py"


SORTED = {
    "argsort": rg.argsort, "sort": rg.sort, "top_k": lambda x: rg.top_k(x, 2).values,
    "random.permutation": lambda x: rg.random.permutation(5) + x, "x.at[...].set": lambda x: x.at[1:3].set(0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", SORTED)
def test_the_page_says_who_sorts(name):
    pytest.importorskip("llvmlite")
    f = rg.jit(SORTED[name])
    f(rg.arange(5.0))
    assert "host Argsort" in f.loops
    paragraph = generate_native_table.PAGE.read_text(encoding="utf-8").partition("Through `argsort` go")[2]
    assert name in paragraph.partition("\n\n")[0]


def test_a_primitive_without_a_kernel_is_found(missing):
    kinds, have, helping = missing["argsort"]
    assert kinds and not have and not helping
    assert "exp" not in missing and "scan" not in missing
