"""Random numbers: Philox4x32-10, generators as cells, the same bits on every road."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.core.dispatch import current, interpreter
from retrograd.core.overlay import Overlay
from retrograd.errors import RetrogradError, TracingError
from retrograd.primitives.creation import philox
from tests.semantics.ways import same

Generator = rg.random.Generator


def same_draw(draw, a, b):
    """Bit for bit; normals, which take a logarithm and a cosine, to 2 units in the last place of the larger ones."""
    if draw is not DRAWS["normal"]:
        return same(a, b)
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    assert (np.abs(a - b) <= 2 * np.spacing(np.maximum(np.abs(b), 1))).all()
    return None


def philox_in_python(counter, key):
    """Salmon et al. (2011), Random123's philox4x32-10, in Python integers."""
    c, k, mask = list(counter), list(key), 0xFFFFFFFF
    for i in range(10):
        if i:
            k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
    return c


def test_known_answers():
    """Random123's kat_vectors."""
    ones = 0xFFFFFFFF
    assert philox_in_python([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox_in_python([ones] * 4, [ones] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0]
    assert philox_in_python(*pi) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    words = rg.random.bits(4, generator=Generator(0)).numpy()
    assert words.dtype == np.uint32
    assert [int(w) for w in words] == philox_in_python([0] * 4, [0] * 2)


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 5, -1, 2**70 + 3])
def test_words_are_those_of_philox(seed):
    key = seed & (2**64 - 1)
    found = rg.random.bits(10, generator=Generator(seed)).numpy()
    expected = [w for i in range(3) for w in philox_in_python([i, 0, 0, 0], [key & 0xFFFFFFFF, key >> 32])][:10]
    assert [int(w) for w in found] == expected
    assert philox is not None


DRAWS = {
    "bits": lambda g: rg.random.bits((3, 5), generator=g),
    "uniform": lambda g: rg.random.uniform((3, 5), generator=g),
    "uniform64": lambda g: rg.random.uniform((3, 5), -1.0, 2.0, generator=g, dtype="float64"),
    "scalar": lambda g: rg.random.uniform(generator=g),
    "normal": lambda g: rg.random.normal((3, 5), 1.0, 2.0, generator=g),
    "integers": lambda g: rg.random.integers(-3, 9, (40,), generator=g),
    "bernoulli": lambda g: rg.random.bernoulli(0.3, (40,), generator=g),
    "permutation": lambda g: rg.random.permutation(17, generator=g),
    "two": lambda g: rg.random.uniform(3, generator=g) + rg.random.uniform(3, generator=g),
}  # fmt: skip
draws = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


@draws
def test_bit_equal_eager_compiled_and_in_loops(draw):
    g = Generator(5)
    expected = [draw(g).numpy() for _ in range(3)]
    assert not np.array_equal(expected[0], expected[1])
    state = g.array

    h = Generator(5)
    f = rg.jit(lambda: draw(h))
    for e in expected:
        same_draw(draw, f(), e)
    same(h.array, state)

    for way in (lambda f: f, rg.jit):
        for loop in (
            lambda step: rg.scan(lambda c, _: (c, step()), rg.tensor(0), length=3)[1],
            lambda step: rg.scan(lambda c, _: (step(), c), zero(draw), length=3)[0],
        ):
            h = Generator(5)
            found = way(lambda loop=loop, h=h: loop(lambda: draw(h)))()
            same_draw(draw, found, np.stack(expected) if found.shape != expected[0].shape else expected[-1])
            same(h.array, state)


def zero(draw):
    value = draw(Generator(0))
    return rg.zeros_like(value)


@draws
def test_faces_and_dtypes(draw):
    value = draw(Generator(1))
    assert isinstance(value, rg.Tensor)
    assert not value.requires_grad


def test_a_draw_advances_the_counter_by_a_static_amount():
    for shape in ((), (1,), (4,), (5,), (3, 7)):
        g, h = Generator(1), Generator(2)
        rg.random.bits(shape, generator=g)
        rg.random.bits(shape, generator=h)
        assert g.array[1] == h.array[1] > 0
    g = Generator(3)
    rg.random.bits((0,), generator=g)
    assert rg.random.bits((0, 3), generator=g).shape == (0, 3)


def test_successive_draws_do_not_overlap():
    g = Generator(1)
    seen = np.concatenate([rg.random.bits(n, generator=g).numpy() for n in (1, 5, 4, 3, 100)])
    assert len(set(seen.tolist())) == len(seen)


def test_one_visible_default():
    rg.random.manual_seed(11)
    a, b = rg.random.uniform(3), rg.random.uniform(3)
    assert rg.random.default_generator.array[0] == 11
    rg.random.manual_seed(11)
    f = rg.jit(lambda: rg.random.uniform(3))
    same(f(), a)
    same(f(), b)
    assert "generator" in f.report().programs[-1].reads
    g = Generator(11)
    same(rg.random.uniform(3, generator=g), a)


def test_seeding_inside_a_jitted_function():
    g = Generator(1)
    f = rg.jit(lambda: (g.manual_seed(9), rg.random.uniform(2, generator=g))[1])
    same(f(), f())
    same(f(), rg.random.uniform(2, generator=Generator(9)))


@pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_vmap_draws_one_block_for_all_lanes(way):
    g, block = Generator(4), Generator(4)
    found = way(rg.vmap(lambda x: x * 0 + rg.random.uniform((3,), generator=g)))(np.zeros((5, 1), "f"))
    same(found, rg.random.uniform((5, 3), generator=block))
    same(g.array, block.array)
    nested = way(rg.vmap(rg.vmap(lambda x: x * 0 + rg.random.uniform(generator=g))))(np.zeros((2, 5), "f"))
    same(nested, rg.random.uniform((2, 5), generator=block))
    same(g.array, block.array)


@pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_lanes_with_a_generator_each_draw_from_their_own(way):
    """As in a stack of models: numbers and the states that follow are those of each generator alone."""
    cell, singles = Generator(0), [Generator(seed) for seed in range(6)]
    states = np.stack([g.array for g in singles])

    def draw(state):
        level = Overlay(current(), {cell: state})
        with interpreter(level):
            first = rg.random.uniform((3,), generator=cell)
            shared = rg.vmap(lambda x: x * 0 + rg.random.uniform((2,), generator=cell))(rg.zeros((5, 1)))
        return first, shared, level.overlay[cell]

    first, shared, following = way(rg.vmap(draw))(states)
    deep = way(rg.vmap(rg.vmap(draw)))(states.reshape(2, 3, 2))
    for i, g in enumerate(singles):
        same(first[i], rg.random.uniform((3,), generator=g))
        same(shared[i], rg.random.uniform((5, 2), generator=g))
        same(following[i], g.array)
    for found, flat in zip(deep, (first, shared, following), strict=True):
        same(found.numpy().reshape(flat.shape), flat)


def test_vmap_of_a_loop_draws_for_every_lane():
    g = Generator(4)
    found = rg.vmap(lambda x: rg.scan(lambda c, _: (c, rg.random.uniform(generator=g)), x, length=3)[1])(np.zeros(4))
    assert found.shape == (4, 3)
    assert len(set(found.numpy().ravel().tolist())) == 12


def test_split_and_fold_in():
    g = Generator(1)
    a, b = rg.random.split(g)
    assert len({(int(k.array[0])) for k in (g, a, b)}) == 3
    c, d, e = rg.random.split(g, 3)
    assert len({int(k.array[0]) for k in (a, b, c, d, e)}) == 5
    before = g.array.copy()
    one, two = rg.random.fold_in(g, 1), rg.random.fold_in(g, 2)
    same(g.array, before)
    assert int(one.array[0]) != int(two.array[0])
    same(rg.random.fold_in(g, 1).array, one.array)
    same(rg.random.fold_in(Generator(1), 1).array, one.array)  # whatever was drawn


@pytest.mark.parametrize("make", [lambda g: rg.random.split(g)[0], lambda g: rg.random.fold_in(g, 1)])
def test_generators_are_not_made_inside_a_traced_function(make):
    g = Generator(1)
    with pytest.raises(TracingError, match="generator"):
        rg.jit(lambda: rg.random.uniform(generator=make(g)))()


def test_gradients_flow_around_draws():
    g = Generator(1)
    mask = rg.random.uniform((3,), generator=Generator(1))
    same(rg.grad(lambda x: rg.sum(x * rg.random.uniform((3,), generator=g)))(np.ones(3, "f")), mask)


def test_ranges():
    g = Generator(0)
    u = rg.random.uniform((10000,), generator=g).numpy()
    assert u.min() >= 0
    assert u.max() < 1
    n = rg.random.integers(-2, 3, (1000,), generator=g).numpy()
    assert set(n.tolist()) == {-2, -1, 0, 1, 2}
    assert sorted(rg.random.permutation(50, generator=g).tolist()) == list(range(50))
    z = rg.random.normal((20000,), generator=g).numpy()
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.03
    assert np.isfinite(z).all()


def test_mistakes():
    with pytest.raises(RetrogradError, match="integer"):
        Generator(1.5)
    with pytest.raises(RetrogradError, match="negative"):
        rg.random.uniform(-1)
    with pytest.raises(RetrogradError, match="range"):
        rg.random.integers(3, 3)
    with pytest.raises(rg.errors.UnsupportedDtype):
        rg.random.uniform(2, dtype="int32")
