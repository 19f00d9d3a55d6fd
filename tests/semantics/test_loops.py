"""Loops: the same in Python, eager and staged; what is carried, what is refused, which modes go through."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.errors import MissingRule, RetrogradError, ShapeError, TracingError
from tests.semantics.ways import LOOP_WAYS, loop_ways, same


def nearly(a, b):
    """The same up to rounding: compiled code adds in another order."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    if a.dtype.kind == "f":
        np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == np.float32 else 1e-13, atol=1e-7)
    else:
        same(a, b)


# One result, whatever the way -----------------------------------------------------------------------------------------


class Training:
    """A model, momentum, a generator and a step count: everything a loop may carry."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.w = rg.Parameter(rng.normal(size=(3, 2)).astype("f"))
        self.velocity = rg.Buffer(np.zeros((3, 2), "f"))
        self.generator = rg.random.Generator(7)
        self.count = rg.Buffer(np.array(0))
        self.lr = rg.Setting(0.1)
        self.x = rg.tensor(rng.normal(size=(5, 3)).astype("f"))

    def step(self, i):
        noise = rg.random.normal((5, 2), generator=self.generator)
        self.w.grad = None
        loss = rg.mean((rg.tanh(self.x @ self.w) - noise) ** 2)
        loss.backward()
        self.velocity.value = 0.9 * self.velocity + self.w.grad
        self.w.value = self.w - self.lr * self.velocity / (i + 1)
        self.count.value = self.count + 1
        return loss.detach()

    def cells(self):
        return [self.w, self.velocity, self.generator, self.count, self.w.grad_cell]


def python_loop(t, n):
    loss = rg.tensor(0.0)
    for i in range(n):
        loss = t.step(rg.tensor(i))
    return loss


def eager_scan(t, n):
    return rg.scan(lambda c, i: (t.step(i), None), rg.tensor(0.0), rg.arange(n))[0]


def eager_fori(t, n):
    return rg.fori_loop(0, n, lambda i, c: t.step(i), rg.tensor(0.0))


def dynamic_fori(t, n):
    return rg.fori_loop(0, rg.tensor(n), lambda i, c: t.step(i), rg.tensor(0.0))


def while_(t, n):
    def body(s):
        return s[0] + 1, t.step(s[0])

    return rg.while_loop(lambda s: s[0] < n, body, (rg.tensor(0), rg.tensor(0.0)))[1]


def bounded_while(t, n):
    def body(s):
        return s[0] + 1, t.step(s[0])

    return rg.while_loop(lambda s: s[0] < n, body, (rg.tensor(0), rg.tensor(0.0)), max_iterations=n + 1)[1]


LOOPS = [eager_scan, eager_fori, dynamic_fori, while_, bounded_while]


@loop_ways
@pytest.mark.parametrize("loop", LOOPS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [0, 1, 4])
def test_cells_and_results_are_those_of_a_python_loop(way, loop, n):
    compare = nearly if way is LOOP_WAYS["jit"] else same
    expected, found = Training(), Training()
    for _ in range(2):  # the second time the .grad is there
        compare(way(lambda: loop(found, n))(), python_loop(expected, n))
        for a, b in zip(found.cells(), expected.cells(), strict=True):
            assert (a.array is None) == (b.array is None)
            if a.array is not None:
                compare(a.array, b.array)


@pytest.mark.parametrize("loop", LOOPS, ids=lambda f: f.__name__)
def test_a_loop_of_a_jitted_step(loop):
    expected, found = Training(), Training()
    found.step = rg.jit(found.step)
    nearly(loop(found, 3), python_loop(expected, 3))
    for a, b in zip(found.cells(), expected.cells(), strict=True):
        nearly(a.array, b.array)


def test_a_jitted_loop_of_a_jitted_step():
    expected, found = Training(), Training()
    found.step = rg.jit(found.step)
    run = rg.jit(lambda: eager_fori(found, 3))
    run(), run()
    python_loop(expected, 3), python_loop(expected, 3)
    for a, b in zip(found.cells(), expected.cells(), strict=True):
        nearly(a.array, b.array)


# The index, the count, the carry --------------------------------------------------------------------------------------


@loop_ways
@pytest.mark.parametrize("dynamic", [False, True])
def test_the_index_is_a_0d_int64_tensor(way, dynamic):
    seen = []

    def body(i, c):
        seen.append((type(i), i.shape, i.dtype))
        return c + i

    upper = rg.tensor(4) if dynamic else 4
    same(way(lambda: rg.fori_loop(1, upper, body, rg.tensor(0)))(), np.array(6))
    assert set(seen) == {(rg.Tensor, (), np.dtype("int64"))}


def test_a_body_is_traced_once():
    count = []
    rg.fori_loop(0, 100, lambda i, c: (count.append(1), c + i)[1], rg.tensor(0))
    assert len(count) == 1
    with rg.debug():
        rg.fori_loop(0, 5, lambda i, c: (count.append(1), c + i)[1], rg.tensor(0))
    assert len(count) == 6


def test_a_traced_body_serves_again():
    """As long as nothing differs that `jit` would look at; a list it writes to could differ."""
    calls = 0

    def count():
        nonlocal calls
        calls += 1

    k = 2.0
    f = lambda c, x: (count_and(c * k + x, count), None)
    for _ in range(3):
        same(rg.scan(f, rg.tensor(1.0), rg.tensor([1.0, 2.0]))[0], np.float32(8))
    k = 3.0
    same(rg.scan(f, rg.tensor(1.0), rg.tensor([1.0, 2.0]))[0], np.float32(14))


def count_and(value, count):
    count()
    return value


@loop_ways
@pytest.mark.parametrize("n", [0, 3])
def test_reverse_scan_and_stacked_results(way, n):
    xs = rg.tensor(np.arange(n, dtype="f"))
    carry, ys = way(lambda: rg.scan(lambda c, x: (c * 2 + x, c), rg.tensor(1.0), xs, reverse=True))()
    c, stack = 1.0, []
    for x in reversed(range(n)):
        stack.append(c)
        c = c * 2 + x
    same(carry, np.float32(c))
    if n:
        same(ys, np.array(stack[::-1], "f"))


@loop_ways
def test_trees_in_and_out(way):
    def body(c, x):
        return {"a": c["a"] + x["u"], "b": (c["b"][0] * x["v"],)}, [c["a"], (x["v"],)]

    init = {"a": rg.tensor(0.0), "b": (rg.tensor(1.0),)}
    xs = {"u": rg.tensor([1.0, 2.0]), "v": rg.tensor([3.0, 4.0])}
    carry, (first, (second,)) = way(lambda: rg.scan(body, init, xs))()
    same(carry["a"], np.float32(3))
    same(carry["b"][0], np.float32(12))
    same(first, np.array([0, 1], "f"))
    same(second, np.array([3, 4], "f"))


@loop_ways
def test_weak_scalars_take_the_dtype_they_meet(way):
    x = rg.tensor([1.0, 2.0, 3.0])
    same(way(lambda: rg.scan(lambda c, v: (c + v, None), 0.0, x)[0])(), np.float32(6))
    same(way(lambda: rg.fori_loop(0, 2, lambda i, c: c + x[0], 0.0))(), np.float32(2))
    same(way(lambda: rg.fori_loop(0, 2, lambda i, c: c + x[0], 0))(), np.float32(2))
    a, b = way(lambda: rg.fori_loop(0, 3, lambda i, c: (c[1], c[1] + x[0]), (0.0, 0.0)))()
    same(a, np.float32(2))
    same(b, np.float32(3))
    same(way(lambda: rg.while_loop(lambda c: c < 10, lambda c: c * 2 + x[0], 1.0))(), np.float32(15))
    same(way(lambda: rg.cond(True, lambda c: c * x[0], lambda c: c + x[0], 2.0))(), np.float32(2))


def test_a_weak_result_of_cond_stays_weak():
    y = rg.cond(rg.tensor(True), lambda c: c * 2, lambda c: c, 2.0)
    assert (y * rg.tensor([1.0])).dtype == np.float32


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_dict_may_come_back_in_another_order(order):
    def body(c, _):
        after = {"a": c["a"] + 1, "b": c["b"] * 2}
        return {k: after[k] for k in order}, None

    out, _ = rg.scan(body, {"a": rg.tensor(0.0), "b": rg.tensor(1.0)}, length=3)
    same(out["a"], np.float32(3))
    same(out["b"], np.float32(8))


@pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_what_a_carry_must_be(way):
    x = rg.tensor([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"carried value 0 enters as f32\[2\] and leaves as f32"):
        way(lambda: rg.fori_loop(0, 2, lambda i, c: rg.sum(c), x))()
    with pytest.raises(ShapeError, match=r"enters as f32\[2\] and leaves as f64\[2\].*astype\('float64'\)"):
        way(lambda: rg.fori_loop(0, 2, lambda i, c: c * np.float64(2), x))()
    with pytest.raises(RetrogradError, match="carry enters as .* and leaves as"):
        way(lambda: rg.fori_loop(0, 2, lambda i, c: (c, c), x))()
    with pytest.raises(RetrogradError, match=r"must return \(carry, y\)"):
        way(lambda: rg.scan(lambda c, v: c, x, length=2))()
    with pytest.raises(ShapeError, match="one length"):
        way(lambda: rg.scan(lambda c, v: (c, None), x, (np.ones(2), np.ones(3))))()
    with pytest.raises(TracingError, match="one boolean"):
        way(lambda: rg.while_loop(lambda c: (c, c), lambda c: c, x))()
    with pytest.raises(ShapeError, match="boolean scalar"):
        way(lambda: rg.cond(x > 0, lambda: x, lambda: x))()
    with pytest.raises(RetrogradError, match="different structures"):
        way(lambda: rg.cond(rg.tensor(True), lambda: x, lambda: (x, x)))()
    with pytest.raises(ShapeError, match=r"arms of cond differ: \(f32\[2\]\) and \(f32\)"):
        way(lambda: rg.cond(rg.tensor(True), lambda: x, lambda: rg.sum(x)))()


# Derivatives ----------------------------------------------------------------------------------------------------------

X = np.array([0.5, 1.5])


def power(n):
    """X ** (n + 1), by a loop."""
    return {
        "scan": lambda x: rg.sum(rg.scan(lambda c, _: (c * x, None), x, length=n)[0]),
        "fori": lambda x: rg.sum(rg.fori_loop(0, n, lambda i, c: c * x, x)),
        "bounded": lambda x: rg.sum(
            rg.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * x), (0, x), max_iterations=n + 2)[1]
        ),
        "while": lambda x: rg.sum(rg.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * x), (0, x))[1]),
        "dynamic": lambda x: rg.sum(rg.fori_loop(0, rg.tensor(n), lambda i, c: c * x, x)),
    }


@loop_ways
@pytest.mark.parametrize("kind", ["scan", "fori", "bounded", "while", "dynamic"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_forward_mode_goes_through_all_loops(way, kind, n):
    f = power(n)[kind]
    value, tangent = way(lambda: rg.jvp(f, (X,), (np.ones(2),)))()
    np.testing.assert_allclose(value, np.sum(X ** (n + 1)), rtol=1e-15)
    np.testing.assert_allclose(tangent, np.sum((n + 1) * X**n), rtol=1e-15)


@loop_ways
@pytest.mark.parametrize("kind", ["scan", "fori", "bounded"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_reverse_mode_goes_through_a_static_count(way, kind, n):
    f = power(n)[kind]
    np.testing.assert_allclose(way(rg.grad(f))(X), (n + 1) * X**n, rtol=1e-14)
    np.testing.assert_allclose(way(rg.grad(lambda x: rg.sum(rg.grad(f)(x))))(X), n * (n + 1) * X ** max(n - 1, 0))


@pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("kind", ["while", "dynamic"])
@pytest.mark.parametrize("n", [0, 3])
def test_reverse_mode_through_a_dynamic_count_names_the_ways(way, kind, n):
    f = power(n)[kind]
    for derivative in (rg.grad(f), rg.jacobian(lambda x: f(x) * x, mode="reverse"), rg.grad(rg.jit(f))):
        with pytest.raises(MissingRule, match=r"max_iterations=.*scan.*fixed_point"):
            way(derivative)(X)
    with pytest.raises(MissingRule, match=r"max_iterations=.*scan.*fixed_point"):
        way(f)(rg.tensor(X, requires_grad=True)).backward()


@loop_ways
@pytest.mark.parametrize("kind", ["scan", "fori", "while", "bounded", "dynamic"])
def test_vmap_of_loops(way, kind):
    f = power(3)[kind]
    rows = np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(way(rg.vmap(f))(rows), np.sum(rows**4, axis=1), rtol=1e-15)


@loop_ways
def test_a_while_loop_under_vmap_runs_until_every_lane_is_done(way):
    same(way(rg.vmap(collatz))(np.array([1, 6, 27])), np.array([0, 8, 111]))


def collatz(n):
    def body(s):
        n, k = s
        return following(n), k + 1

    return rg.while_loop(lambda s: s[0] != 1, body, (n, 0))[1]


def following(n):
    """The next Collatz number, without remainders."""
    half = rg.astype(n * 0.5, "int64")
    return rg.where(half * 2 == n, half, 3 * n + 1)


@pytest.mark.parametrize("way", [lambda f: f, rg.jit], ids=["eager", "jit"])
def test_cond_on_a_batched_predicate_selects(way):
    f = way(rg.vmap(lambda x: rg.cond(x > 0, lambda v: v * 2, lambda v: v - 1, x)))
    same(f(np.array([-1.0, 0.0, 2.0])), np.array([-2.0, -1.0, 4.0]))
    g = way(rg.vmap(rg.grad(lambda x: rg.cond(x > 0, lambda v: v * v, lambda v: v * 3, x))))
    same(g(np.array([-1.0, 0.5, 2.0])), np.array([3.0, 1.0, 4.0]))


def test_only_the_taken_arm_runs():
    table = rg.tensor([1.0, 2.0])
    index = rg.Buffer(np.array(7))
    assert float(rg.cond(rg.tensor(False), lambda: table[index.value], lambda: rg.tensor(0.0))) == 0.0


def test_reverse_mode_into_parameters_through_a_loop():
    w = rg.Parameter(np.array([2.0]))
    rg.sum(rg.fori_loop(0, 3, lambda i, c: c * w, rg.tensor([1.0], dtype="float64"))).backward()
    same(w.grad, np.array([12.0]))
    w.grad = None
    rg.jit(lambda: rg.sum(rg.fori_loop(0, 3, lambda i, c: c * w, rg.tensor([1.0], dtype="float64"))))().backward()
    same(w.grad, np.array([12.0]))


def test_a_live_result_of_a_loop_that_assigned_a_parameter_is_not_differentiated_wrongly():
    """Python differentiates at the last value; a loop must do the same, or raise."""

    def body(i, c):
        p.value = p * 0.5
        return rg.sum(p * p)

    p = rg.Parameter(np.array([8.0]))
    loss = rg.tensor(0.0, dtype="float64")
    for i in range(3):
        loss = body(i, loss)
    loss.backward()
    expected = np.array(p.grad)
    p.value, p.grad = [8.0], None
    loss = rg.fori_loop(0, 3, body, rg.tensor(0.0, dtype="float64"))
    try:
        loss.backward()
    except rg.errors.DifferentiationError:
        return
    same(p.grad, expected)


# debug() --------------------------------------------------------------------------------------------------------------


def test_debug_shows_numbers_inside_loops():
    seen = []
    with rg.debug():
        rg.fori_loop(0, 3, lambda i, c: (seen.append(float(c)), c * 2)[1], rg.tensor(1.0))
        rg.cond(rg.tensor(True), lambda x: (seen.append(float(x)), x)[1], lambda x: x, rg.tensor(9.0))
    assert seen == [1.0, 2.0, 4.0, 9.0]


def test_debug_is_a_context_and_leaves_nothing_behind():
    with pytest.raises(KeyError), rg.debug():
        raise KeyError
    count = []
    rg.fori_loop(0, 5, lambda i, c: (count.append(1), c)[1], rg.tensor(1.0))
    assert len(count) == 1
